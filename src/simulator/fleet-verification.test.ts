import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Envelope, encodeEnvelope } from '../fleet/envelope.ts'
import { FleetVerification, type StoredRecord, type VerificationResult } from './fleet-verification.ts'
import { TruthLedger } from './truth-ledger.ts'

const epoch = 77

/** A ledger of one device with three acknowledged records, one of them malformed, and a record still buffered. */
function ledger(): TruthLedger {
  const truth = new TruthLedger(epoch, true)
  const device = truth.addDevice('a')
  device.measured({ seq: 0, kind: 'record', expected: '{"v":1.10}', eventTime: 1000 })
  device.measured({ seq: 1, kind: 'malformed', expected: Buffer.from('broken').toString('base64'), eventTime: null })
  device.measured({ seq: 2, kind: 'record', expected: '2', eventTime: null })
  device.measured({ seq: 3, kind: 'record', expected: '3', eventTime: null })
  for (const seq of [0, 1, 2]) device.acknowledged(seq)
  return truth
}

let offset = 0

function telemetry(seq: number, payload: string, more: Partial<Envelope> = {}): StoredRecord {
  const envelope: Envelope = {
    tenant: 'default',
    device: 'a',
    epoch,
    seq,
    eventTime: 1000,
    sentTime: null,
    ingestTime: 1,
    clockOffsetMs: null,
    lateness: 'live',
    firmware: null,
    mappingId: null,
    mappingVersion: null,
    region: null,
    schemaId: null,
    payload,
    ...more
  }
  const value = encodeEnvelope(envelope)
  return { topic: 'telemetry', partition: 0, offset: offset++, key: Buffer.from('a'), value, headers: new Map() }
}

function deadLetter(text: string): StoredRecord {
  const headers = new Map([['longhaul.device', 'a']])
  return { topic: 'dead', partition: 0, offset: offset++, key: Buffer.from('a'), value: Buffer.from(text), headers }
}

function verify(records: readonly StoredRecord[], buffered = 1): VerificationResult {
  const verification = new FleetVerification(ledger(), 'telemetry')
  for (const record of records) verification.observe(record)
  return verification.result(buffered)
}

const good = () => [telemetry(0, '{"v":1.10}'), deadLetter('broken'), telemetry(2, '2')]

test('a complete topic is right, and the books balance', () => {
  const result = verify(good())
  assert.equal(result.ok, true)
  assert.deepEqual(
    [result.measured, result.delivered, result.deadLettered, result.buffered, result.missing, result.remainder],
    [4, 2, 1, 1, 0, 0]
  )
})

test('an acknowledged record that is not there is missing', () => {
  for (const gone of [0, 1, 2]) {
    const result = verify(good().filter((_, index) => index !== gone))
    assert.deepEqual([result.ok, result.missing], [false, 1])
    assert.match(result.violations[0] ?? '', /acknowledged but not stored/)
  }
})

test('a payload that was re-formatted, or an event time that moved, is altered', () => {
  for (const altered of [telemetry(0, '{"v":1.1}'), telemetry(0, '{"v":1.10}', { eventTime: 1001 })]) {
    const result = verify([altered, ...good().slice(1)])
    assert.deepEqual([result.ok, result.altered, result.missing], [false, 1, 1])
  }
})

test('duplicates are counted and allowed, also late ones', () => {
  const result = verify([...good(), telemetry(0, '{"v":1.10}'), deadLetter('broken')])
  assert.deepEqual([result.ok, result.duplicates, result.outOfOrder], [true, 2, 0])
})

test('first copies out of order are found', () => {
  const [first, dead, second] = good() as [StoredRecord, StoredRecord, StoredRecord]
  const result = verify([second, dead, first])
  assert.deepEqual([result.ok, result.outOfOrder], [false, 1])
})

test('what nobody sent is a stranger, what others sent is passed over', () => {
  const strangers = [
    telemetry(9, '9'),
    telemetry(1, '"malformed ones do not belong here"'),
    deadLetter(`{"epoch":${epoch},`)
  ]
  for (const stranger of strangers) assert.deepEqual(verify([...good(), stranger]).strangers, 1)
  const result = verify([
    ...good(),
    telemetry(0, '1', { epoch: 5 }),
    telemetry(0, '1', { device: 'b' }),
    deadLetter('old')
  ])
  assert.deepEqual([result.ok, result.others], [true, 3])
})

test('stored without the device knowing is counted apart, and books that do not balance are a violation', () => {
  assert.equal(verify([...good(), telemetry(3, '3')]).storedUnacknowledged, 1)
  const result = verify(good(), 0)
  assert.deepEqual([result.ok, result.remainder], [false, 1])
})

test('a ledger settles each record once', () => {
  const device = ledger().devices.get('a')
  assert.throws(() => device?.acknowledged(0), /not waiting/)
  assert.throws(() => device?.declaredLost(1), /not waiting/)
  assert.throws(() => device?.measured({ seq: 3, kind: 'record', expected: '', eventTime: null }), /twice/)
})
