import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ErrorCode } from '../../wire/error-codes.ts'
import { type BatchOptions, buildBatch } from '../../wire/records/batch-builder.ts'
import { parseBatchHeader } from '../../wire/records/batch-header.ts'
import { PartitionProducers } from './partition-producers.ts'
import type { VerificationGuard } from './verification-states.ts'

const SEQUENCE_MAX = 0x7fff_ffff
const EPOCH_MAX = 0x7fff
const EVERYTHING = Number.MAX_SAFE_INTEGER

interface Sent {
  readonly epoch?: number
  readonly sequence?: number
  readonly count?: number
  readonly transactional?: boolean
  readonly guard?: VerificationGuard
}

/** One producer in one partition; everything is durable at once. */
class Life {
  readonly producers = new PartitionProducers({ committedOffset: 0, layout: undefined, async *notes() {} })
  #next = 0

  /** What a batch is answered: an error code, `duplicate N`, or `offset N` when it was appended there. */
  send(sent: Sent = {}): string | number {
    const { guard } = sent
    const header = this.header(sent)
    const verdict = this.producers.judge(header, guard)
    if (verdict?.kind === 'refused') return verdict.errorCode
    if (verdict?.kind === 'duplicate') return `duplicate ${verdict.original.baseOffset}`
    const baseOffset = this.#next
    this.#next += header.recordCount
    const { baseSequence, producerEpoch } = header
    const lastSequence = (baseSequence + header.recordCount - 1) % (SEQUENCE_MAX + 1)
    const batch = { producerEpoch, baseSequence, lastSequence, baseOffset, lastOffset: this.#next - 1, timestamp: 0 }
    this.producers.noteBatch(1, batch, sent.transactional ?? false, 0, EVERYTHING)
    return `offset ${baseOffset}`
  }

  end(epoch: number, transactionVersion = 0, coordinatorEpoch = 0): number {
    const end = { producer: { id: 1, epoch }, committed: false, coordinatorEpoch, transactionVersion }
    const refusal = this.producers.judgeEnd(end)
    if (refusal !== undefined) return refusal.errorCode
    const marker = { producerEpoch: epoch, coordinatorEpoch, offset: this.#next++, timestamp: 0 }
    this.producers.noteEnd(1, marker, false, 0, EVERYTHING)
    return ErrorCode.NONE
  }

  verified(sent: Sent = {}, bumpsEpoch = false): VerificationGuard {
    const begun = this.producers.beginVerification(this.header({ transactional: true, ...sent }), bumpsEpoch, 0)
    return 'kind' in begun ? assert.fail(begun.message) : begun
  }

  /** A transactional batch whose transaction the coordinator has confirmed. */
  sendVerified(sent: Sent = {}, bumpsEpoch = false): string | number {
    return this.send({ ...sent, transactional: true, guard: this.verified(sent, bumpsEpoch) })
  }

  header({ epoch = 0, sequence = 0, count = 1, transactional = false }: Sent) {
    const records = Array.from({ length: count }, () => ({ key: null, value: null, timestamp: 0 }))
    const options: BatchOptions = { producerId: 1, producerEpoch: epoch, baseSequence: sequence, transactional }
    return parseBatchHeader(buildBatch(records, options), 0)
  }
}

describe('batches of an idempotent producer', () => {
  it('an unknown producer may start at any sequence, and goes on from there', () => {
    const life = new Life()
    assert.equal(life.send({ sequence: 77 }), 'offset 0')
    assert.equal(life.send({ sequence: 79 }), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    assert.equal(life.send({ sequence: 78 }), 'offset 1')
  })

  it('a duplicate of the last five answers its offset; one that only overlaps is out of order', () => {
    const life = new Life()
    for (let sequence = 0; sequence < 12; sequence += 2) life.send({ sequence, count: 2 })
    assert.equal(life.send({ sequence: 0, count: 2 }), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, 'six ago')
    assert.equal(life.send({ sequence: 2, count: 2 }), 'duplicate 2')
    assert.equal(life.send({ sequence: 10, count: 3 }), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
  })

  it('sequences wrap at 2^31-1', () => {
    const life = new Life()
    life.send({ sequence: SEQUENCE_MAX })
    assert.equal(life.send({ sequence: 1 }), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    assert.equal(life.send({ sequence: 0 }), 'offset 1')
  })

  it('a new epoch begins at sequence 0 and fences the old one', () => {
    const life = new Life()
    life.send({ sequence: 0 })
    assert.equal(life.send({ epoch: 1, sequence: 1 }), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    assert.equal(life.send({ epoch: 1 }), 'offset 1')
    assert.equal(life.send({ sequence: 1 }), ErrorCode.INVALID_PRODUCER_EPOCH)
    assert.equal(life.send({ sequence: 0 }), ErrorCode.INVALID_PRODUCER_EPOCH, 'also where it would be a duplicate')
  })
})

describe('transactional batches', () => {
  it('without a transaction that the coordinator has confirmed are INVALID_TXN_STATE', () => {
    const life = new Life()
    assert.equal(life.send({ transactional: true }), ErrorCode.INVALID_TXN_STATE)
    assert.equal(life.sendVerified(), 'offset 0')
    assert.equal(life.send({ transactional: true, sequence: 1 }), 'offset 1', 'the transaction is known now')
    assert.equal(life.end(0), ErrorCode.NONE)
    assert.equal(life.send({ transactional: true, sequence: 2 }), ErrorCode.INVALID_TXN_STATE)
  })

  it('a batch outside of the transaction that its producer has open is INVALID_TXN_STATE', () => {
    const life = new Life()
    life.sendVerified()
    assert.equal(life.send({ sequence: 1 }), ErrorCode.INVALID_TXN_STATE)
    assert.equal(life.send({ epoch: 1, sequence: 0 }), ErrorCode.INVALID_TXN_STATE, 'also from a newer epoch')
    life.end(0)
    assert.equal(life.send({ sequence: 1 }), 'offset 2')
  })

  it('of an older epoch are INVALID_PRODUCER_EPOCH, before anybody asks the coordinator', () => {
    const life = new Life()
    life.sendVerified({ epoch: 3 })
    const stale = life.header({ epoch: 2, transactional: true })
    const begun = life.producers.beginVerification(stale, false, 0)
    assert.ok('kind' in begun && begun.errorCode === ErrorCode.INVALID_PRODUCER_EPOCH)
    assert.equal(life.send({ epoch: 2, transactional: true }), ErrorCode.INVALID_PRODUCER_EPOCH)
  })

  it('an answer that comes after the transaction was ended lets nothing in', () => {
    const life = new Life()
    const guard = life.verified()
    assert.equal(life.end(0), ErrorCode.NONE)
    assert.equal(life.send({ transactional: true, guard }), ErrorCode.INVALID_TXN_STATE)
    assert.equal(life.sendVerified(), 'offset 1', 'asked again')
  })

  it('an end does not void the question of a producer that has bumped its epoch to that of the end', () => {
    const life = new Life()
    life.sendVerified({}, true)
    const guard = life.verified({ epoch: 1 }, true)
    assert.equal(life.end(1, 2), ErrorCode.NONE)
    assert.equal(life.send({ epoch: 1, transactional: true, guard }), 'offset 2')
  })

  it('a batch behind one that asked and was refused for now is out of order', () => {
    const life = new Life()
    life.verified({ sequence: 5 })
    assert.equal(life.sendVerified({ sequence: 6 }), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    assert.equal(life.sendVerified({ sequence: 5 }), 'offset 0')
    assert.equal(life.send({ sequence: 6, transactional: true }), 'offset 1')
  })

  it('an unknown producer whose transactions bump the epoch starts at sequence 0', () => {
    const life = new Life()
    assert.equal(life.sendVerified({ sequence: 4 }, true), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    assert.equal(new Life().sendVerified({ sequence: 4 }, false), 'offset 0', 'others may start anywhere')
    assert.equal(life.sendVerified({ sequence: 0 }, true), 'offset 0')
  })

  it('after an end with a new epoch the first batch has sequence 0; after one with the same it goes on', () => {
    const life = new Life()
    life.sendVerified()
    life.end(0)
    assert.equal(life.send({ transactional: true }), 'duplicate 0')
    assert.equal(life.sendVerified({ sequence: 1 }), 'offset 2')
    life.end(1, 2)
    assert.equal(life.sendVerified({ epoch: 1, sequence: 2 }, true), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    assert.equal(life.sendVerified({ epoch: 1, sequence: 0 }, true), 'offset 4')
  })
})

describe('ends of transactions', () => {
  it('of the first version have the epoch of the transaction or a larger one', () => {
    const life = new Life()
    life.sendVerified({ epoch: 4 })
    assert.equal(life.end(3), ErrorCode.INVALID_PRODUCER_EPOCH)
    assert.equal(life.end(4), ErrorCode.NONE)
    assert.equal(life.end(4), ErrorCode.NONE, 'again')
    assert.equal(life.end(6), ErrorCode.NONE, 'fences')
    assert.equal(life.send({ epoch: 5, transactional: true }), ErrorCode.INVALID_PRODUCER_EPOCH)
  })

  it('of the second version have a larger epoch, or come again', () => {
    const life = new Life()
    life.sendVerified({ epoch: 4 })
    assert.equal(life.end(4, 2), ErrorCode.INVALID_PRODUCER_EPOCH, 'the end of the transaction before, late')
    assert.equal(life.end(5, 2), ErrorCode.NONE)
    assert.equal(life.end(5, 2), ErrorCode.NONE, 'its answer was lost')
    life.sendVerified({ epoch: 5 })
    assert.equal(life.end(5, 2), ErrorCode.INVALID_PRODUCER_EPOCH, 'must not end the next transaction')
    assert.equal(life.end(4, 2), ErrorCode.INVALID_PRODUCER_EPOCH)
  })

  it('of the second version may keep the largest epoch of all', () => {
    const life = new Life()
    life.sendVerified({ epoch: EPOCH_MAX })
    assert.equal(life.end(EPOCH_MAX, 2), ErrorCode.NONE)
  })

  it('from an older epoch of the coordinator are TRANSACTION_COORDINATOR_FENCED', () => {
    const life = new Life()
    life.sendVerified()
    assert.equal(life.end(0, 0, 5), ErrorCode.NONE)
    assert.equal(life.sendVerified({ sequence: 1 }), 'offset 2')
    assert.equal(life.end(0, 0, 4), ErrorCode.TRANSACTION_COORDINATOR_FENCED)
    assert.equal(life.end(0, 0, 5), ErrorCode.NONE)
  })

  it('of a producer that nobody knows fence it', () => {
    const life = new Life()
    assert.equal(life.end(3), ErrorCode.NONE)
    assert.equal(life.send({ epoch: 2 }), ErrorCode.INVALID_PRODUCER_EPOCH)
    assert.equal(life.send({ epoch: 3, sequence: 1 }), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, 'known, so from 0 on')
    assert.equal(life.send({ epoch: 3 }), 'offset 1')
  })
})
