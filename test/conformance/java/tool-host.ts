/**
 * Kafka's command-line tools as they are, their main classes called in one JVM (`src/tools/ToolHost.java`). A tool that
 * does not end in time takes the JVM with it; the next call starts another.
 */
import type { PeerProcess } from '../peer-process.ts'
import { startJava } from './java-process.ts'

const CALL_MS = 90_000

export interface ToolAnswer {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface ToolOptions {
  readonly input?: string
  readonly timeoutMs?: number
}

export class ToolHost {
  readonly #classPath: string
  #process: PeerProcess | undefined
  #before: Promise<unknown> = Promise.resolve()

  constructor(classPath: string) {
    this.#classPath = classPath
  }

  /** Runs the tool to its end, whatever its exit status; calls wait for each other. */
  call(main: string, args: readonly string[], options: ToolOptions = {}): Promise<ToolAnswer> {
    const answer = this.#before.then(() => this.#call(main, args, options))
    this.#before = answer.catch(() => undefined)
    return answer
  }

  async #call(main: string, args: readonly string[], { input = '', timeoutMs = CALL_MS }: ToolOptions) {
    this.#process ??= startJava(this.#classPath, 'ToolHost', [])
    const host = this.#process
    const before = lines(host.stdout)
    host.child.stdin?.write(`${JSON.stringify({ main, args, input })}\n`)
    try {
      const answer = await host.until(`the end of ${main}`, timeoutMs, () =>
        lines(host.stdout) > before ? host.stdout.trimEnd().split('\n').at(-1) : undefined
      )
      return JSON.parse(answer) as ToolAnswer
    } catch (error) {
      await this.stop()
      throw error
    } finally {
      host.stdout = ''
    }
  }

  async stop(): Promise<void> {
    await this.#process?.kill()
    this.#process = undefined
  }
}

function lines(text: string): number {
  return text.split('\n').length
}
