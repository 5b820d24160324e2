import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ProducerStates } from './producer-state.ts'

const EVERYTHING = Number.MAX_SAFE_INTEGER

describe('producer state', () => {
  /** One record a batch; sequence and offset are the same. */
  const append = (
    states: ProducerStates,
    at: number,
    options: { epoch?: number; durable?: number; now?: number } = {}
  ) => {
    const { epoch = 0, durable = EVERYTHING, now = 0 } = options
    const sequence = epoch === 0 ? at : 0
    const batch = { baseSequence: sequence, lastSequence: sequence, baseOffset: at, lastOffset: at, timestamp: 0 }
    states.record(1, { ...batch, producerEpoch: epoch }, now, durable)
  }
  const judge = (states: ProducerStates, sequence: number, producerEpoch = 0) =>
    states.judge({ producerId: 1, producerEpoch, baseSequence: sequence, lastSequence: sequence }).kind

  it('of all batches the last five are known again, however many are on their way', () => {
    const states = new ProducerStates()
    for (let i = 0; i < 20; i++) append(states, i, { durable: 0 })
    for (let i = 0; i < 15; i++) assert.equal(judge(states, i), 'out-of-order')
    for (let i = 15; i < 20; i++) assert.equal(judge(states, i), 'duplicate')
  })

  it('what is not durable does not push out what a snapshot before it will need', () => {
    const states = new ProducerStates()
    for (let i = 0; i < 20; i++) append(states, i, { durable: 5 })
    assert.equal(states.asOf(5)[0]?.batches.length, 5)
    append(states, 20, { durable: 20 })
    append(states, 21, { durable: 21 })
    assert.equal(states.get(1)?.batches.length, 6, 'five durable ones and the one on its way')
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
    append(states, 2, { epoch: 1, durable: 2 })
    const [producer] = states.asOf(2)
    assert.equal(producer?.epoch, 0)
    const restored = new ProducerStates()
    restored.restore(producer ?? assert.fail())
    assert.equal(judge(restored, 1), 'duplicate')
    assert.equal(judge(states, 1), 'fenced')
    assert.equal(judge(states, 0, 1), 'duplicate')
    assert.equal(judge(states, 1, 1), 'accept')
  })

  it('a producer that appended nothing for long is forgotten, and may start anywhere', () => {
    const states = new ProducerStates()
    append(states, 0, { now: 1000 })
    states.expire(1000)
    assert.equal(judge(states, 7), 'out-of-order')
    states.expire(1001)
    assert.equal(judge(states, 7), 'accept')
    assert.equal(states.size, 0)
  })

  it('a batch that overlaps a remembered one without being it is out of order', () => {
    const states = new ProducerStates()
    append(states, 0)
    append(states, 1)
    const verdict = states.judge({ producerId: 1, producerEpoch: 0, baseSequence: 1, lastSequence: 2 })
    assert.equal(verdict.kind, 'out-of-order')
  })
})
