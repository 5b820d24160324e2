import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ProducerStates } from './producer-state.ts'

const EVERYTHING = Number.MAX_SAFE_INTEGER

interface Note {
  readonly epoch?: number
  readonly sequence?: number
  readonly transactional?: boolean
  readonly durable?: number
  readonly now?: number
}

/** One record a batch; sequence and offset are the same unless said otherwise. */
function append(states: ProducerStates, at: number, note: Note = {}): boolean {
  const { epoch = 0, sequence = at, transactional = false, durable = EVERYTHING, now = 0 } = note
  const batch = { baseSequence: sequence, lastSequence: sequence, baseOffset: at, lastOffset: at, timestamp: 0 }
  return states.noteBatch(1, { ...batch, producerEpoch: epoch }, transactional, now, durable)
}

function end(states: ProducerStates, at: number, note: Note & { readonly coordinatorEpoch?: number } = {}): void {
  const { epoch = 0, durable = EVERYTHING, now = 0, coordinatorEpoch = 0 } = note
  states.noteEnd(1, { producerEpoch: epoch, coordinatorEpoch, offset: at, timestamp: 0 }, now, durable)
}

const isDuplicate = (states: ProducerStates, sequence: number, epoch = 0) =>
  states.get(1)?.findDuplicate(epoch, sequence, sequence) !== undefined

describe('producer state', () => {
  it('of all batches the last five are known again, however many are on their way', () => {
    const states = new ProducerStates()
    for (let i = 0; i < 20; i++) append(states, i, { durable: 0 })
    for (let i = 0; i < 15; i++) assert.equal(isDuplicate(states, i), false)
    for (let i = 15; i < 20; i++) assert.equal(isDuplicate(states, i), true)
  })

  it('what is not durable does not push out what a snapshot before it will need', () => {
    const states = new ProducerStates()
    for (let i = 0; i < 20; i++) append(states, i, { durable: 5 })
    assert.equal(states.asOf(5)[0]?.batches.length, 5)
    append(states, 20, { durable: 20 })
    append(states, 21, { durable: 21 })
    assert.equal(states.asOf(21)[0]?.batches.at(0)?.baseOffset, 16)
  })

  it('a snapshot holds the last five batches before its offset, and nothing after', () => {
    const states = new ProducerStates()
    for (let i = 0; i < 8; i++) append(states, i, { durable: 0 })
    const [producer] = states.asOf(6)
    assert.deepEqual(
      producer?.batches.map(({ baseOffset }) => baseOffset),
      [1, 2, 3, 4, 5]
    )
    assert.deepEqual(states.asOf(0), [])
  })

  it('a snapshot before a new epoch still holds the old one', () => {
    const states = new ProducerStates()
    append(states, 0)
    append(states, 1)
    append(states, 2, { epoch: 1, sequence: 0, durable: 2 })
    const [producer] = states.asOf(2)
    assert.equal(producer?.epoch, 0)
    const restored = new ProducerStates()
    restored.restore(producer ?? assert.fail())
    assert.equal(isDuplicate(restored, 1), true)
    assert.equal(isDuplicate(states, 1), false, 'a new epoch forgets the batches of the old one')
    assert.equal(isDuplicate(states, 0, 1), true)
  })

  it('a transaction begins with its first batch, goes on over epochs, and ends with a marker', () => {
    const states = new ProducerStates()
    assert.equal(append(states, 0), false)
    assert.equal(append(states, 1, { transactional: true }), true)
    assert.equal(append(states, 2, { transactional: true }), false)
    assert.equal(append(states, 3, { transactional: true, epoch: 1, sequence: 0 }), false)
    assert.equal(states.get(1)?.transactionStart, 1)
    end(states, 4, { epoch: 1, coordinatorEpoch: 7 })
    assert.equal(states.get(1)?.transactionStart, undefined)
    assert.equal(states.get(1)?.coordinatorEpoch, 7)
    assert.equal(append(states, 5, { transactional: true, epoch: 1, sequence: 1 }), true)
  })

  it('a snapshot knows of no marker and of no transaction that is not durable', () => {
    const states = new ProducerStates()
    append(states, 0, { transactional: true, durable: 0 })
    assert.deepEqual(states.asOf(0), [])
    end(states, 1, { epoch: 1, coordinatorEpoch: 3, durable: 0 })
    append(states, 2, { transactional: true, epoch: 1, sequence: 0, durable: 0 })
    const at = (offset: number) => {
      const [p] = states.asOf(offset)
      return [p?.epoch, p?.transactionStart, p?.coordinatorEpoch, p?.lastMarker?.offset, p?.batches.length]
    }
    assert.deepEqual(at(1), [0, 0, -1, undefined, 1])
    assert.deepEqual(at(2), [1, undefined, 3, 1, 0])
    assert.deepEqual(at(3), [1, 2, 3, 1, 1])
  })

  it('a producer that appended nothing for long is forgotten', () => {
    const states = new ProducerStates()
    append(states, 0, { now: 1000 })
    states.expire(1000, EVERYTHING)
    assert.equal(states.size, 1)
    states.expire(1001, EVERYTHING)
    assert.equal(states.size, 0)
  })

  it('expiry never drops a producer with an open transaction, nor with one whose end is not durable', () => {
    const states = new ProducerStates()
    append(states, 0, { transactional: true, now: 1000 })
    states.expire(5000, EVERYTHING)
    assert.equal(states.size, 1, 'open')
    end(states, 1, { now: 2000, durable: 1 })
    states.expire(5000, 1)
    assert.equal(states.size, 1, 'a crash could bring the transaction back')
    states.expire(5000, 2)
    assert.equal(states.size, 0)
  })
})
