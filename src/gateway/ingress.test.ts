import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeEnvelope } from '../fleet/envelope.ts'
import { defaultLateness } from '../fleet/lateness.ts'
import { Fault } from '../runtime/fault.ts'
import { awakeClock, ObedientSink } from './gateway-fixture.ts'
import { type Flow, Ingress, type IngressSettings, type Outcome } from './ingress.ts'

const ingestTime = 1_700_000_000_000

function ingress(settings: Partial<IngressSettings> = {}): { sink: ObedientSink; ingress: Ingress; flow: Flow } {
  const sink = new ObedientSink()
  const all: IngressSettings = {
    telemetryTopic: 'telemetry',
    deadLetterTopic: 'dead',
    payloadBytesMax: 100,
    inFlightBytesMax: 1000,
    overloadWaitMs: 20,
    lateness: defaultLateness,
    ...settings
  }
  const device = { tenant: 'acme', id: 'truck-1', enabled: true, createdAt: 0, attributes: { region: 'eu' } }
  const clock = { ...awakeClock, now: () => ingestTime }
  return { sink, ingress: new Ingress(sink, clock, all), flow: { device, transport: 'mqtt', broken: false } }
}

const codeOf = (outcome: Outcome) => (outcome.result === 'refused' ? outcome.refusal.code : outcome.result)

test('a record becomes an envelope under the identity of its connection', async () => {
  const { sink, ingress: into, flow } = ingress()
  const payload = '{"seq":7,"epoch":2,"time":1699999000000,"data":{"device":"truck-2", "v":1.10}}'
  assert.equal((await into.accept(flow, Buffer.from(payload))).result, 'accepted')
  const [stored] = sink.records
  assert.ok(stored)
  assert.equal(stored.key.toString(), 'truck-1')
  assert.equal(stored.timestamp, ingestTime)
  const envelope = decodeEnvelope(stored.value)
  assert.equal(envelope.device, 'truck-1')
  assert.equal(envelope.tenant, 'acme')
  assert.equal(envelope.region, 'eu')
  assert.equal(envelope.lateness, 'late')
  assert.equal(envelope.payload, '{"device":"truck-2", "v":1.10}')
  assert.deepEqual(new Map(stored.headers).get('longhaul.id'), '2/7')
})

test('what cannot be read goes raw, with its reason, to the dead-letter topic', async () => {
  const { sink, ingress: into, flow } = ingress()
  const cases: [Buffer, string | undefined, string][] = [
    [Buffer.from([0xff]), undefined, 'not-utf8'],
    [Buffer.from('{'), undefined, 'not-json'],
    [Buffer.from('{"data":1,"seq":"1"}'), undefined, 'invalid-field'],
    [Buffer.from('{"data":1,"x":1}'), undefined, 'unknown-field'],
    [Buffer.alloc(101, 0x31), undefined, 'too-large'],
    [Buffer.from('1'), 'other/topic', 'unknown-topic']
  ]
  for (const [payload, topic, reason] of cases) {
    const outcome = await into.accept(flow, payload, topic)
    assert.equal(outcome.result === 'dead-lettered' && outcome.reason, reason)
    const stored = sink.records.at(-1)
    assert.ok(stored)
    const headers = new Map(stored.headers)
    assert.equal(stored.topic, 'dead')
    assert.deepEqual(stored.value, payload)
    assert.equal(headers.get('longhaul.reason'), reason)
    assert.equal(headers.get('longhaul.device'), 'truck-1')
    assert.equal(headers.get('longhaul.topic'), topic)
  }
  assert.equal(into.stats().deadLettered, cases.length)
})

test('a record that the broker will never take becomes a dead letter instead of blocking its device', async () => {
  const { sink, ingress: into, flow } = ingress()
  sink.faultOf = ({ topic }) => (topic === 'telemetry' ? new Fault('invalid', 'too big for the topic') : undefined)
  const outcome = await into.accept(flow, Buffer.from('1'))
  assert.equal(outcome.result === 'dead-lettered' && outcome.reason, 'not-storable')
  assert.deepEqual(sink.values('dead'), ['1'])
})

test('nothing is accepted before the sink acknowledged it', async () => {
  const { sink, ingress: into, flow } = ingress()
  sink.hold = true
  let outcome: Outcome | undefined
  const promise = into.accept(flow, Buffer.from('1')).then((value) => {
    outcome = value
  })
  await new Promise((resolve) => setTimeout(resolve, 5))
  assert.equal(outcome, undefined)
  assert.equal(into.stats().inFlight, 1)
  sink.held[0]?.acknowledge()
  await promise
  assert.deepEqual(outcome, { result: 'accepted' })
})

test('an unavailable broker is a refusal, and ends the flow so that the order can be kept', async () => {
  const { sink, ingress: into, flow } = ingress()
  sink.faultOf = () => new Fault('unavailable', 'no broker')
  assert.equal(codeOf(await into.accept(flow, Buffer.from('1'))), 'unavailable')
  sink.faultOf = () => undefined
  assert.equal(codeOf(await into.accept(flow, Buffer.from('2'))), 'unavailable')
  assert.equal(codeOf(await into.accept({ ...flow, broken: false }, Buffer.from('1'))), 'accepted')
  assert.deepEqual(into.stats(), {
    received: 3,
    receivedBytes: 3,
    accepted: 1,
    deadLettered: 0,
    refused: 2,
    inFlight: 0,
    inFlightBytes: 0
  })
})

test('overload first slows, in order, then refuses', async () => {
  const { sink, ingress: into, flow } = ingress({ inFlightBytesMax: 3 })
  sink.hold = true
  const flows = [1, 2, 3, 4, 5].map(() => ({ ...flow }))
  const outcomes = flows.map((each, index) => into.accept(each, Buffer.from(`1${index}`)))
  // 0 enters, 1 waits for room, the rest find the waiting room full.
  assert.equal(codeOf(await (outcomes[2] as Promise<Outcome>)), 'overloaded')
  sink.held[0]?.acknowledge()
  assert.equal(codeOf(await (outcomes[0] as Promise<Outcome>)), 'accepted')
  const slow = { ...flow }
  const late = into.accept(slow, Buffer.from('99'))
  assert.equal(codeOf(await late), 'overloaded')
  sink.held[1]?.acknowledge()
  assert.equal(codeOf(await (outcomes[1] as Promise<Outcome>)), 'accepted')
  assert.equal(into.stats().inFlightBytes, 0)
})

test('records that waited for room enter in the order they came', async () => {
  const { sink, ingress: into, flow } = ingress({ inFlightBytesMax: 20, overloadWaitMs: 5000 })
  sink.hold = true
  const sent = Array.from({ length: 20 }, (_, index) => String(10 + index))
  const outcomes = sent.map((text) => into.accept(flow, Buffer.from(text)))
  assert.equal(sink.records.length, 10)
  for (let index = 0; index < 20; index++) {
    sink.held[index]?.acknowledge()
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok((await Promise.all(outcomes)).every(({ result }) => result === 'accepted'))
  assert.deepEqual(
    sink.records.map(({ value }) => decodeEnvelope(value).payload),
    sent
  )
})
