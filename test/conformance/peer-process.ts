/**
 * Child processes that tests start: brokers, command-line clients, package managers. Each is ended by its own id at the
 * latest when the test process exits, and its last output is kept for the failure message.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

/** Characters of output kept per process for messages. */
const OUTPUT_KEPT_MAX = 64 * 1024

const running = new Set<ChildProcess>()
const killAll = (): void => {
  for (const child of running) child.kill('SIGKILL')
}
process.once('exit', killAll)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    // Whoever else listens ends the process in an orderly way; nobody else does in a test that took too long.
    if (process.listenerCount(signal) > 0) return
    killAll()
    process.kill(process.pid, signal)
  })
}

export interface PeerOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
}

export class PeerProcess {
  readonly name: string
  readonly child: ChildProcess
  stdout = ''
  stderr = ''
  /** Resolves with the exit status, or with the name of the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  #listeners = new Set<() => void>()
  #over = false

  constructor(command: string, args: readonly string[], options: PeerOptions = {}) {
    this.name = command.split('/').at(-1) ?? command
    this.child = spawn(command, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'] })
    running.add(this.child)
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout = (this.stdout + text).slice(-OUTPUT_KEPT_MAX * 16)
      this.#changed()
    })
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-OUTPUT_KEPT_MAX)
      this.#changed()
    })
    // A peer that is gone while it is being written to shows in its exit status, not as an error of the test process.
    this.child.stdin?.on('error', () => {})
    this.ended = new Promise((resolve) => {
      this.child.once('error', (error) => {
        this.stderr += error.message
        this.#finish()
        resolve(127)
      })
      this.child.once('close', (code, signal) => {
        this.#finish()
        resolve(code ?? signal ?? 'SIGKILL')
      })
    })
  }

  get over(): boolean {
    return this.#over
  }

  get pid(): number {
    return this.child.pid ?? -1
  }

  /** Waits until `condition` returns a value, looking at each new output; fails when the process ends or time is up. */
  async until<T>(what: string, timeoutMs: number, condition: () => T | undefined): Promise<T> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const value = condition()
      if (value !== undefined) return value
      if (this.#over) throw new Error(`${this.name} ended before ${what}\n${this.lastOutput()}`)
      const left = deadline - Date.now()
      if (left <= 0) throw new Error(`${this.name}: no ${what} within ${timeoutMs} ms\n${this.lastOutput()}`)
      await this.#change(left)
    }
  }

  /** Ends the process politely, and by force after `graceMs`. */
  async stop(graceMs = 10_000, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#over) return
    this.child.kill(signal)
    const force = setTimeout(() => this.child.kill('SIGKILL'), graceMs)
    await this.ended
    clearTimeout(force)
  }

  async kill(): Promise<void> {
    if (this.#over) return
    this.child.kill('SIGKILL')
    await this.ended
  }

  lastOutput(): string {
    return `--- stdout\n${this.stdout.slice(-2000)}\n--- stderr\n${this.stderr.slice(-4000)}`
  }

  #finish(): void {
    this.#over = true
    running.delete(this.child)
    this.#changed()
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }

  #change(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#listeners.delete(done)
        resolve()
      }
      const timer = setTimeout(done, timeoutMs)
      this.#listeners.add(done)
    })
  }
}

/** Runs a command to its end, feeding it `input`; rejects unless it exits with 0 in time. */
export async function run(
  command: string,
  args: readonly string[],
  options: PeerOptions & { readonly timeoutMs: number; readonly input?: string }
): Promise<string> {
  const peer = new PeerProcess(command, args, options)
  peer.child.stdin?.end(options.input ?? '')
  const timer = setTimeout(() => peer.child.kill('SIGKILL'), options.timeoutMs)
  const status = await peer.ended
  clearTimeout(timer)
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}\n${peer.lastOutput()}`)
  return peer.stdout
}

/** Whether a command can be started at all. */
export async function commandExists(command: string, args: readonly string[]): Promise<boolean> {
  const child = spawn(command, args, { stdio: 'ignore' })
  child.once('error', () => {})
  const [code] = await Promise.race([once(child, 'close'), once(child, 'error').then(() => [127])]).catch(() => [127])
  return code === 0
}
