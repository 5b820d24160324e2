/**
 * The style of STYLE.md as far as a machine can tell: layers, cycles, sizes, injected effects, names, dependencies.
 * Each failure says what to do. Exceptions stand in the lists below; one that is no longer needed fails too, so the
 * lists only shrink. It reads syntax only: what the type checker or the linter finds is left to them.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, posix } from 'node:path'
import { describe, test } from 'node:test'
import ts from 'typescript'

/** Folders of src, from the bottom up: each may import itself and those before it. The order of DESIGN.md. */
const layers = [
  ...['runtime', 'wire', 'object-store', 'metadata', 'stream', 'cluster', 'broker', 'registry', 'fleet', 'gateway'],
  ...['edge', 'lake', 'simulator', 'evaluate', 'migrate', 'admin', 'node', 'cli']
]
/** These reach a cluster through the Kafka protocol only, so that they work with any. */
const outsideCluster = ['gateway', 'edge', 'lake', 'simulator', 'evaluate', 'migrate']
const insideCluster = ['stream', 'cluster', 'broker']

const fileLinesMax = 500
const functionLinesMax = 60
const npmScriptsMax = 12

/** Adapters: the files that turn an effect into an interface, with the effects they may use. */
const adapters: Readonly<Record<string, readonly string[]>> = {
  'src/main.ts': ['node:fs', 'process.env', 'setInterval'],
  'src/metadata/directory-lock.ts': ['node:fs'],
  'src/metadata/postgres-database.ts': ['node:fs'],
  'src/metadata/sqlite-database.ts': ['node:fs'],
  'src/node/event-loop-delay.ts': ['node:perf_hooks'],
  'src/node/storage.ts': ['node:fs'],
  'src/object-store/directory-object-store.ts': ['node:fs', 'node:fs/promises'],
  'src/runtime/system-clock.ts': ['Date.now', 'performance', 'setTimeout'],
  'src/runtime/system-random.ts': ['randomBytes', 'randomInt'],
  'src/runtime/virtual-clock.ts': ['setImmediate'],
  'src/simulator/http-link.ts': ['fetch'],
  'src/simulator/recorded-drive.ts': ['node:fs/promises'],
  'src/stream/wal/file-wal-device.ts': ['node:fs', 'node:fs/promises'],
  'src/stream/wal/read-only-wal-device.ts': ['node:fs/promises']
}

/** Files and functions that are too long today: path, or path and function, with their lines. Never add: split. */
const tooLongToday: Readonly<Record<string, number>> = {}

/** Cycles of today, as they are printed. Never add: move what both need below them. */
const cyclesToday: readonly string[] = []

interface Import {
  readonly specifier: string
  readonly line: number
}

interface Source {
  /** From the root, with `/`. */
  readonly path: string
  /** Folder below src; undefined for main.ts, test and bench. */
  readonly layer: string | undefined
  /** Tests, and the contract suites and fixtures that they share. */
  readonly isTest: boolean
  readonly lines: number
  readonly tree: ts.SourceFile
  readonly imports: readonly Import[]
}

const root = findRoot()
const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
const sources = ['src', 'test', 'bench'].flatMap(filesBelow).map(readSource)
const production = sources.filter(({ path, isTest }) => path.startsWith('src/') && !isTest)

describe('style', () => {
  test('the sources are found', () => {
    // Without it a moved folder would make every other test here pass on nothing.
    assert.ok(production.length > 50, `found only ${production.length} files below ${root}/src`)
  })

  test('imports point downwards', () => {
    passes(production, upwardImports)
  })

  test('no imports form a cycle', () => {
    const found = findCycles().map((cycle) => cycle.join(' → '))
    const added = found.filter((cycle) => !cyclesToday.includes(cycle))
    const gone = cyclesToday.filter((cycle) => !found.includes(cycle))
    none([
      ...added.map((cycle) => `${cycle}\n  move what both need into a file below them`),
      ...gone.map((cycle) => `${cycle}\n  is no cycle any more: take it off cyclesToday`)
    ])
  })

  test(`no file is longer than ${fileLinesMax} lines, no function longer than ${functionLinesMax}`, () => {
    const tooLong = new Map(sources.flatMap((source) => [...longParts(source)]))
    const remedy = 'two things live there: give each its own, with a name that says which'
    const found = [...tooLong].filter(([part, lines]) => lines > (tooLongToday[part] ?? 0))
    const settled = Object.keys(tooLongToday).filter((part) => !tooLong.has(part))
    none([
      ...found.map(([part, lines]) => `${part} has ${lines} lines: ${remedy}`),
      ...settled.map((part) => `${part} is short enough now: take it off tooLongToday`)
    ])
  })

  test('effects are injected; only adapters touch the machine', () => {
    passes(production, (source) =>
      effectsIn(source)
        .filter(({ effect }) => !adapters[source.path]?.includes(effect))
        .map(({ effect, line }) => `${source.path}:${line} uses ${effect}: ${remedyFor(effect)}`)
    )
  })

  test('every adapter on the list still needs what it may use', () => {
    const used = new Set(
      production.flatMap((source) => effectsIn(source).map(({ effect }) => `${source.path} ${effect}`))
    )
    const listed = Object.entries(adapters).flatMap(([path, effects]) => effects.map((effect) => `${path} ${effect}`))
    none(
      listed.filter((entry) => !used.has(entry)).map((entry) => `${entry} is not used any more: take it off adapters`)
    )
  })

  test('no any, no non-null assertion, no default export, no suppressed type error', () => {
    passes(sources, forbiddenSyntax)
  })

  test('files are kebab-case nouns that say what is in them, and none only passes on exports', () => {
    passes(sources, misnamed)
  })

  test('dependencies install by unpacking alone, from whatever registry the user has', () => {
    const entries = Object.entries<Record<string, unknown>>(lock.packages)
    none([
      ...entries
        .filter(([, entry]) => entry.hasInstallScript)
        .map(([path]) => `${path} runs a script when it is installed: choose a dependency that ships prebuilt`),
      ...entries
        .filter(([, entry]) => entry.resolved !== undefined)
        .map(([path]) => `${path} names a registry host: keep omit-lockfile-registry-resolved in .npmrc, lock again`)
    ])
  })

  test(`package.json has at most ${npmScriptsMax} scripts`, () => {
    const names = Object.keys(packageJson.scripts)
    assert.ok(names.length <= npmScriptsMax, `${names.length} scripts: make rare ones options of a command in scripts/`)
  })
})

function passes(files: readonly Source[], complaintsOf: (source: Source) => readonly string[]): void {
  none(files.flatMap(complaintsOf))
}

function none(complaints: readonly string[]): void {
  assert.ok(complaints.length === 0, `\n${complaints.join('\n')}`)
}

/** The package's folder: this file may run from any build folder. */
function findRoot(): string {
  for (let folder = process.cwd(); folder !== dirname(folder); folder = dirname(folder)) {
    if (readdirSync(folder).includes('package-lock.json')) return folder
  }
  throw new Error('run the tests inside the repository')
}

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return filesBelow(path)
    return path.endsWith('.ts') ? [path] : []
  })
}

function readSource(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8')
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const folder = /^src\/([^/]+)\//.exec(path)?.[1]
  const isTest = !path.startsWith('src/') || /\.test\.ts$|-contract\.ts$|-fixture\.ts$|\/fixtures\//.test(path)
  const lines = text.split('\n').length - 1
  return { path, layer: folder, isTest, lines, tree, imports: importsOf(tree) }
}

function* nodesOf(node: ts.Node): Generator<ts.Node> {
  yield node
  for (const child of node.getChildren()) yield* nodesOf(child)
}

function lineOf(node: ts.Node): number {
  return node.getSourceFile().getLineAndCharacterOfPosition(node.getStart()).line + 1
}

function importsOf(tree: ts.SourceFile): Import[] {
  return [...nodesOf(tree)].flatMap((node) => {
    const target = importTarget(node)
    return target !== undefined && ts.isStringLiteral(target) ? [{ specifier: target.text, line: lineOf(node) }] : []
  })
}

function importTarget(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return node.argument.literal
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) return node.arguments[0]
  return undefined
}

/** Path from the root of a relative import; undefined for packages. */
function targetOf(source: Source, { specifier }: Import): string | undefined {
  return specifier.startsWith('.') ? posix.join(posix.dirname(source.path), specifier) : undefined
}

function upwardImports(source: Source): string[] {
  // main.ts stands above all layers.
  if (source.layer === undefined) return []
  const own = layers.indexOf(source.layer)
  if (own < 0) return [`${source.path}: src/${source.layer} is no layer yet: give it its place in layers and DESIGN.md`]
  return source.imports.flatMap((one) => {
    const target = targetOf(source, one)
    if (target === undefined) return []
    const layer = /^src\/([^/]+)\//.exec(target)?.[1]
    const at = `${source.path}:${one.line} imports ${target}`
    if (layer === undefined || layers.indexOf(layer) > own) {
      return [`${at}, which lies above it: declare what is needed as an interface here and let node/ hand it in`]
    }
    if (outsideCluster.includes(source.layer ?? '') && insideCluster.includes(layer)) {
      return [`${at}: ${source.layer} must work with any Kafka; use the protocol through a client`]
    }
    return []
  })
}

/** Each cycle once, as the path from a file back to itself. */
function findCycles(): string[][] {
  const byPath = new Map(sources.map((source) => [source.path, source]))
  const state = new Map<string, 'open' | 'done'>()
  const trail: string[] = []
  const cycles: string[][] = []
  const visit = (path: string): void => {
    const source = byPath.get(path)
    if (source === undefined || state.get(path) === 'done') return
    if (state.get(path) === 'open') {
      cycles.push([...trail.slice(trail.indexOf(path)), path])
      return
    }
    state.set(path, 'open')
    trail.push(path)
    for (const one of source.imports) visit(targetOf(source, one) ?? '')
    trail.pop()
    state.set(path, 'done')
  }
  for (const { path } of sources) visit(path)
  return cycles
}

/** Parts beyond their limit, with their lines. A suite's callback only lists tests and may be long. */
function* longParts({ path, lines, tree }: Source): Generator<[part: string, lines: number]> {
  if (lines > fileLinesMax) yield [path, lines]
  for (const node of nodesOf(tree)) {
    if (!ts.isFunctionLike(node) || isSuite(node)) continue
    const length = tree.getLineAndCharacterOfPosition(node.end).line + 2 - lineOf(node)
    if (length > functionLinesMax) yield [`${path} ${functionName(node)}`, length]
  }
}

function isSuite(node: ts.Node): boolean {
  const call = node.parent
  if (ts.isCallExpression(call)) return /^(describe|suite)\b/.test(call.expression.getText())
  // A contract is a function that only describes: `export function walContract(…) { describe(…) }`.
  const body = ts.isFunctionDeclaration(node) ? node.body?.statements : undefined
  return (
    body?.some((one) => ts.isExpressionStatement(one) && /^(describe|suite|test|it)\(/.test(one.getText())) ?? false
  )
}

function functionName(node: ts.SignatureDeclaration): string {
  const named = node.name ?? (ts.isVariableDeclaration(node.parent) ? node.parent.name : undefined)
  return named?.getText() ?? `function in line ${lineOf(node)}`
}

const bannedGlobals = new Set(['setTimeout', 'setInterval', 'setImmediate', 'performance', 'fetch'])
const bannedMembers = new Set(['Date.now', 'Math.random', 'process.hrtime', 'process.env', 'crypto.randomUUID'])
const bannedModules = new Set(['node:fs', 'node:fs/promises', 'node:timers', 'node:timers/promises', 'node:perf_hooks'])
const bannedNames = new Set(['randomBytes', 'randomInt', 'randomUUID', 'randomFill', 'randomFillSync'])

function effectsIn(source: Source): { effect: string; line: number }[] {
  const nodes = [...nodesOf(source.tree)]
  // A name that the file declares itself is not the global one.
  const declared = new Set(nodes.flatMap((node) => (isNamed(node) ? [node.name.getText()] : [])))
  return nodes.flatMap((node) => {
    const effect = effectOf(node)
    return effect === undefined || declared.has(effect) ? [] : [{ effect, line: lineOf(node) }]
  })
}

function isNamed(node: ts.Node): node is ts.Node & { name: ts.Node } {
  return ts.isVariableDeclaration(node) || ts.isParameter(node) || ts.isBindingElement(node) || isNamedFunction(node)
}

function isNamedFunction(node: ts.Node): boolean {
  return ts.isFunctionDeclaration(node) && node.name !== undefined
}

function effectOf(node: ts.Node): string | undefined {
  const target = importTarget(node)
  if (target !== undefined && ts.isStringLiteral(target) && bannedModules.has(target.text)) return target.text
  if (ts.isImportSpecifier(node) && bannedNames.has(node.name.text)) return node.name.text
  if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && !node.arguments?.length) return 'new Date()'
  if (ts.isPropertyAccessExpression(node)) return [node.getText()].find((text) => bannedMembers.has(text))
  if (!ts.isIdentifier(node) || !bannedGlobals.has(node.text)) return undefined
  const { parent } = node
  const isMember = ts.isPropertyAccessExpression(parent) && parent.name === node
  // A method, property, parameter or import of that name is something else.
  return isMember || ('name' in parent && parent.name === node) ? undefined : node.text
}

function remedyFor(effect: string): string {
  if (/time|interval|immediate|date|performance/i.test(effect)) return 'take a Clock (runtime/clock.ts)'
  if (/random/i.test(effect)) return 'take a Random (runtime/random.ts)'
  if (effect === 'process.env') return 'take a Configuration, or what main.ts hands in'
  return 'put it behind an interface whose adapter stands in the list adapters, and inject that'
}

function forbiddenSyntax({ path, tree, isTest }: Source): string[] {
  const found = [...nodesOf(tree)].flatMap((node) => {
    const at = `${path}:${lineOf(node)}`
    if (node.kind === ts.SyntaxKind.AnyKeyword) return [`${at} says any: say unknown, and look before you use it`]
    if (ts.isNonNullExpression(node)) return [`${at} asserts with !: check it, or assert() with the reason`]
    if (ts.isExportAssignment(node) || (node.kind === ts.SyntaxKind.DefaultKeyword && ts.isFunctionLike(node.parent))) {
      return [`${at} exports a default: export a name, so that it is the same everywhere`]
    }
    return []
  })
  // Tests of types need @ts-expect-error. The names are put together so that this line is not one of them.
  const suppressions = ['ignore', 'nocheck', ...(isTest ? [] : ['expect-error'])].map((name) => `@ts-${name}`)
  return suppressions.some((text) => tree.text.includes(text))
    ? [...found, `${path} suppresses the type checker: give it the types`]
    : found
}

const emptyNames = /(^|-)(utils?|helpers?|common|manager|misc|shared)(-|\.|$)/

function misnamed({ path, tree }: Source): string[] {
  const name = basename(path)
  const complaints: string[] = []
  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.(test|slow|slow\.test|bench))?\.ts$/.test(name))
    complaints.push(`${path} is not kebab-case`)
  if (emptyNames.test(name)) complaints.push(`${path} says nothing about what is in it: name it after that`)
  const passesOn = tree.statements.length > 0 && tree.statements.every((one) => ts.isExportDeclaration(one))
  if (name === 'index.ts' || passesOn) complaints.push(`${path} is a barrel: import from the files themselves`)
  return complaints
}
