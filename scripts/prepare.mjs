/**
 * Brings a checkout to the state in which it can run: dependencies as package-lock.json says, sources built to dist/.
 * Does nothing, in a few milliseconds, when nothing changed. Plain JavaScript without dependencies, because it
 * runs before there are any.
 *
 * What is remembered, and where:
 * - node_modules/.longhaul-lock: hash of the package-lock.json that node_modules was found to match;
 * - dist/.fingerprint: hash over path, size and modification time of everything the build reads.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))
export const mainPath = join(root, 'dist', 'src', 'main.js')

const sourceRoots = ['src', 'test', 'bench']
const buildInputs = ['tsconfig.json', 'package.json', 'package-lock.json']
const lockMarker = join(root, 'node_modules', '.longhaul-lock')
const fingerprintPath = join(root, 'dist', '.fingerprint')

/** Ends the process with a message, not a stack: whoever reads it wants to know what to do. */
export function giveUp(message, status = 1) {
  process.stderr.write(`longhaul: ${message}\n`)
  process.exit(status)
}

export function prepare() {
  requireNode()
  const lockHash = install()
  build(lockHash)
}

function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  giveUp(`needs Node.js 20.19 or newer, this is ${process.versions.node}. Install a current release from nodejs.org.`)
}

function install() {
  const lockText = readFileSync(join(root, 'package-lock.json'))
  // Native parts are prebuilt per platform, so a node_modules copied from elsewhere does not count.
  const lockHash = hash([lockText, process.platform, process.arch])
  if (readIfPresent(lockMarker) === lockHash) return lockHash
  const lock = JSON.parse(lockText)
  if (!matchesLock(lock)) {
    // Not `npm ci`: it refuses a lock that lacks optional packages of other platforms, and such a lock is what npm
    // writes where the registry does not offer them. What `npm ci` would have checked is checked below.
    const flags = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    run('installing dependencies', 'npm', ['install', ...flags])
    if (!matchesLock(lock)) {
      giveUp('package-lock.json does not fit package.json: run `npm install` and commit the lock it writes.')
    }
  }
  writeFileSync(lockMarker, lockHash)
  return lockHash
}

/** True when npm's own record of what it installed says the same as the lock, optional packages aside. */
function matchesLock(lock) {
  const recordText = readIfPresent(join(root, 'node_modules', '.package-lock.json'))
  if (recordText === undefined) return false
  const installed = JSON.parse(recordText).packages ?? {}
  const wanted = { ...lock.packages }
  delete wanted['']
  const fits = (path) => {
    if (wanted[path] === undefined || installed[path] === undefined) {
      return (wanted[path] ?? installed[path]).optional === true
    }
    return wanted[path].integrity === installed[path].integrity
  }
  return [...Object.keys(wanted), ...Object.keys(installed)].every(fits)
}

function build(lockHash) {
  const sources = sourceRoots.flatMap((name) => filesBelow(join(root, name))).filter((path) => path.endsWith('.ts'))
  const fingerprint = hash([lockHash, ...[...buildInputs.map((name) => join(root, name)), ...sources].map(describe)])
  if (readIfPresent(fingerprintPath) === fingerprint && existsSync(mainPath)) return
  // Forgotten first: a build that fails half way must not pass for a finished one. tsc's own memory of what it
  // emitted goes with an emptied dist, or it would emit nothing.
  rmSync(fingerprintPath, { force: true })
  if (!existsSync(mainPath)) rmSync(join(root, 'dist', '.tsbuildinfo'), { force: true })
  removeStaleOutputs(new Set(sources.map((path) => relative(root, path))))
  run('building (tsc)', process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', root])
  chmodSync(mainPath, 0o755)
  mkdirSync(join(root, 'dist'), { recursive: true })
  writeFileSync(fingerprintPath, fingerprint)
}

/** A deleted test must not run again from dist. */
function removeStaleOutputs(sources) {
  for (const output of sourceRoots.flatMap((name) => filesBelow(join(root, 'dist', name)))) {
    const source = relative(join(root, 'dist'), output).replace(/\.js(\.map)?$/, '.ts')
    if (!sources.has(source)) rmSync(output)
  }
}

/** Absolute paths, sorted, so that the fingerprint does not depend on the order of directory entries. */
export function filesBelow(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      return entry.isDirectory() ? filesBelow(path) : [path]
    })
    .sort()
}

function describe(path) {
  const { size, mtimeMs } = statSync(path)
  return `${relative(root, path)} ${size} ${mtimeMs}`
}

function hash(parts) {
  const digest = createHash('sha256')
  for (const part of parts) digest.update(part).update('\0')
  return digest.digest('hex')
}

function readIfPresent(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

function run(what, command, args) {
  process.stderr.write(`longhaul: ${what} …\n`)
  // npm is a script with another name on Windows; only a shell finds it there.
  const shell = process.platform === 'win32' && command === 'npm'
  // Output goes to stderr: stdout belongs to the program or to the test runner.
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], shell })
  if (error) giveUp(`${what}: cannot start ${command}: ${error.message}`)
  if (status !== 0) giveUp(`${what} failed (${signal ?? `status ${status}`}); its output stands above.`, status ?? 1)
}

// As a command (`node scripts/prepare.mjs`) it only prepares.
if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) prepare()
