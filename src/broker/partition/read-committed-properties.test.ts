/**
 * Random histories of producers in one partition (commits, aborts, both versions of transactions, uploads, crashes, deleted
 * records) against a model that knows what is decided: a read_committed reader from any offset sees just that.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ErrorCode } from '../../wire/error-codes.ts'
import { readBatches } from '../../wire/records/records.ts'
import { BrokerFixture, batch } from '../broker-fixture.ts'
import {
  endTransaction,
  FakeVerification,
  fetchCommitted,
  sendTransactional,
  visibleBatches
} from './transaction-fixture.ts'

const TOPIC = 'model'
const PRODUCERS = 4
/** Producers from this one on bump their epoch with every end. */
const FIRST_BUMPING = 2

type Step =
  | { readonly kind: 'produce'; readonly producer: number; readonly count: number }
  | { readonly kind: 'end'; readonly producer: number; readonly committed: boolean }
  | { readonly kind: 'plain' | 'upload' | 'crash' | 'expire' }
  | { readonly kind: 'delete'; readonly share: number }

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('produce' as const),
        producer: fc.nat(PRODUCERS - 1),
        count: fc.integer({ min: 1, max: 3 })
      })
    },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('end' as const),
        producer: fc.nat(PRODUCERS - 1),
        committed: fc.boolean()
      })
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constantFrom('plain', 'upload', 'upload', 'crash', 'crash', 'expire') })
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), share: fc.nat(100) }) }
  ),
  { maxLength: 60, size: 'max' }
)

interface Batch {
  readonly offset: number
  readonly end: number
  /** Undefined: outside of any transaction. */
  readonly transaction: { decided: 'open' | 'committed' | 'aborted'; readonly first: number } | undefined
}

class Model {
  readonly batches: Batch[] = []
  readonly epochs = Array.from({ length: PRODUCERS }, () => 0)
  readonly sequences = Array.from({ length: PRODUCERS }, () => 0)
  readonly open = new Map<number, NonNullable<Batch['transaction']>>()
  end = 0
  start = 0

  add(count: number, transaction: Batch['transaction']): void {
    this.batches.push({ offset: this.end, end: this.end + count, transaction })
    this.end += count
  }

  get lastStable(): number {
    return Math.max(this.start, Math.min(this.end, ...[...this.open.values()].map(({ first }) => first)))
  }

  /** Base offsets of what a reader from `from` on may see. */
  visible(from: number): number[] {
    return this.batches
      .filter(({ end, offset }) => end > from && offset < this.lastStable)
      .filter(({ transaction }) => transaction === undefined || transaction.decided === 'committed')
      .map(({ offset }) => offset)
  }
}

class World {
  readonly broker: BrokerFixture
  readonly model = new Model()

  constructor(broker: BrokerFixture) {
    this.broker = broker
  }

  async take(step: Step): Promise<void> {
    const { broker, model } = this
    switch (step.kind) {
      case 'produce':
        return this.#produce(step.producer, step.count)
      case 'end':
        return this.#end(step.producer, step.committed)
      case 'plain':
        assert.equal((await broker.produce(TOPIC, batch(1))).baseOffset, model.end)
        return model.add(1, undefined)
      case 'upload':
        return broker.upload()
      case 'crash':
        return broker.restart()
      case 'expire':
        // Forgets who has nothing open; all may start anywhere then.
        await broker.clock.advance(2_000)
        return broker.upload()
      case 'delete':
        model.start = Math.max(model.start, this.#boundary(Math.floor((model.end * step.share) / 100)))
        return broker.run(broker.partition(TOPIC).stream.trim(model.start))
    }
  }

  async #produce(producer: number, count: number): Promise<void> {
    const { broker, model } = this
    const [epoch = 0, sequence = 0] = [model.epochs[producer], model.sequences[producer]]
    const version = producer >= FIRST_BUMPING ? 12 : 9
    const sent = { producerId: producer, epoch, sequence, count, version }
    const answer = await broker.run(sendTransactional(broker, TOPIC, sent))
    assert.deepEqual([answer.errorCode, answer.baseOffset], [ErrorCode.NONE, model.end])
    const transaction = model.open.get(producer) ?? { decided: 'open' as const, first: model.end }
    model.open.set(producer, transaction)
    model.add(count, transaction)
    model.sequences[producer] = sequence + count
    // Its answer was lost.
    const again = await broker.run(sendTransactional(broker, TOPIC, sent))
    assert.deepEqual([again.errorCode, again.baseOffset], [ErrorCode.NONE, answer.baseOffset])
  }

  async #end(producer: number, committed: boolean): Promise<void> {
    const { broker, model } = this
    if (producer >= FIRST_BUMPING) {
      model.epochs[producer] = (model.epochs[producer] ?? 0) + 1
      model.sequences[producer] = 0
    }
    // As in Kafka: one who is known by a marker only has sent nothing yet, so that its first sequence is 0.
    if (broker.partition(TOPIC).producers.states.get(producer) === undefined) model.sequences[producer] = 0
    const epoch = model.epochs[producer] ?? 0
    const transactionVersion = producer >= FIRST_BUMPING ? 2 : 0
    const end = { producerId: producer, epoch, committed, transactionVersion }
    assert.deepEqual(await endTransaction(broker, TOPIC, end), [ErrorCode.NONE])
    const transaction = model.open.get(producer)
    if (transaction !== undefined) transaction.decided = committed ? 'committed' : 'aborted'
    model.open.delete(producer)
    model.end += 1
  }

  /** The start of a batch at or before `offset`: Kafka deletes up to any offset, but then shows whole batches. */
  #boundary(offset: number): number {
    return this.model.batches.findLast((b) => b.offset <= offset && b.end > offset)?.offset ?? offset
  }

  /** Reads from `from` to the end as a consumer does, in steps of about `bytesMax`. */
  async check(from: number, bytesMax: number): Promise<void> {
    const { broker, model } = this
    const seen: number[] = []
    for (let next = from; ; ) {
      const { bytes, abortedTransactions, lastStableOffset, errorCode } = await fetchCommitted(
        broker,
        TOPIC,
        next,
        bytesMax
      )
      assert.equal(errorCode, ErrorCode.NONE)
      assert.equal(lastStableOffset, model.lastStable, 'the last stable offset')
      const last = [...readBatches(bytes)].at(-1)?.header
      if (last === undefined) break
      seen.push(...visibleBatches(bytes, abortedTransactions ?? []))
      next = last.baseOffset + last.lastOffsetDelta + 1
      for (const { firstOffset } of abortedTransactions ?? [])
        assert.ok(firstOffset < next, 'nothing that is not needed')
    }
    assert.deepEqual(seen, model.visible(from), `from ${from}, ${bytesMax} bytes at a time`)
  }
}

describe('read_committed', () => {
  it('from any offset is what was decided, whatever happened in between, and the last stable offset is exact', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 400 }), async (all, bytesMax) => {
        const options = { producerExpirationMs: 1_000, logCacheBytes: 2_000 }
        const broker = await BrokerFixture.start({ ...options, transactionVerification: new FakeVerification() })
        try {
          await broker.createTopic(TOPIC)
          const world = new World(broker)
          for (const [place, step] of all.entries()) {
            await world.take(step)
            assert.equal(broker.partition(TOPIC).lastStableOffset, world.model.lastStable)
            if (place % 8 === 0) await world.check(world.model.start, bytesMax)
          }
          for (let from = world.model.start; from <= world.model.end; from++) await world.check(from, bytesMax)
        } finally {
          await broker.close()
        }
      }),
      { numRuns: 20 }
    )
  })
})
