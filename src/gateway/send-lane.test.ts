import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Fault, isFault } from '../runtime/fault.ts'
import { awakeClock } from './gateway-fixture.ts'
import type { SinkRecord } from './record-sink.ts'
import { type BatchSender, type SendFailure, SendLane, type SendLaneSettings } from './send-lane.ts'

class FailWith extends Error {
  readonly failure: SendFailure

  constructor(failure: SendFailure) {
    super(failure)
    this.failure = failure
  }
}

/** Answers each batch as the test says and writes down everything that was asked of it. */
class ScriptedSender implements BatchSender {
  readonly log: string[] = []
  answer: (values: readonly string[]) => SendFailure | 'ok' = () => 'ok'
  underWay = 0
  underWayMax = 0

  async send(partition: number, records: readonly SinkRecord[]): Promise<void> {
    this.underWayMax = Math.max(this.underWayMax, ++this.underWay)
    const values = records.map((record) => record.value.toString())
    this.log.push(`${partition}:${values.join(',')}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
    this.underWay--
    const answer = this.answer(values)
    if (answer !== 'ok') throw new FailWith(answer)
  }

  async renew(): Promise<void> {
    this.log.push('renew')
  }

  failureOf(error: unknown): SendFailure {
    assert.ok(error instanceof FailWith)
    return error.failure
  }

  async close(): Promise<void> {
    this.log.push('close')
  }
}

function record(value: string | number): SinkRecord {
  return { topic: 't', key: Buffer.from('k'), value: Buffer.from(String(value)), headers: [], timestamp: 0 }
}

function lane(settings: Partial<SendLaneSettings> = {}): { sender: ScriptedSender; lane: SendLane } {
  const sender = new ScriptedSender()
  const all = { lingerMs: 0, batchRecordsMax: 100, batchBytesMax: 1 << 20, deliveryTimeoutMs: 1000, retryDelayMs: 1 }
  return { sender, lane: new SendLane(sender, awakeClock, { ...all, ...settings }) }
}

const settled = (promises: Promise<void>[]) =>
  Promise.all(
    promises.map((each) =>
      each.then(
        () => 'ok',
        (fault: Fault) => fault.kind
      )
    )
  )

test('concurrent records share a batch, partitions do not, and one batch is under way at a time', async () => {
  const { sender, lane: sends } = lane()
  const promises = [0, 1, 2, 3, 4, 5].map((value) => sends.produce(value % 2, record(value)))
  await Promise.all(promises)
  assert.deepEqual(sender.log, ['0:0,2,4', '1:1,3,5'])
  assert.equal(sender.underWayMax, 1)
})

test('batches respect both limits and take turns between partitions', async () => {
  const { sender, lane: sends } = lane({ batchRecordsMax: 2 })
  await Promise.all([0, 0, 0, 1].map((partition, value) => sends.produce(partition, record(value))))
  assert.deepEqual(sender.log, ['0:0,1', '1:3', '0:2'])
  const small = lane({ batchBytesMax: 1 })
  await Promise.all([1, 2].map((value) => small.lane.produce(0, record(value))))
  assert.deepEqual(small.sender.log, ['0:1', '0:2'])
})

test('a batch is repeated unchanged, and nothing overtakes it', async () => {
  const { sender, lane: sends } = lane()
  let attempts = 0
  sender.answer = () => (++attempts < 3 ? 'retry' : 'ok')
  const first = sends.produce(0, record('a'))
  const second = new Promise<void>((resolve) => setTimeout(resolve, 1)).then(() => sends.produce(0, record('b')))
  await Promise.all([first, second])
  assert.deepEqual(sender.log.slice(0, 3), [sender.log[0], sender.log[0], sender.log[0]])
  assert.equal(sender.log.join().replaceAll(/[^ab]/g, '').replace(/a+/, 'a').replace(/b+/, 'b'), 'ab')
})

test('when a batch is given up, what waits behind it in its partition is given up too, and the session is renewed', async () => {
  const { sender, lane: sends } = lane({ deliveryTimeoutMs: 30, batchRecordsMax: 1 })
  sender.answer = ([value]) => (value === 'bad' ? 'retry' : 'ok')
  const promises = [
    sends.produce(0, record('bad')),
    sends.produce(0, record('behind')),
    sends.produce(1, record('other'))
  ]
  const outcomes = await settled(promises.slice(0, 2))
  assert.deepEqual(outcomes, ['unavailable', 'unavailable'])
  assert.ok(!sender.log.includes('0:behind'))
  await settled(promises)
  const renewed = sender.log.indexOf('renew')
  assert.ok(renewed > 0 && sender.log.slice(0, renewed).every((entry) => entry === '0:bad'), sender.log.join())
  sender.answer = () => 'ok'
  assert.deepEqual(await settled([sends.produce(0, record('later'))]), ['ok'])
})

test('a void session is renewed and the batch sent again', async () => {
  const { sender, lane: sends } = lane()
  let attempts = 0
  sender.answer = () => (++attempts === 1 ? 'renew' : 'ok')
  await sends.produce(0, record('a'))
  assert.deepEqual(sender.log, ['0:a', 'renew', '0:a'])
})

test('one record that the broker refuses for good does not fail its neighbours', async () => {
  const { sender, lane: sends } = lane()
  sender.answer = (values) => (values.includes('3') ? 'permanent' : 'ok')
  const outcomes = await settled([0, 1, 2, 3, 4, 5, 6].map((value) => sends.produce(0, record(value))))
  assert.deepEqual(outcomes, ['ok', 'ok', 'ok', 'invalid', 'ok', 'ok', 'ok'])
})

test('close waits for what was given, then refuses more', async () => {
  const { sender, lane: sends } = lane()
  const promise = sends.produce(0, record('a'))
  await sends.close()
  await promise
  assert.deepEqual(sender.log, ['0:a', 'close'])
  await assert.rejects(sends.produce(0, record('b')), (error) => isFault(error, 'closed'))
})
