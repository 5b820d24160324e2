#!/usr/bin/env node
/**
 * The process around the command line: the real effects, signals, and the end of a process that has met a bug.
 * It decides nothing else; `cli/program.ts` does.
 */
import { readFileSync } from 'node:fs'
import type { WriteStream } from 'node:tty'
import { exitCodes } from './cli/exit-codes.ts'
import { describeFailure, runProgram } from './cli/program.ts'
import type { Terminal } from './cli/surroundings.ts'
import { systemClock } from './runtime/system-clock.ts'
import { systemRandom } from './runtime/system-random.ts'

/** `npm start` passes the terminal's Ctrl-C on a second time within milliseconds; a person is slower. */
const sameKeyPressMs = 300

function stopOnSignals(): AbortSignal {
  const stop = new AbortController()
  let firstAt: number | undefined
  const onSignal = () => {
    firstAt ??= systemClock.monotonic()
    if (stop.signal.aborted && systemClock.monotonic() - firstAt > sameKeyPressMs) process.exit(exitCodes.interrupted)
    stop.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return stop.signal
}

/** State after a bug cannot be trusted: acknowledging on would be worse than stopping. The WAL is made for it. */
function endOnBugs(): void {
  const end = (error: unknown) => {
    process.stderr.write(describeFailure(error))
    process.exit(exitCodes.bug)
  }
  process.on('uncaughtException', end)
  process.on('unhandledRejection', end)
}

function terminal(stream: WriteStream): Terminal {
  // `longhaul consume … | head` closes the pipe when it has enough: that is no failure.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.ok)
    throw error
  })
  return { stream, interactive: stream.isTTY === true, columns: () => stream.columns || undefined }
}

endOnBugs()
// Its warning that it will ask for Node.js 22 in 2027 is not for whoever runs a command today.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
// Timers of the clock keep no process alive, and a command that waits for a broker to come back has nothing else.
const alive = setInterval(() => {}, 60_000)
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
process.exitCode = await runProgram(process.argv.slice(2), version, {
  input: process.stdin,
  output: terminal(process.stdout),
  errors: terminal(process.stderr),
  env: process.env,
  workingDirectory: process.cwd(),
  readFile: (path) => readFileSync(path, 'utf8'),
  clock: systemClock,
  random: systemRandom,
  stop: stopOnSignals()
})
clearInterval(alive)
