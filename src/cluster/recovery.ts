/**
 * The recovery of one fenced node: tried until it succeeds and the node leads nothing any more, or until it is given up.
 * What a recovery does is handed in; this only repeats it, and tells how it goes.
 *
 * It stops for two reasons, both by its signal: the node has come back by itself, or this node is the controller no more.
 * Neither is needed for safety: whatever a recovery writes is guarded by the epoch that the fence gave the node.
 */
import type { NodeIdentity } from '../metadata/metadata.ts'
import { type Clock, sleep } from '../runtime/clock.ts'
import { isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { FailoverEntry, RecoveryStep } from './failover-history.ts'

const RETRY_MIN_MS = 100
const RETRY_MAX_MS = 5000

export interface RecoveryTask {
  /** Whose log is to be recovered; the epoch is that of the fence, to act in its name. */
  readonly node: NodeIdentity
  /** Aborted when it is to stop; its outcome is not looked at any more then, but waited for. */
  readonly signal: AbortSignal
  /** To be called when the log was opened, was replayed, and what it held is committed. */
  readonly reached: (step: RecoveryStep) => void
}

/** What was handed over. */
export interface Recovered {
  readonly partitions: number
  readonly records: number
  readonly bytes: number
}

/** Brings what a dead node led to nodes that live. Repeating it, also after a part of it has happened, must be fine. */
export type Recover = (task: RecoveryTask) => Promise<Recovered>

export interface RecoveryParts {
  readonly clock: Clock
  readonly log: Log
  readonly recover: Recover
  readonly leads: (nodeId: number) => boolean
  readonly node: NodeIdentity
  readonly entry: FailoverEntry
  /** Monotonic milliseconds that the timings count from. */
  readonly sinceMs: number
}

export class Recovery {
  readonly node: NodeIdentity
  /** Resolves when nothing of it runs any more. */
  readonly ended: Promise<void>
  readonly #parts: RecoveryParts
  readonly #abort = new AbortController()
  #problem = ''

  constructor(parts: RecoveryParts) {
    this.node = parts.node
    this.#parts = parts
    this.ended = this.#run()
  }

  giveUp(reason: string): void {
    if (this.#abort.signal.aborted) return
    this.#abort.abort()
    this.#parts.log.info({ nodeId: this.node.id, reason }, 'the recovery of a node is given up')
  }

  async #run(): Promise<void> {
    const { clock, log, entry } = this.#parts
    const { signal } = this.#abort
    for (let retryMs = RETRY_MIN_MS; !signal.aborted; retryMs = Math.min(retryMs * 2, RETRY_MAX_MS)) {
      const done = await this.#attempt()
      if (done !== undefined) {
        entry.set({ ...done, handedOverMs: this.#elapsedMs(), outcome: 'done' })
        log.info({ ...entry.get() }, 'a node is recovered')
        return
      }
      await sleep(clock, retryMs, signal)
    }
    entry.set({ outcome: 'given up' })
  }

  /** Undefined when it has to be tried again. */
  async #attempt(): Promise<Recovered | undefined> {
    const { recover, leads, entry, node } = this.#parts
    entry.set({
      attempts: entry.get().attempts + 1,
      openedMs: undefined,
      replayedMs: undefined,
      committedMs: undefined
    })
    const reached = (step: RecoveryStep): void => entry.set({ [`${step}Ms`]: this.#elapsedMs() })
    try {
      const recovered = await recover({ node, signal: this.#abort.signal, reached })
      if (this.#abort.signal.aborted) return undefined
      if (!leads(node.id)) return recovered
      this.#failed('it went well, but the node still leads partitions', undefined)
    } catch (error) {
      this.#failed(error instanceof Error ? error.message : String(error), error)
    }
    return undefined
  }

  #failed(problem: string, error: unknown): void {
    if (this.#abort.signal.aborted) return
    const { log, entry, node } = this.#parts
    entry.set({ problem })
    if (problem === this.#problem) return
    this.#problem = problem
    // Not even a bug ends the process: the next controller would meet it too, and the next, until none is left.
    const bug = error !== undefined && !isFault(error)
    const fields = { nodeId: node.id, problem, ...(bug ? { error } : {}) }
    if (bug) log.error(fields, 'a bug keeps a node from being recovered; it is tried again')
    else log.warn(fields, 'a node could not be recovered; it is tried again')
  }

  #elapsedMs(): number {
    return Math.round(this.#parts.clock.monotonic() - this.#parts.sinceMs)
  }
}
