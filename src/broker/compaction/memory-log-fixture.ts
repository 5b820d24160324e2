/** One compacted partition in memory, for tests: its stream, its metadata, and what its producers and transactions did. */
import { silentLog } from '../../runtime/log.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import type { Rewrite, StreamRewriting } from '../../stream/compaction/stream-rewriting.ts'
import type { Entry } from '../../stream/entry.ts'
import {
  type BatchOptions,
  buildBatch,
  buildCompressedBatch,
  type NewRecord
} from '../../wire/records/batch-builder.ts'
import { parseBatchHeader } from '../../wire/records/batch-header.ts'
import type { Codec } from '../../wire/records/compression.ts'
import { decompressRecords, type KafkaRecord, readRecords } from '../../wire/records/records.ts'
import type { AbortedTransaction } from '../partition/aborted-note.ts'
import { topicSettings } from '../topic-settings.ts'
import type { CompactedLog, LastRecord } from './compacted-log.ts'
import { LogCleaner } from './log-cleaner.ts'

const STREAM_ID = 7

export class MemoryLog implements StreamRewriting {
  readonly clock: VirtualClock
  readonly cleaner: LogCleaner
  entries: Entry[] = []
  endOffset = 0
  startOffset = 0
  cleanedOffset = 0
  firstUnstableOffset: number | undefined
  aborted: AbortedTransaction[] = []
  configs: Record<string, string>
  /** By producer id. */
  readonly lastRecords = new Map<number, LastRecord>()
  /** Offsets that were scanned, and how many rewrites were begun. */
  scanned = 0
  rewrites = 0
  /** Thrown by the next rewrite. */
  failure: Error | undefined

  constructor(configs: Record<string, string> = {}, options: { offsetMapBytes?: number; clock?: VirtualClock } = {}) {
    this.configs = { 'min.cleanable.dirty.ratio': '0', ...configs }
    this.clock = options.clock ?? new VirtualClock()
    this.cleaner = new LogCleaner({
      clock: this.clock,
      log: silentLog,
      image: this,
      rewriting: this,
      logs: () => [this.log],
      offsetMapBytes: options.offsetMapBytes ?? 1 << 20
    })
  }

  get log(): CompactedLog {
    return {
      topicName: 'compacted',
      index: 0,
      streamId: STREAM_ID,
      settings: topicSettings({ 'cleanup.policy': 'compact', ...this.configs }, {}),
      startOffset: this.startOffset,
      firstUnstableOffset: this.firstUnstableOffset ?? this.endOffset,
      lastRecordOf: (producerId) => this.lastRecords.get(producerId),
      abortedTransactions: (from, to) => this.aborted.filter((a) => a.firstOffset < to && a.lastOffset >= from),
      noteWithout: (note) => note,
      forgetAborted: (gone) => {
        this.aborted = this.aborted.filter((a) => !gone.includes(a))
      }
    }
  }

  /** Appends one batch; returns its base offset. */
  async append(records: readonly NewRecord[], options: BatchOptions = {}, codec: Codec = 'none'): Promise<number> {
    const baseOffset = this.endOffset
    const placed = { ...options, baseOffset, leaderEpoch: 3 }
    const built = codec === 'none' ? buildBatch(records, placed) : buildCompressedBatch(codec, records, placed)
    const payload = await built
    const { lastOffsetDelta, maxTimestamp, producerId, producerEpoch } = parseBatchHeader(payload, 0)
    const lastOffset = baseOffset + lastOffsetDelta
    this.entries.push({ baseOffset, lastOffset, maxTimestamp, payload })
    this.endOffset = lastOffset + 1
    if (producerId >= 0 && options.control !== true) {
      this.lastRecords.set(producerId, { dataOffset: lastOffset, producerEpoch })
    }
    return baseOffset
  }

  /** One record a pair; a value of `null` is a tombstone. */
  put(...pairs: readonly (readonly [key: string, value: string | null])[]): Promise<number> {
    return this.append(pairs.map(([key, value]) => record(key, value, this.clock.now())))
  }

  /** Appends a marker of the transaction protocol (KIP-98). */
  marker(kind: 'abort' | 'commit', producerId: number, producerEpoch = 0): Promise<number> {
    const key = Buffer.from(kind === 'abort' ? '00000000' : '00000001', 'hex')
    const end = { key, value: Buffer.from('000000000000', 'hex'), timestamp: this.clock.now() }
    return this.append([end], { producerId, producerEpoch, transactional: true, control: true })
  }

  /** Cleans while nothing else happens. */
  async clean(): Promise<void> {
    let done = false
    const cleaning = this.cleaner.cleanAll().finally(() => {
      done = true
    })
    while (!done) await this.clock.advance(0)
    await cleaning
  }

  async records(): Promise<KafkaRecord[]> {
    const all: KafkaRecord[] = []
    for (const { payload } of this.entries) {
      const header = parseBatchHeader(payload, 0)
      all.push(...readRecords(header, await decompressRecords({ header, bytes: payload }, 1 << 24)))
    }
    return all
  }

  /** Offset, key and value of what is left, as `3 a=1`; a tombstone has no value. */
  async left(): Promise<string[]> {
    return (await this.records()).map(
      ({ offset, key, value }) => `${offset} ${key?.toString()}${value === null ? '' : `=${value.toString()}`}`
    )
  }

  async *scan(_streamId: number, fromOffset: number, toOffset: number): AsyncGenerator<readonly Entry[]> {
    for (const entry of this.entries.filter((e) => e.lastOffset >= fromOffset && e.baseOffset < toOffset)) {
      this.scanned++
      yield [entry]
    }
  }

  async rewrite({ fromOffset, toOffset, keep, cleanedTo }: Rewrite): Promise<boolean> {
    this.rewrites++
    const { failure } = this
    this.failure = undefined
    if (failure !== undefined) throw failure
    const kept: Entry[] = []
    for (const entry of this.entries) {
      const inside = entry.baseOffset >= fromOffset && entry.lastOffset < toOffset
      const left = inside ? await keep(entry) : entry
      if (left !== undefined) kept.push(left)
    }
    this.entries = kept
    this.cleanedOffset = cleanedTo
    return true
  }

  stream() {
    const { startOffset, endOffset, cleanedOffset } = this
    return { id: STREAM_ID, epoch: 1, tenure: 0, startOffset, endOffset, cleanedOffset }
  }

  /** One range for each entry, stretched over the gap before it. */
  ranges() {
    let startOffset = 0
    return this.entries.map(({ lastOffset, maxTimestamp, payload }, at) => {
      const endOffset = at === this.entries.length - 1 ? this.endOffset : lastOffset + 1
      const range = { objectId: at, streamId: STREAM_ID, startOffset, endOffset, bytes: payload.length, maxTimestamp }
      startOffset = endOffset
      return range
    })
  }
}

export function record(key: string | null, value: string | null, timestamp: number): NewRecord {
  return {
    key: key === null ? null : Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    timestamp,
    headers: [{ key: 'h', value: Buffer.from('1') }]
  }
}
