/**
 * Tells the cluster what goes through the partitions that this broker leads, and how slow it is itself: for whoever
 * balances. Looks at all partitions every few seconds; what it finds goes to the database less often.
 *
 * Nothing rests on a report: one that cannot be written is left out.
 */
import type { Metadata, NodeIdentity, PartitionLoad } from '../metadata/metadata.ts'
import { type Clock, sleep } from '../runtime/clock.ts'
import { isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import type { Partition } from './partition/partition.ts'

const SAMPLE_MS = 2_500
/** Part of it by which turns differ, so that nodes started together do not report together. */
const JITTER = 0.2
/** Samples for each report: one about every ten seconds. */
const SAMPLES = 4

export interface LoadReporterParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metadata: Pick<Metadata, 'reportLoad'>
  /** This life of this node. */
  readonly node: NodeIdentity
  /** Those that are led here now. */
  readonly partitions: () => Iterable<Partition>
  /** By how much the event loop was late, 99th percentile since the last call. */
  readonly takeEventLoopDelayMs: () => number
  /** How long appends took, 99th percentile since the last call. */
  readonly takeAppendDelayMs: () => number
}

export class LoadReporter {
  readonly #parts: LoadReporterParts
  readonly #closing = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #failing = false

  constructor(parts: LoadReporterParts) {
    this.#parts = parts
  }

  start(): void {
    // A bug rejects and is left to end the process.
    this.#running = this.#run()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#parts
    const { signal } = this.#closing
    for (let turn = 0; !signal.aborted; turn++) {
      const loads = this.#sample()
      // The first that can tell something, then every few.
      if (turn % SAMPLES === 1) await this.#report(loads)
      await sleep(clock, SAMPLE_MS * (1 + (random.float() - 0.5) * JITTER), signal)
    }
  }

  #sample(): PartitionLoad[] {
    const { clock, partitions } = this.#parts
    const nowMs = clock.monotonic()
    const loads: PartitionLoad[] = []
    for (const { traffic, stream } of partitions()) {
      const load = traffic.sample(stream.id, nowMs)
      if (load !== undefined) loads.push(load)
    }
    return loads
  }

  async #report(partitions: readonly PartitionLoad[]): Promise<void> {
    const { metadata, node, log, takeEventLoopDelayMs, takeAppendDelayMs } = this.#parts
    const own = { eventLoopDelayMs: takeEventLoopDelayMs(), appendDelayMs: takeAppendDelayMs() }
    try {
      await metadata.reportLoad(node, { ...own, partitions })
      this.#failing = false
    } catch (error) {
      if (!isFault(error)) throw error
      if (!this.#failing) log.warn({ error: error.message }, 'the load of this node could not be reported')
      this.#failing = true
    }
  }
}
