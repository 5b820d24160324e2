import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ErrorCode, errorName } from '../../wire/error-codes.ts'
import {
  addPartitions,
  complete,
  type Decision,
  endTransaction,
  fence,
  hasExpired,
  hasTimedOut,
  initProducer,
  isCommit,
  isEnding,
  newTransaction,
  type Transaction,
  type TransactionVersion,
  verifyPartitions
} from './transaction.ts'

const CARS = { topic: 'cars', partition: 0 }
const BOATS = { topic: 'boats', partition: 3 }
const LAST_EPOCH = 32_766

/** One transactional id as a coordinator holds it; each method is a request. */
class Coordinated {
  transaction: Transaction = newTransaction('truck', 100, 60_000, 0)
  now = 0
  #nextProducerId = 200

  get producer() {
    return { id: this.transaction.producerId, epoch: this.transaction.producerEpoch }
  }

  init(expected?: { id: number; epoch: number }, fenceVersion: TransactionVersion = 2): string {
    return this.#do((t, freshProducerId) =>
      initProducer(t, { timeoutMs: 60_000, expected, fenceVersion, now: this.now, freshProducerId })
    )
  }

  add(version: TransactionVersion, producer = this.producer, partitions = [CARS]): string {
    return this.#do((t) => addPartitions(t, { producer, partitions, version, now: this.now }))
  }

  end(version: TransactionVersion, committed: boolean, producer = this.producer): string {
    return this.#do((t, freshProducerId) =>
      endTransaction(t, { producer, committed, version, now: this.now, freshProducerId })
    )
  }

  complete(): void {
    this.transaction = complete(this.transaction, this.now)
  }

  #do(decide: (transaction: Transaction, freshProducerId: number | undefined) => Decision): string {
    let decision = decide(this.transaction, undefined)
    if (decision.needsProducerId) decision = decide(this.transaction, this.#nextProducerId++)
    assert.equal(decision.needsProducerId, undefined)
    if (decision.next !== undefined) this.transaction = decision.next
    return errorName(decision.error)
  }
}

/** After InitProducerId: epoch 0. */
function begun(): Coordinated {
  const coordinated = new Coordinated()
  assert.equal(coordinated.init(), 'NONE')
  return coordinated
}

describe('a transactional id', () => {
  it('begins with epoch 0, and each producer that comes fences the one before', () => {
    const c = begun()
    const first = c.producer
    assert.deepEqual(first, { id: 100, epoch: 0 })
    assert.equal(c.init(), 'NONE')
    assert.deepEqual(c.producer, { id: 100, epoch: 1 })
    assert.equal(c.add(0, first), 'PRODUCER_FENCED')
    assert.equal(c.end(0, true, first), 'PRODUCER_FENCED')
    assert.equal(c.init(first), 'PRODUCER_FENCED')
  })

  it('takes a producer that names its own id and epoch one epoch on, and tells it the same again (KIP-360)', () => {
    const c = begun()
    const old = c.producer
    assert.equal(c.init(old), 'NONE')
    assert.equal(c.producer.epoch, 1)
    assert.equal(c.init(old), 'NONE')
    assert.equal(c.producer.epoch, 1, 'a repeated request')
    assert.equal(c.init({ id: 999, epoch: 1 }), 'PRODUCER_FENCED')
  })

  it('keeps one transaction of version 1 in its epoch, and answers a repeated end by its outcome', () => {
    const c = begun()
    assert.equal(c.add(0), 'NONE')
    assert.equal(c.end(0, true), 'NONE')
    assert.equal(c.transaction.state, 'PrepareCommit')
    assert.equal(c.end(0, true), 'CONCURRENT_TRANSACTIONS')
    assert.equal(c.end(0, false), 'CONCURRENT_TRANSACTIONS')
    assert.equal(c.add(0), 'CONCURRENT_TRANSACTIONS')
    assert.equal(c.init(), 'CONCURRENT_TRANSACTIONS')
    c.complete()
    assert.equal(c.end(0, true), 'NONE')
    assert.equal(c.end(0, false), 'INVALID_TXN_STATE')
    assert.deepEqual(c.producer, { id: 100, epoch: 0 })
  })

  it('bumps the epoch with each end of version 2, and knows a repeated end by it (KIP-890)', () => {
    const c = begun()
    const first = c.producer
    assert.equal(c.add(2), 'NONE')
    assert.equal(c.end(2, true, first), 'NONE')
    assert.equal(c.end(2, true, first), 'CONCURRENT_TRANSACTIONS')
    assert.equal(c.end(2, false, first), 'CONCURRENT_TRANSACTIONS')
    c.complete()
    assert.deepEqual(c.producer, { id: 100, epoch: 1 })
    assert.equal(c.end(2, true, first), 'NONE', 'a repeated request')
    assert.equal(c.end(2, false, first), 'INVALID_TXN_STATE')
    assert.equal(c.end(2, true), 'INVALID_TXN_STATE', 'nothing is open')
    assert.equal(c.add(2, first), 'PRODUCER_FENCED')
    assert.equal(c.end(2, false), 'NONE', 'an abort of nothing is legal')
    c.complete()
    assert.equal(c.producer.epoch, 2)
  })

  it('goes on with a new producer id when the epochs are used up, in both versions', () => {
    const c = begun()
    c.transaction = { ...c.transaction, producerEpoch: LAST_EPOCH }
    const last = c.producer
    assert.equal(c.add(2), 'NONE')
    assert.equal(c.end(2, true), 'NONE')
    assert.deepEqual(c.producer, { id: 100, epoch: LAST_EPOCH + 1 }, 'the marker has an epoch of its own')
    const next = { id: 200, epoch: 0 }
    assert.equal(c.add(2, next), 'CONCURRENT_TRANSACTIONS', 'the answer to the end names the next producer already')
    assert.equal(c.end(2, false, next), 'CONCURRENT_TRANSACTIONS')
    assert.equal(c.init(next), 'CONCURRENT_TRANSACTIONS')
    c.complete()
    assert.deepEqual(c.producer, next)
    assert.equal(c.end(2, true, last), 'NONE', 'a repeated request')
    c.transaction = { ...c.transaction, producerEpoch: LAST_EPOCH }
    const exhausted = c.producer
    assert.equal(c.init(exhausted), 'NONE')
    assert.deepEqual(c.producer, { id: 201, epoch: 0 })
    for (let again = 0; again < 2; again++) assert.equal(c.init(exhausted), 'NONE', 'a repeated request')
    assert.deepEqual(c.producer, { id: 201, epoch: 0 })
    c.transaction = { ...c.transaction, producerEpoch: LAST_EPOCH }
    assert.equal(c.init(), 'NONE')
    assert.deepEqual(c.producer, { id: 202, epoch: 0 })
  })

  it('aborts what is open when another producer comes, which has to come again', () => {
    for (const fenceVersion of [0, 2] as const) {
      const c = begun()
      c.add(fenceVersion)
      const old = c.producer
      assert.equal(c.init(undefined, fenceVersion), 'CONCURRENT_TRANSACTIONS')
      assert.equal(c.transaction.state, 'PrepareAbort')
      assert.equal(c.producer.epoch, 1, 'the marker fences the old producer')
      assert.notEqual(c.end(fenceVersion, true, old), 'NONE')
      c.complete()
      assert.equal(c.init(undefined, fenceVersion), 'NONE')
      assert.equal(c.producer.epoch, 2)
    }
  })

  it('keeps the transaction open through a partition added twice, and tells leaders which are part of it', () => {
    const c = begun()
    c.now = 7
    assert.equal(c.add(0, c.producer, [CARS, BOATS]), 'NONE')
    c.now = 9
    const before = c.transaction
    assert.equal(c.add(0), 'NONE')
    assert.equal(c.transaction, before)
    assert.equal(c.transaction.startedAt, 7)
    const verify = (producer = c.producer) =>
      verifyPartitions(c.transaction, producer, [CARS, { topic: 'cars', partition: 1 }])
    assert.deepEqual(verify(), [ErrorCode.NONE, ErrorCode.TRANSACTION_ABORTABLE])
    assert.deepEqual(verify({ ...c.producer, epoch: 5 }), [ErrorCode.PRODUCER_FENCED, ErrorCode.PRODUCER_FENCED])
    assert.deepEqual(verifyPartitions(undefined, c.producer, [CARS]), [ErrorCode.INVALID_PRODUCER_ID_MAPPING])
  })

  it('times out when it is open, and expires when it is not', () => {
    const c = begun()
    c.add(0)
    assert.equal(hasTimedOut(c.transaction, 60_000), false)
    assert.equal(hasTimedOut(c.transaction, 60_001), true)
    assert.equal(hasExpired(c.transaction, 10, 1_000_000), false)
    c.transaction = fence(c.transaction, { version: 0, now: 60_001, freshProducerId: undefined }).next ?? c.transaction
    assert.equal(hasExpired(c.transaction, 10, 1_000_000), false)
    c.complete()
    assert.equal(c.transaction.state, 'CompleteAbort')
    assert.equal(hasExpired(c.transaction, 10, 9), false)
    assert.equal(hasExpired(c.transaction, 10, 10), true)
  })
})

describe('whatever producers ask, in whatever order', () => {
  const epochs = fc.constantFrom(-1, 0, 1)
  const steps = fc.oneof(
    fc.record({ do: fc.constant('init' as const), known: fc.boolean(), off: epochs, version: fc.constantFrom(0, 2) }),
    fc.record({ do: fc.constant('add' as const), off: epochs, version: fc.constantFrom(0, 2) }),
    fc.record({ do: fc.constant('end' as const), off: epochs, commit: fc.boolean(), version: fc.constantFrom(0, 2) }),
    fc.record({ do: fc.constant('complete' as const) })
  )

  it('an outcome that is decided stays, and no producer comes twice', () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 40 }), fc.boolean(), (list, exhausted) => {
        const c = begun()
        if (exhausted) c.transaction = { ...c.transaction, producerEpoch: LAST_EPOCH - 2 }
        for (const step of list) {
          const before = c.transaction
          const version = 'version' in step && step.version === 2 ? 2 : 0
          const producer = { id: before.producerId, epoch: before.producerEpoch + ('off' in step ? step.off : 0) }
          if (step.do === 'complete') {
            if (isEnding(before)) c.complete()
          } else if (step.do === 'init') c.init(step.known ? producer : undefined, version)
          else if (step.do === 'add') c.add(version, producer)
          else c.end(version, step.commit, producer)
          const after = c.transaction
          const grew =
            after.producerId === before.producerId
              ? after.producerEpoch >= before.producerEpoch
              : after.producerId > before.producerId && after.producerEpoch === 0
          assert.ok(grew, `${JSON.stringify(before)} became ${JSON.stringify(after)}`)
          assert.ok(after.producerEpoch <= LAST_EPOCH + 1)
          if (isEnding(before) && step.do !== 'complete') assert.equal(after, before, 'it waits for its markers')
          if (isEnding(before) && step.do === 'complete') assert.equal(isCommit(after), isCommit(before))
          if (isEnding(after) && !isEnding(before) && isCommit(after)) assert.equal(before.state, 'Ongoing')
        }
      })
    )
  })
})
