import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isFault } from '../runtime/fault.ts'
import { decodeEnvelope, type Envelope, encodeEnvelope, envelopeHeaders } from './envelope.ts'
import { latenessClasses } from './lateness.ts'

const sample: Envelope = {
  tenant: 'default',
  device: 'truck-1',
  epoch: 1,
  seq: 42,
  eventTime: 1_700_000_000_000.25,
  sentTime: null,
  ingestTime: 1_700_000_000_100,
  clockOffsetMs: null,
  lateness: 'live',
  firmware: '2.1',
  mappingId: null,
  mappingVersion: null,
  region: 'eu-west',
  schemaId: null,
  payload: '{"speed": 1.10, "big": 12345678901234567890}'
}

test('the payload stands in the envelope as it was sent, and the envelope is JSON', () => {
  const text = encodeEnvelope(sample).toString()
  assert.ok(text.endsWith(`,"payload":${sample.payload}}`))
  assert.equal(JSON.parse(text).payload.speed, 1.1)
  assert.deepEqual(decodeEnvelope(Buffer.from(text)), sample)
})

const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom('x,"payload":1', ',', '","payload":'))
const time = fc.integer({ min: -1e14, max: 1e14 })
const envelopes: fc.Arbitrary<Envelope> = fc.record(
  {
    tenant: text,
    device: text,
    epoch: fc.nat(),
    seq: fc.option(fc.nat()),
    eventTime: time,
    sentTime: fc.option(time),
    ingestTime: time,
    clockOffsetMs: fc.option(time),
    lateness: fc.constantFrom(...latenessClasses),
    firmware: fc.option(text),
    mappingId: fc.option(text),
    mappingVersion: fc.option(fc.nat()),
    region: fc.option(text),
    schemaId: fc.option(fc.nat()),
    payload: fc.oneof(fc.json(), fc.constant('{"a":1,"payload":2}'))
  },
  { noNullPrototype: true }
)

test('every envelope comes back as it was', () => {
  fc.assert(fc.property(envelopes, (e) => assert.deepEqual(decodeEnvelope(encodeEnvelope(e)), e)))
})

test('cut or changed envelopes give a typed fault or another envelope, never another error', () => {
  const bytes = encodeEnvelope(sample)
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(
      () => decodeEnvelope(bytes.subarray(0, length)),
      (error) => isFault(error, 'corrupt'),
      `cut to ${length}`
    )
  }
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(255), (position, value) => {
      const changed = Buffer.from(bytes)
      changed[position] = value
      try {
        decodeEnvelope(changed)
      } catch (error) {
        assert.ok(isFault(error), String(error))
      }
    })
  )
})

test('an envelope of a newer version says so', () => {
  const newer = encodeEnvelope(sample).toString().replace('"v":1', '"v":2')
  assert.throws(() => decodeEnvelope(Buffer.from(newer)), /version 2 is not known/)
})

test('headers carry what consumers filter by', () => {
  assert.deepEqual(envelopeHeaders(sample), [
    ['longhaul.v', '1'],
    ['longhaul.lateness', 'live'],
    ['longhaul.id', '1/42']
  ])
  assert.equal(envelopeHeaders({ ...sample, seq: null }).length, 2)
})
