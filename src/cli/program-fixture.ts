/** Runs the command line in a test: without a process, with everything it writes collected. */
import { PassThrough, Readable } from 'node:stream'
import { systemClock } from '../runtime/system-clock.ts'
import { systemRandom } from '../runtime/system-random.ts'
import { runProgram } from './program.ts'
import type { Surroundings, Terminal } from './surroundings.ts'

export interface Run {
  readonly status: number
  readonly output: string
  readonly errors: string
}

type Given = Partial<Surroundings> & { stdin?: string }

export async function runCommand(args: readonly string[], { stdin = '', ...given }: Given = {}): Promise<Run> {
  const output = collector()
  const errors = collector()
  const input = Readable.from([Buffer.from(stdin)])
  const surroundings = { ...idleSurroundings(), input, output: output.terminal, errors: errors.terminal, ...given }
  const status = await runProgram(args, '0.0.0', surroundings)
  return { status, output: output.text(), errors: errors.text() }
}

/** Nothing to read, nowhere to write, nobody who stops it. */
export function idleSurroundings(): Surroundings {
  return {
    input: Readable.from([]),
    output: collector().terminal,
    errors: collector().terminal,
    env: {},
    workingDirectory: '/nowhere',
    readFile: () => {
      throw new Error('no file in this test')
    },
    clock: systemClock,
    random: systemRandom,
    stop: new AbortController().signal
  }
}

export function collector(interactive = false): { terminal: Terminal; text: () => string } {
  const stream = new PassThrough({ highWaterMark: 1024 * 1024 })
  const chunks: Buffer[] = []
  stream.on('data', (chunk) => chunks.push(chunk))
  return {
    terminal: { stream, interactive, columns: () => 80 },
    text: () => {
      for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) chunks.push(chunk)
      return Buffer.concat(chunks).toString()
    }
  }
}
