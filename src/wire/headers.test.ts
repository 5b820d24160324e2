import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Reader, WireFault, Writer } from './buffers.ts'
import { ErrorCode, errorName } from './error-codes.ts'
import {
  decodeRequestHeader,
  decodeResponseHeader,
  encodeRequestHeader,
  encodeResponseHeader,
  hasFlexibleResponseHeader
} from './headers.ts'
import { ConsumerProtocolAssignment, ConsumerProtocolSubscription } from './messages/consumer-protocol.ts'
import { GroupMetadataKey, OffsetCommitKey } from './messages/offset-records.ts'
import { decodeVersioned, decodeVersionedOrNewer, encodeVersioned, versionOf } from './versioned.ts'

const header = { apiKey: 1, apiVersion: 12, correlationId: 77, clientId: 'é' }

for (const flexible of [false, true]) {
  test(`a ${flexible ? 'flexible' : 'rigid'} request header round trips, and its truncations are faults`, () => {
    for (const clientId of ['é', '', null]) {
      const writer = new Writer()
      encodeRequestHeader(writer, { ...header, clientId }, flexible)
      const frame = Buffer.concat(writer.finish())
      const reader = new Reader(frame)
      assert.deepEqual(
        decodeRequestHeader(reader, (apiKey, apiVersion) => {
          assert.deepEqual([apiKey, apiVersion], [1, 12])
          return flexible
        }),
        { ...header, clientId }
      )
      assert.equal(reader.remaining, 0)
      for (let length = 0; length < frame.length; length++) {
        const cut = new Reader(frame.subarray(0, length))
        assert.throws(() => decodeRequestHeader(cut, () => flexible), WireFault)
      }
    }
  })

  test(`a ${flexible ? 'flexible' : 'rigid'} response header round trips`, () => {
    const writer = new Writer()
    encodeResponseHeader(writer, -5, flexible)
    assert.equal(writer.length, flexible ? 5 : 4)
    assert.equal(decodeResponseHeader(new Reader(Buffer.concat(writer.finish())), flexible), -5)
  })
}

test('tags in a request header are skipped', () => {
  const frame = Buffer.from('00010010000000050000' + '0163020102' + '99', 'hex')
  const reader = new Reader(frame)
  assert.equal(decodeRequestHeader(reader, () => true).correlationId, 5)
  assert.equal(reader.remaining, 1)
})

test('the header of an ApiVersions response is never flexible', () => {
  assert.equal(hasFlexibleResponseHeader(18, true), false)
  assert.equal(hasFlexibleResponseHeader(1, true), true)
  assert.equal(hasFlexibleResponseHeader(1, false), false)
})

test('the version of a versioned message stands before it', () => {
  const key = encodeVersioned(OffsetCommitKey, 1, { group: 'g', topic: 't', partition: 3 })
  assert.equal(key.toString('hex'), '0001' + '000167' + '000174' + '00000003')
  assert.equal(versionOf(key), 1)
  assert.deepEqual(decodeVersioned(OffsetCommitKey, key), { group: 'g', topic: 't', partition: 3 })
  assert.throws(() => decodeVersioned(GroupMetadataKey, key), WireFault)
  assert.throws(() => versionOf(Buffer.alloc(1)), WireFault)
  assert.throws(() => decodeVersioned(OffsetCommitKey, Buffer.alloc(1)), WireFault)
})

test('a newer consumer protocol is read as the newest we know', () => {
  const assignment = { assignedPartitions: [{ topic: 't', partitions: [0, 5] }], userData: null }
  const buffer = encodeVersioned(ConsumerProtocolAssignment, 3, assignment)
  buffer.writeInt16BE(9)
  assert.deepEqual(decodeVersionedOrNewer(ConsumerProtocolAssignment, Buffer.concat([buffer, buffer])), assignment)
  assert.throws(() => decodeVersioned(ConsumerProtocolAssignment, buffer), WireFault)
  buffer.writeInt16BE(-1)
  assert.throws(() => decodeVersionedOrNewer(ConsumerProtocolSubscription, buffer), WireFault)
})

test('error codes have names', () => {
  assert.equal(errorName(ErrorCode.UNKNOWN_TOPIC_ID), 'UNKNOWN_TOPIC_ID')
  assert.equal(errorName(-1), 'UNKNOWN_SERVER_ERROR')
  assert.equal(errorName(9999), 'ERROR_9999')
  const codes = Object.values(ErrorCode).toSorted((a, b) => a - b)
  assert.deepEqual(
    codes,
    Array.from({ length: 135 }, (_, i) => i - 1)
  )
})
