/** Everything a command touches besides its arguments: handed in, so that tests run commands without a process. */
import type { Readable, Writable } from 'node:stream'
import type { Clock } from '../runtime/clock.ts'
import type { Random } from '../runtime/random.ts'

export interface Terminal {
  readonly stream: Writable
  /** Lines can be redrawn in place. */
  readonly interactive: boolean
  /** Characters in a line; undefined when unknown (some terminals say 0). */
  readonly columns: () => number | undefined
}

export interface Surroundings {
  readonly input: Readable
  readonly output: Terminal
  /** For what is not the command's result: progress, advice, complaints. */
  readonly errors: Terminal
  readonly env: Readonly<Record<string, string | undefined>>
  readonly workingDirectory: string
  readonly readFile: (path: string) => string
  readonly clock: Clock
  readonly random: Random
  /** Aborted when the user asks to stop: a command then ends cleanly and soon. */
  readonly stop: AbortSignal
}

/** Writes a line and waits when the reader on the other side is slow, so that memory stays bounded. */
export async function writeLine(terminal: Terminal, line: string | Uint8Array): Promise<void> {
  const text = typeof line === 'string' ? `${line}\n` : Buffer.concat([line, Buffer.from('\n')])
  if (terminal.stream.write(text)) return
  await new Promise<void>((resolve) => terminal.stream.once('drain', resolve))
}
