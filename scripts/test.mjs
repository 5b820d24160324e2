/**
 * `npm test -- [FILTER…] [--slow] [--name PATTERN]`: prepares the checkout when needed, then runs the built tests.
 *
 * A FILTER keeps the files whose path contains it (`npm test -- wal group`). Suites that take long are named
 * `*.slow.test.ts`; they run with `--slow`, alone with a filter. Fails when a test fails, and also when no test ran.
 */
import { join, relative } from 'node:path'
import { run } from 'node:test'
import { spec, tap } from 'node:test/reporters'
import { parseArgs } from 'node:util'
import { filesBelow, giveUp, prepare, root } from './prepare.mjs'

/** Two cores: more files at once only make timing-sensitive tests wait for each other. */
const concurrency = 2
/** Per file. A hanging test ends the run with its name instead of hanging the build machine. */
const timeoutMs = 300_000

const { values, positionals } = readArguments()
prepare()

const dist = join(root, 'dist')
const files = ['src', 'test']
  .flatMap((name) => filesBelow(join(dist, name)))
  .filter((path) => path.endsWith('.test.js') && (values.slow || !path.endsWith('.slow.test.js')))
  .filter((path) => positionals.length === 0 || positionals.some((filter) => relative(dist, path).includes(filter)))
if (files.length === 0) {
  giveUp(`no test file matches ${positionals.join(' ') || 'at all'}; a filter is a part of a path below src or test`)
}

let ran = 0
let failed = false
const stream = run({
  files,
  concurrency,
  timeout: values.slow ? Number.POSITIVE_INFINITY : timeoutMs,
  ...(values.name === undefined ? {} : { testNamePatterns: values.name })
})
stream.on('test:pass', count)
stream.on('test:fail', (event) => {
  failed = true
  count(event)
})
stream.once('end', () => {
  if (ran === 0) process.stderr.write('longhaul: no test ran\n')
  if (failed || ran === 0) process.exitCode = 1
})
stream.compose(process.stdout.isTTY ? new spec() : tap).pipe(process.stdout)

/** A file without tests is reported as one passed test named after the file, and a suite passes when it is empty. */
function count({ name, details, skip, todo }) {
  if (details.type !== 'suite' && !files.includes(name) && skip === undefined && todo === undefined) ran++
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { slow: { type: 'boolean', default: false }, name: { type: 'string' } }
    })
  } catch (error) {
    giveUp(`${error.message}. Usage: npm test -- [FILTER…] [--slow] [--name PATTERN]`, 2)
  }
}
