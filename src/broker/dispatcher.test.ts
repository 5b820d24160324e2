import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { isFault } from '../runtime/fault.ts'
import { Reader, Writer } from '../wire/buffers.ts'
import { ErrorCode } from '../wire/error-codes.ts'
import { encodeRequestHeader } from '../wire/headers.ts'
import { ApiVersionsRequest, ApiVersionsResponse } from '../wire/messages/api-versions.ts'
import { LegacyProduceRequest, LegacyProduceResponse } from '../wire/messages/produce-legacy.ts'
import { BrokerFixture, batch, decodeResponse, encodeRequest, pair } from './broker-fixture.ts'
import { anonymousPeer } from './handler.ts'

const API_VERSIONS = pair(ApiVersionsRequest, ApiVersionsResponse)
const NAMED = { clientSoftwareName: 'test', clientSoftwareVersion: '1.0' }

describe('dispatcher', () => {
  let broker: BrokerFixture
  before(async () => {
    broker = await BrokerFixture.start()
    await broker.createTopic('t')
  })
  after(() => broker.close())

  const origin = {
    clientHost: '/x',
    connectionId: 1,
    peer: anonymousPeer(0),
    localAddress: '',
    closed: new AbortController().signal,
    mute: () => undefined
  }
  const answer = async (frame: Buffer) => {
    const chunks = await broker.run(broker.dispatcher.prepare(frame, origin).start())
    const bytes = Buffer.concat(chunks ?? [])
    assert.equal(bytes.readInt32BE(0), bytes.length - 4, 'the length precedes the frame')
    return bytes.subarray(4)
  }
  const header = (apiKey: number, apiVersion: number, flexible: boolean, rest = Buffer.alloc(0)) => {
    const writer = new Writer()
    encodeRequestHeader(writer, { apiKey, apiVersion, correlationId: 77, clientId: 'c' }, flexible)
    return Buffer.concat([...writer.finish(), rest])
  }

  it('ApiVersions lists every API of the table with its versions', async () => {
    for (let version = 0; version <= 4; version++) {
      const response = await broker.call(API_VERSIONS, version, version >= 3 ? NAMED : {})
      assert.equal(response.errorCode, ErrorCode.NONE)
      assert.deepEqual(
        response.apiKeys.map((k) => [k.apiKey, k.minVersion, k.maxVersion]),
        [...broker.apis.values()].map((api) => [api.request.apiKey, api.advertisedFrom, api.request.maxVersion])
      )
    }
  })

  it('ApiVersions from the future is answered in version 0 with UNSUPPORTED_VERSION and what it may ask', async () => {
    const frame = await answer(header(18, 99, true, Buffer.from('whatever the future brings')))
    assert.equal(frame.readInt32BE(0), 77)
    const response = ApiVersionsResponse.decode(new Reader(frame.subarray(4)), 0)
    assert.equal(response.errorCode, ErrorCode.UNSUPPORTED_VERSION)
    assert.deepEqual(
      response.apiKeys.map((k) => [k.apiKey, k.minVersion, k.maxVersion]),
      [[18, 0, 4]]
    )
  })

  it('a client software name that Kafka would not take is refused', async () => {
    const response = await broker.call(API_VERSIONS, 3, { clientSoftwareName: '-bad-', clientSoftwareVersion: '1' })
    assert.deepEqual([response.errorCode, response.apiKeys], [ErrorCode.INVALID_REQUEST, []])
  })

  it('Produce is advertised from version 0, and versions 0 to 2 are refused with UNSUPPORTED_VERSION per partition', async () => {
    assert.equal(broker.apis.get(0)?.advertisedFrom, 0)
    const partitionData = [0, 5].map((index) => ({ index, records: [batch(1)] }))
    for (let version = 0; version <= 2; version++) {
      const request = { acks: 1, timeoutMs: 1, topicData: [{ name: 't', partitionData }] }
      const frame = await answer(encodeRequest(LegacyProduceRequest, version, request))
      const { responses } = decodeResponse(LegacyProduceResponse, version, frame)
      assert.deepEqual(
        responses.map((r) => [r.name, ...r.partitionResponses.map((p) => [p.index, p.errorCode, p.baseOffset])]),
        [['t', [0, ErrorCode.UNSUPPORTED_VERSION, -1], [5, ErrorCode.UNSUPPORTED_VERSION, -1]]]
      )
    }
    assert.equal(broker.partition('t').highWatermark, 0)
  })

  it('an API or version that is not served closes the connection', () => {
    for (const [key, version] of [
      [999, 0],
      [-1, 0],
      [3, 99],
      [3, -1],
      [1, 3],
      [0, 14]
    ] as const) {
      const frame = header(key, version, false, Buffer.alloc(50))
      assert.throws(
        () => broker.dispatcher.prepare(frame, origin),
        (error) => isFault(error, 'invalid'),
        `${key} v${version}`
      )
    }
  })

  it('any bytes are a request or a fault, never anything else', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1, max: 80 }),
        fc.nat(20),
        fc.uint8Array({ maxLength: 300 }),
        (key, version, bytes) => {
          const frame = Buffer.concat([Buffer.alloc(4), Buffer.from(bytes)])
          frame.writeInt16BE(key, 0)
          frame.writeInt16BE(version, 2)
          try {
            broker.dispatcher.prepare(frame, origin)
          } catch (error) {
            assert.ok(isFault(error), String(error))
          }
        }
      ),
      { numRuns: 2000 }
    )
  })

  it('only produce lets the next request of its connection begin before it is answered', () => {
    for (const api of broker.apis.values())
      assert.equal(api.pipelined, api.request.name === 'Produce', api.request.name)
  })
})
