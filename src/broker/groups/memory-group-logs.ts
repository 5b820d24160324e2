/** `__consumer_offsets` in memory, for tests: appends can be held back, or made to fail. */
import { Fault } from '../../runtime/fault.ts'
import type { GroupLog, GroupLogs, LogRecord } from './group-log.ts'

export class MemoryGroupLogs implements GroupLogs {
  /** What is durable, by partition. */
  readonly records: LogRecord[][]
  /** Partitions that another broker leads. */
  readonly elsewhere = new Set<number>()
  /** When set, appends fail with it and store nothing. */
  failure: Fault | undefined
  /** Number of times a partition was opened. */
  opened = 0
  #held: (() => void)[] | undefined
  #loading: Promise<void> = Promise.resolve()

  constructor(partitions = 4) {
    this.records = Array.from({ length: partitions }, () => [])
  }

  async partitionCount(): Promise<number> {
    return this.records.length
  }

  async open(partition: number): Promise<GroupLog | undefined> {
    this.opened++
    await this.#loading
    const stored = this.records[partition]
    if (stored === undefined || this.elsewhere.has(partition)) return undefined
    return {
      append: (records) => this.#append(stored, records),
      readAll: async (visit) => {
        for (const { key, value } of stored) visit(key, value)
      }
    }
  }

  async #append(stored: LogRecord[], records: readonly LogRecord[]): Promise<void> {
    const failure = this.failure
    const held = this.#held
    if (held !== undefined) await new Promise<void>((resolve) => held.push(resolve))
    if (failure !== undefined) throw failure
    stored.push(...records)
  }

  /** From now on nothing becomes durable. */
  hold(): void {
    this.#held ??= []
  }

  /** What was held back becomes durable, in order. */
  release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const resolve of held) resolve()
  }

  /** Partitions opened from now on take until `finish` is called. */
  delayLoading(): { finish: () => void } {
    let finish = () => {}
    this.#loading = new Promise((resolve) => {
      finish = resolve
    })
    return { finish }
  }

  failWith(kind: 'fenced' | 'unavailable'): void {
    this.failure = new Fault(kind, `appends fail: ${kind}`)
  }
}
