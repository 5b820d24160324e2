/**
 * Bytes that Kafka's own Java serializers (4.3.1) produce for these values: ours must be the same, and read back.
 * Guards against a mistake that our reader and writer share.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Reader, Writer } from './buffers.ts'
import { encodeRequestHeader } from './headers.ts'
import type { Message } from './message.ts'
import { ApiVersionsResponse } from './messages/api-versions.ts'
import { ConsumerProtocolSubscription } from './messages/consumer-protocol.ts'
import { DescribeTopicPartitionsResponse } from './messages/describe-topic-partitions.ts'
import { FetchRequest, FetchResponse } from './messages/fetch.ts'
import { JoinGroupRequest } from './messages/join-group.ts'
import { MetadataResponse } from './messages/metadata.ts'
import { GroupMetadataValue, OffsetCommitValue } from './messages/offset-records.ts'
import { ProduceRequest } from './messages/produce.ts'
import type { InferInput } from './schema.ts'

const topicId = 'AQIDBAUGBwgJCgsMDQ4PEA'
const records = [Buffer.from([1, 2, 3, 4, 5])]

let count = 0
function golden<Input>(message: Message<unknown, Input>, version: number, value: Input, hex: string): void {
  test(`${++count}: ${message.name}${message.kind} v${version} has the bytes that Kafka writes`, () => {
    const encode = (input: Input): string => {
      const writer = new Writer()
      message.encode(writer, version, input)
      return Buffer.concat(writer.finish()).toString('hex')
    }
    assert.equal(encode(value), hex)
    const reader = new Reader(Buffer.from(hex, 'hex'))
    assert.equal(encode(message.decode(reader, version) as Input), hex)
    assert.equal(reader.remaining, 0)
  })
}

const fetchResponse: InferInput<typeof FetchResponse> = {
  throttleTimeMs: 10,
  responses: [
    {
      topic: 'été',
      topicId,
      partitions: [
        {
          partitionIndex: 3,
          errorCode: 0,
          highWatermark: 1234567890123,
          lastStableOffset: 99,
          logStartOffset: 5,
          abortedTransactions: [{ producerId: 7, firstOffset: 8 }],
          records
        },
        { partitionIndex: 4, errorCode: 6, highWatermark: -1, abortedTransactions: null, records: null }
      ]
    }
  ]
}
const [topic] = fetchResponse.responses
assert.ok(topic)
const [first, second] = topic.partitions
assert.ok(first && second)
const movedFetchResponse: InferInput<typeof FetchResponse> = {
  ...fetchResponse,
  sessionId: 42,
  responses: [{ ...topic, partitions: [first, { ...second, currentLeader: { leaderId: 2, leaderEpoch: 11 } }] }]
}
golden(
  FetchResponse,
  4,
  fetchResponse,
  '0000000a000000010005c3a974c3a9000000020000000300000000011f71fb04cb000000000000006300000001000000' +
    '00000000070000000000000008000000050102030405000000040006ffffffffffffffffffffffffffffffffffffffff' +
    'ffffffff'
)
golden(
  FetchResponse,
  7,
  { ...fetchResponse, sessionId: 42 },
  '0000000a00000000002a000000010005c3a974c3a9000000020000000300000000011f71fb04cb000000000000006300' +
    '000000000000050000000100000000000000070000000000000008000000050102030405000000040006ffffffffffff' +
    'ffffffffffffffffffffffffffffffffffffffffffffffffffff'
)
golden(
  FetchResponse,
  12,
  movedFetchResponse,
  '0000000a00000000002a0206c3a974c3a9030000000300000000011f71fb04cb00000000000000630000000000000005' +
    '020000000000000007000000000000000800ffffffff06010203040500000000040006ffffffffffffffffffffffffff' +
    'ffffffffffffffffffffff00ffffffff00010109000000020000000b000000'
)
golden(
  FetchResponse,
  16,
  { ...movedFetchResponse, nodeEndpoints: [{ nodeId: 2, host: 'b2', port: 9092, rack: 'z' }] },
  '0000000a00000000002a020102030405060708090a0b0c0d0e0f10030000000300000000011f71fb04cb000000000000' +
    '00630000000000000005020000000000000007000000000000000800ffffffff06010203040500000000040006ffffff' +
    'ffffffffffffffffffffffffffffffffffffffffff00ffffffff00010109000000020000000b000001000f0200000002' +
    '03623200002384027a00'
)

const fetchPartition = { partition: 1, fetchOffset: Number.MAX_SAFE_INTEGER, partitionMaxBytes: 1048576 }
const fetchRequest = { maxWaitMs: 500, minBytes: 1, maxBytes: 52428800, isolationLevel: 1 }
golden(
  FetchRequest,
  4,
  { ...fetchRequest, topics: [{ topic: 't', topicId, partitions: [fetchPartition] }] },
  'ffffffff000001f40000000103200000010000000100017400000001000000017fffffffffffffff00100000'
)
golden(
  FetchRequest,
  13,
  {
    ...fetchRequest,
    clusterId: 'c1',
    rackId: 'zone-a',
    topics: [{ topicId, partitions: [{ ...fetchPartition, currentLeaderEpoch: 6 }] }]
  },
  'ffffffff000001f400000001032000000100000000ffffffff020102030405060708090a0b0c0d0e0f10020000000100' +
    '0000067fffffffffffffffffffffffffffffffffffffff00100000000001077a6f6e652d61010003036331'
)
golden(
  FetchRequest,
  18,
  {
    ...fetchRequest,
    clusterId: 'c1',
    rackId: 'zone-a',
    replicaState: { replicaId: 1, replicaEpoch: 9 },
    topics: [
      {
        topicId,
        partitions: [{ ...fetchPartition, currentLeaderEpoch: 6, highWatermark: 77, replicaDirectoryId: topicId }]
      }
    ]
  },
  '000001f400000001032000000100000000ffffffff020102030405060708090a0b0c0d0e0f100200000001000000067f' +
    'ffffffffffffffffffffffffffffffffffffff001000000200100102030405060708090a0b0c0d0e0f10010800000000' +
    '0000004d0001077a6f6e652d61020003036331010d00000001000000000000000900'
)

const produceRequest = {
  acks: -1,
  timeoutMs: 30000,
  topicData: [{ name: 't', topicId, partitionData: [{ index: 2, records }] }]
}
golden(ProduceRequest, 3, produceRequest, 'ffffffff00007530000000010001740000000100000002000000050102030405')
golden(
  ProduceRequest,
  9,
  { ...produceRequest, transactionalId: 'tx' },
  '037478ffff000075300202740200000002060102030405000000'
)
golden(
  ProduceRequest,
  13,
  produceRequest,
  '00ffff00007530020102030405060708090a0b0c0d0e0f100200000002060102030405000000'
)

const metadataResponse: InferInput<typeof MetadataResponse> = {
  throttleTimeMs: 3,
  brokers: [{ nodeId: 1, host: 'h', port: 9092, rack: 'r' }],
  clusterId: 'c',
  controllerId: 1,
  topics: [
    {
      errorCode: 0,
      name: 't',
      topicId,
      isInternal: true,
      partitions: [
        {
          errorCode: 0,
          partitionIndex: 0,
          leaderId: 1,
          leaderEpoch: 4,
          replicaNodes: [1, 2],
          isrNodes: [1],
          offlineReplicas: [2]
        }
      ]
    }
  ]
}
golden(
  MetadataResponse,
  0,
  metadataResponse,
  '000000010000000100016800002384000000010000000174000000010000000000000000000100000002000000010000' +
    '00020000000100000001'
)
golden(
  MetadataResponse,
  9,
  metadataResponse,
  '000000030200000001026800002384027200026300000001020000027401020000000000000000000100000004030000' +
    '000100000002020000000102000000020080000000008000000000'
)
golden(
  MetadataResponse,
  13,
  { ...metadataResponse, errorCode: 7 },
  '00000003020000000102680000238402720002630000000102000002740102030405060708090a0b0c0d0e0f10010200' +
    '0000000000000000010000000403000000010000000202000000010200000002008000000000000700'
)

const apiVersionsResponse: InferInput<typeof ApiVersionsResponse> = {
  errorCode: 35,
  apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }],
  finalizedFeaturesEpoch: 5,
  finalizedFeatures: [{ name: 'f', maxVersionLevel: 2, minVersionLevel: 1 }]
}
golden(ApiVersionsResponse, 0, apiVersionsResponse, '002300000001001200000004')
golden(
  ApiVersionsResponse,
  4,
  apiVersionsResponse,
  '0023020012000000040000000000020108000000000000000502080202660002000100'
)

const joinGroupRequest: InferInput<typeof JoinGroupRequest> = {
  groupId: 'g',
  sessionTimeoutMs: 45000,
  rebalanceTimeoutMs: 300000,
  memberId: '',
  groupInstanceId: 'i',
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata: Buffer.from([9, 8]) }],
  reason: 'why'
}
golden(
  JoinGroupRequest,
  5,
  joinGroupRequest,
  '0001670000afc8000493e000000001690008636f6e73756d657200000001000572616e6765000000020908'
)
golden(
  JoinGroupRequest,
  9,
  joinGroupRequest,
  '02670000afc8000493e001026909636f6e73756d6572020672616e6765030908000477687900'
)

golden(DescribeTopicPartitionsResponse, 0, { topics: [] }, '0000000001ff00')
golden(
  DescribeTopicPartitionsResponse,
  0,
  { topics: [], nextCursor: { topicName: 't', partitionIndex: 5 } },
  '0000000001010274000000050000'
)

const offsetCommitValue = { offset: 5, leaderEpoch: 2, metadata: 'm', commitTimestamp: 1700000000000 }
golden(
  OffsetCommitValue,
  1,
  { ...offsetCommitValue, expireTimestamp: Number.MAX_SAFE_INTEGER },
  '000000000000000500016d0000018bcfe568007fffffffffffffff'
)
golden(
  OffsetCommitValue,
  4,
  { ...offsetCommitValue, topicId },
  '000000000000000500000002026d0000018bcfe568000100100102030405060708090a0b0c0d0e0f10'
)

golden(
  GroupMetadataValue,
  3,
  {
    protocolType: 'consumer',
    generation: 3,
    protocol: 'range',
    leader: null,
    currentStateTimestamp: 12,
    members: [
      {
        memberId: 'm',
        groupInstanceId: 'i',
        clientId: 'c',
        clientHost: '/h',
        rebalanceTimeout: 1,
        sessionTimeout: 2,
        subscription: Buffer.from([1]),
        assignment: Buffer.alloc(0)
      }
    ]
  },
  '0008636f6e73756d657200000003000572616e6765ffff000000000000000c0000000100016d00016900016300022f68' +
    '0000000100000002000000010100000000'
)

golden(
  ConsumerProtocolSubscription,
  3,
  { topics: ['t', 'u'], ownedPartitions: [{ topic: 't', partitions: [1, 2] }], generationId: 4, rackId: 'r' },
  '00000002000174000175ffffffff0000000100017400000002000000010000000200000004000172'
)

test('request headers have the bytes that Kafka writes', () => {
  const encode = (clientId: string | null, apiVersion: number, flexible: boolean): string => {
    const writer = new Writer()
    encodeRequestHeader(writer, { apiKey: 1, apiVersion, correlationId: 77, clientId }, flexible)
    return Buffer.concat(writer.finish()).toString('hex')
  }
  assert.equal(encode('é', 12, true), '0001000c0000004d0002c3a900')
  assert.equal(encode(null, 4, false), '000100040000004dffff')
})
