/**
 * An internal topic in memory, for tests: appends can be held back, or made to fail. As with a real one, whoever lost an
 * append loses all that follow it, until the partition is opened anew.
 */
import { Fault } from '../runtime/fault.ts'
import {
  BatchRefused,
  type LogProducer,
  type LogRecord,
  type PrunableRecordLog,
  type PrunableRecordLogs,
  type TransactionEnd
} from './record-log.ts'

/** A batch of records, or the end of a transaction. */
export type StoredEntry =
  | { readonly records: readonly LogRecord[]; readonly transaction: LogProducer | undefined }
  | { readonly end: TransactionEnd }

export class MemoryRecordLogs implements PrunableRecordLogs {
  /** What is durable, by partition. */
  readonly entries: StoredEntry[][]
  /** Partitions that another broker leads. */
  readonly elsewhere = new Set<number>()
  /** When set, appends fail with it and store nothing; all but a `BatchRefused` end the log that was opened. */
  failure: Fault | undefined
  /** Number of times a partition was opened. */
  opened = 0
  /** Batches that were pruned, by partition; each batch has one offset. */
  readonly pruned: number[] = []
  #held: (() => void)[] | undefined
  #loading: Promise<void> = Promise.resolve()

  constructor(partitions = 4) {
    this.entries = Array.from({ length: partitions }, () => [])
  }

  async partitionCount(): Promise<number> {
    return this.entries.length
  }

  async open(partition: number): Promise<PrunableRecordLog | undefined> {
    this.opened++
    await this.#loading
    const stored = this.entries[partition]
    if (stored === undefined || this.elsewhere.has(partition)) return undefined
    const pruned = () => this.pruned[partition] ?? 0
    let nextOffset = pruned() + stored.length
    let lost: Fault | undefined
    const append = async (entry: StoredEntry) => {
      nextOffset++
      const { failure } = this
      await this.#turn()
      const fault = lost ?? failure
      if (fault === undefined) stored.push(entry)
      else {
        if (!(fault instanceof BatchRefused)) lost = fault
        throw fault
      }
    }
    return {
      get nextOffset() {
        return nextOffset
      },
      append: (records, transaction) => append({ records, transaction }),
      leaderEpoch: this.opened,
      appendEnd: (end) => append({ end }),
      readAll: async (visitor) => {
        for (const [place, entry] of stored.entries()) {
          if ('end' in entry) visitor.end(entry.end)
          else visitor.records(entry.records, entry.transaction, pruned() + place)
        }
      },
      prune: async (offset) => {
        const dropped = stored.splice(0, offset - pruned()).length
        this.pruned[partition] = pruned() + dropped
      }
    }
  }

  serves(): boolean {
    return true
  }

  /** When what is held back is released. */
  async #turn(): Promise<void> {
    const held = this.#held
    if (held !== undefined) await new Promise<void>((resolve) => held.push(resolve))
  }

  /** The records of a partition that are durable, in order. */
  records(partition: number): LogRecord[] {
    return (this.entries[partition] ?? []).flatMap((entry) => ('end' in entry ? [] : entry.records))
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
