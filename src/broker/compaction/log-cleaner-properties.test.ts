/** Random histories of a compacted partition, cleaned at random times, against a model that knows nothing of cleaning. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Entry } from '../../stream/entry.ts'
import {
  computeBatchCrc,
  hasProducerId,
  isControl,
  isTransactional,
  lastOffset,
  parseBatchHeader
} from '../../wire/records/batch-header.ts'
import type { Codec } from '../../wire/records/compression.ts'
import { decompressRecords, type KafkaRecord, readRecords } from '../../wire/records/records.ts'
import type { AbortedTransaction } from '../partition/aborted-note.ts'
import { MemoryLog, record } from './memory-log-fixture.ts'

const CODECS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const DELETE_RETENTION_MS = 1000
const PRODUCERS = 3

type Step =
  | { readonly kind: 'produce'; readonly keys: readonly number[]; readonly codec: Codec; readonly producer: number }
  | { readonly kind: 'end'; readonly producer: number; readonly commits: boolean }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'clean' }
  | { readonly kind: 'forget'; readonly producer: number }

const producer = fc.integer({ min: 0, max: PRODUCERS - 1 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('produce' as const),
      // Even numbers are values, odd ones tombstones of the same keys.
      keys: fc.array(fc.integer({ min: 0, max: 13 }), { minLength: 1, maxLength: 4 }),
      codec: fc.constantFrom(...CODECS),
      // Beyond the producers: one that is not idempotent.
      producer: fc.integer({ min: 0, max: PRODUCERS + 1 })
    })
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('end' as const), producer, commits: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 900 }) }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'clean' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const), producer }) }
)

interface Written {
  readonly record: KafkaRecord
  /** Index of its transaction, of those that have one. */
  readonly transaction: number | undefined
}

/** What was written and decided, and never forgotten. */
class History {
  readonly log: MemoryLog
  readonly written: Written[] = []
  readonly decided: boolean[] = []
  /** Of producers 0 and 1, which are transactional: number and first offset of the one that is open. */
  readonly #open = new Map<number, { transaction: number; firstOffset: number }>()
  readonly #sequences = new Map<number, number>()
  /** By offset: when a cleaning met the tombstone first. */
  readonly metTombstones = new Map<number, number>()
  #values = 0

  constructor(log: MemoryLog) {
    this.log = log
  }

  async do(step: Step): Promise<void> {
    switch (step.kind) {
      case 'produce':
        return this.#produce(step.keys, step.codec, step.producer)
      case 'end':
        return this.#end(step.producer, step.commits)
      case 'wait':
        return this.log.clock.advance(step.ms)
      case 'clean':
        return this.#clean()
      case 'forget':
        this.log.lastRecords.delete(step.producer)
    }
  }

  /** Records that a read_committed reader may see, without any cleaning. */
  committed(): KafkaRecord[] {
    const stable = this.log.log.firstUnstableOffset
    return this.written
      .filter(({ transaction }) => transaction === undefined || this.decided[transaction] === true)
      .map(({ record }) => record)
      .filter(({ offset }) => offset < stable)
  }

  async #produce(keys: readonly number[], codec: Codec, producer: number): Promise<void> {
    const now = this.log.clock.now()
    const records = keys.map((n) => record(`k${n >> 1}`, n % 2 === 1 ? null : `v${this.#values++}`, now + (n % 3)))
    const idempotent = producer < PRODUCERS
    const transactional = producer < 2
    const baseSequence = this.#sequences.get(producer) ?? 0
    this.#sequences.set(producer, baseSequence + records.length)
    const options = idempotent ? { producerId: producer, producerEpoch: 0, baseSequence, transactional } : {}
    const base = await this.log.append(records, options, codec)
    if (transactional && !this.#open.has(producer)) {
      this.#open.set(producer, { transaction: this.decided.length, firstOffset: base })
      this.decided.push(false)
    }
    const transaction = transactional ? this.#open.get(producer)?.transaction : undefined
    for (const [at, { key, value, timestamp }] of records.entries()) {
      const headers = [{ key: 'h', value: Buffer.from('1') }]
      this.written.push({ record: { offset: base + at, key, value, timestamp, headers }, transaction })
    }
    this.#noteUnstable()
  }

  async #end(producer: number, commits: boolean): Promise<void> {
    const open = this.#open.get(producer)
    if (open === undefined) return
    this.#open.delete(producer)
    const markerOffset = await this.log.marker(commits ? 'commit' : 'abort', producer)
    this.decided[open.transaction] = commits
    if (!commits) {
      this.log.aborted.push({ producerId: producer, firstOffset: open.firstOffset, lastOffset: markerOffset })
    }
    this.#noteUnstable()
  }

  #noteUnstable(): void {
    const firsts = [...this.#open.values()].map(({ firstOffset }) => firstOffset)
    this.log.firstUnstableOffset = firsts.length === 0 ? undefined : Math.min(...firsts)
  }

  async #clean(): Promise<void> {
    const before = this.log.entries
    await this.log.clean()
    for (const { offset, value } of this.committed()) {
      if (value === null && offset < this.log.cleanedOffset && !this.metTombstones.has(offset)) {
        this.metTombstones.set(offset, this.log.clock.now())
      }
    }
    await this.#check(before)
  }

  async #check(before: readonly Entry[]): Promise<void> {
    const { log } = this
    const seen = await readCommitted(log, log.aborted, 0)
    const committed = this.committed()
    const byOffset = new Map(committed.map((r) => [r.offset, r]))
    for (const r of seen) assert.deepEqual(r, byOffset.get(r.offset), `offset ${r.offset} is what was written there`)
    assert.deepEqual(
      seen.map((r) => r.offset),
      [...new Set(seen.map((r) => r.offset))].sort((a, b) => a - b)
    )
    assert.deepEqual(state(seen), state(committed), 'whoever reads it all ends with the same value of each key')
    this.#checkTombstones(seen, committed)
    const cleaned = seen.filter(({ offset }) => offset < log.cleanedOffset).map(({ key }) => String(key))
    assert.equal(new Set(cleaned).size, cleaned.length, 'what is clean has each key once')
    const dirty = (entries: readonly Entry[]) => entries.filter((e) => e.baseOffset >= log.cleanedOffset)
    assert.deepEqual(dirty(log.entries), dirty(before), 'what is dirty is untouched')
    await this.#checkBatches(before)
    // From wherever a consumer goes on, it sees the rest.
    for (let from = 0; from < log.endOffset; from += 3) {
      const rest = await readCommitted(log, log.aborted, from)
      assert.deepEqual(
        rest.map((r) => r.offset),
        seen.filter((r) => r.offset >= from).map((r) => r.offset)
      )
    }
  }

  /** The last tombstone of a key stays as long as its horizon asks. */
  #checkTombstones(seen: readonly KafkaRecord[], committed: readonly KafkaRecord[]): void {
    const last = new Map(committed.map((r) => [String(r.key), r]))
    const offsets = new Set(seen.map(({ offset }) => offset))
    for (const { offset, value } of last.values()) {
      if (value !== null) assert.ok(offsets.has(offset), `the last value, at ${offset}, is there`)
      else if (!offsets.has(offset)) {
        const met = this.metTombstones.get(offset)
        assert.ok(
          met !== undefined && this.log.clock.now() >= met + DELETE_RETENTION_MS,
          `tombstone ${offset} is early`
        )
      }
    }
  }

  async #checkBatches(before: readonly Entry[]): Promise<void> {
    const { log } = this
    const kept = new Set(before)
    for (const entry of log.entries) {
      const header = parseBatchHeader(entry.payload, 0)
      assert.equal(header.crc, computeBatchCrc(entry.payload, 0, entry.payload.length))
      assert.deepEqual([header.baseOffset, lastOffset(header)], [entry.baseOffset, entry.lastOffset])
      const original = before.find((e) => e.baseOffset === entry.baseOffset)
      if (original === undefined || kept.has(entry)) continue
      const old = parseBatchHeader(original.payload, 0)
      const same = (h: typeof header) => [h.producerId, h.producerEpoch, h.baseSequence, h.partitionLeaderEpoch]
      assert.deepEqual(same(header), same(old))
    }
    assert.equal(log.entries.at(-1)?.lastOffset ?? -1, log.endOffset - 1, 'a reader gets to the end')
    for (const [producerId, { dataOffset }] of log.lastRecords) {
      const last = log.entries.find((e) => e.lastOffset === dataOffset)
      assert.equal(last && parseBatchHeader(last.payload, 0).producerId, producerId, 'its last sequence is known')
    }
  }
}

/** As Kafka's consumer does with isolation.level=read_committed, given fetch responses of two batches each. */
async function readCommitted(
  log: MemoryLog,
  aborted: readonly AbortedTransaction[],
  fromOffset: number
): Promise<KafkaRecord[]> {
  const found: KafkaRecord[] = []
  const stable = log.log.firstUnstableOffset
  const entries = log.entries.filter((e) => e.lastOffset >= fromOffset && e.baseOffset < stable)
  for (let at = 0; at < entries.length; at += 2) {
    const response = entries.slice(at, at + 2)
    const first = response[0]?.baseOffset ?? 0
    const told = aborted.filter((a) => a.lastOffset >= first).sort((a, b) => b.firstOffset - a.firstOffset)
    const skipped = new Set<number>()
    for (const { payload } of response) {
      const header = parseBatchHeader(payload, 0)
      const records = [...readRecords(header, await decompressRecords({ header, bytes: payload }, 1 << 20))]
      for (let next = told.at(-1); next && next.firstOffset <= lastOffset(header); next = told.at(-1)) {
        skipped.add(next.producerId)
        told.pop()
      }
      if (isControl(header)) {
        if (records[0]?.key?.readInt16BE(2) === 0) skipped.delete(header.producerId)
      } else if (!(hasProducerId(header) && isTransactional(header) && skipped.has(header.producerId))) {
        found.push(...records.filter(({ offset }) => offset >= fromOffset))
      }
    }
  }
  return found
}

/** What a reader that keeps the last value of each key ends with. */
function state(records: readonly KafkaRecord[]): Map<string, string> {
  const last = new Map<string, string>()
  for (const { key, value } of records) {
    if (value === null) last.delete(String(key))
    else last.set(String(key), String(value))
  }
  return new Map([...last].sort())
}

describe('compaction by key, whatever happens', () => {
  it('changes nothing for readers but what is void, whenever it runs', async () => {
    const history = fc.record({
      steps: fc.array(step, { maxLength: 40 }),
      keysAtOnce: fc.constantFrom(4, 6, 1000),
      ratio: fc.constantFrom('0', '0.3')
    })
    await fc.assert(
      fc.asyncProperty(history, async ({ steps, keysAtOnce, ratio }) => {
        const configs = { 'delete.retention.ms': String(DELETE_RETENTION_MS), 'min.cleanable.dirty.ratio': ratio }
        const past = new History(new MemoryLog(configs, { offsetMapBytes: Math.ceil((keysAtOnce + 1) / 0.9) * 24 }))
        for (const one of [...steps, { kind: 'clean' as const }]) await past.do(one)
      }),
      { numRuns: 300 }
    )
  })
})
