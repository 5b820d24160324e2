import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ZERO_UUID } from '../../wire/buffers.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { DescribeClusterRequest, DescribeClusterResponse } from '../../wire/messages/describe-cluster.ts'
import {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse
} from '../../wire/messages/describe-topic-partitions.ts'
import { MetadataRequest, MetadataResponse } from '../../wire/messages/metadata.ts'
import { BrokerFixture, pair } from '../broker-fixture.ts'

const METADATA = pair(MetadataRequest, MetadataResponse)
const DESCRIBE_TOPIC_PARTITIONS = pair(DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse)
const DESCRIBE_CLUSTER = pair(DescribeClusterRequest, DescribeClusterResponse)

describe('metadata', () => {
  let broker: BrokerFixture
  before(async () => {
    broker = await BrokerFixture.start()
    await broker.createTopic('known', 3)
  })
  after(() => broker.close())

  const ask = async (version: number, names: string[], allowAutoTopicCreation = true) => {
    const topics = names.map((name) => ({ name }))
    const { topics: answers } = await broker.call(METADATA, version, { topics, allowAutoTopicCreation })
    return answers
  }

  it('every version from 0 to 13 tells brokers, topics and leaders', async () => {
    for (let version = 0; version <= 13; version++) {
      const answer = await broker.call(METADATA, version, { topics: [{ name: 'known' }] })
      assert.deepEqual(answer.brokers, [{ nodeId: 1, host: 'localhost', port: 9092, rack: null }])
      const [topic] = answer.topics
      assert.equal(topic?.errorCode, ErrorCode.NONE)
      assert.deepEqual(
        topic?.partitions.map((p) => [p.partitionIndex, p.leaderId, p.replicaNodes, p.isrNodes]),
        [0, 1, 2].map((index) => [index, 1, [1], [1]])
      )
      if (version >= 1) assert.equal(answer.controllerId, 1)
      if (version >= 2) assert.equal(answer.clusterId, broker.metadata.clusterId)
      if (version >= 7) assert.equal(topic?.partitions[0]?.leaderEpoch, broker.partition('known').leaderEpoch)
      if (version >= 10) assert.equal(topic?.topicId, broker.topics.get('known')?.id)
    }
  })

  it('no list means all topics, an empty one none, but in version 0, which has no other way, all', async () => {
    const names = async (version: number, topics: [] | null) =>
      (await broker.call(METADATA, version, { topics })).topics.map(({ name }) => name)
    assert.deepEqual(await names(0, []), ['known'])
    assert.deepEqual(await names(1, []), [])
    for (const version of [1, 9, 13]) assert.deepEqual(await names(version, null), ['known'])
  })

  it('a topic is found by its id, and an unknown id is UNKNOWN_TOPIC_ID', async () => {
    const topicId = broker.topics.get('known')?.id ?? ''
    const unknownId = 'nobodynobodynobodynobg'
    for (const version of [12, 13]) {
      const topics = [topicId, unknownId].map((id) => ({ name: null, topicId: id }))
      const answer = await broker.call(METADATA, version, { topics })
      assert.deepEqual(
        answer.topics.map((t) => [t.errorCode, t.name, t.topicId]),
        [
          [ErrorCode.NONE, 'known', topicId],
          [ErrorCode.UNKNOWN_TOPIC_ID, null, unknownId]
        ]
      )
      const both = await broker.call(METADATA, version, { topics: [{ name: 'known', topicId: unknownId }] })
      assert.equal(both.topics[0]?.errorCode, ErrorCode.UNKNOWN_TOPIC_ID, 'an id counts more than a name')
    }
  })

  it('before version 12 a topic cannot be asked for by id: INVALID_REQUEST for every topic of the request', async () => {
    const topicId = broker.topics.get('known')?.id ?? ''
    for (const version of [10, 11]) {
      const topics = [{ name: null, topicId }, { name: 'known' }]
      const answer = await broker.call(METADATA, version, { topics })
      assert.deepEqual(
        answer.topics.map((t) => [t.errorCode, t.name, t.topicId]),
        [
          [ErrorCode.INVALID_REQUEST, '', topicId],
          [ErrorCode.INVALID_REQUEST, 'known', ZERO_UUID]
        ]
      )
      assert.deepEqual(answer.brokers, [])
    }
  })

  it('a topic that is named twice is answered once', async () => {
    assert.deepEqual(
      (await ask(9, ['known', 'nowhere', 'known'], false)).map(({ name }) => name),
      ['known', 'nowhere']
    )
  })

  it('a topic is created when it is first named, if the client allows it', async () => {
    assert.equal((await ask(9, ['later'], false))[0]?.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    const [created] = await ask(9, ['later'])
    assert.deepEqual([created?.errorCode, created?.partitions.length], [ErrorCode.NONE, 2])
    assert.equal(broker.partition('later', 1).highWatermark, 0)
    const old = await ask(3, ['without-a-choice'])
    assert.equal(old[0]?.errorCode, ErrorCode.NONE)
  })

  it('two clients that name a new topic at once get the same topic', async () => {
    const both = await Promise.all([ask(12, ['twice']), ask(12, ['twice'])])
    const ids = both.map(([topic]) => topic?.topicId)
    assert.equal(ids[0], ids[1])
    assert.notEqual(ids[0], ZERO_UUID)
  })

  it('no topic is created under a name that cannot be, that collides, or that is the broker’s own', async () => {
    await ask(9, ['first.second'])
    const answers = await ask(9, ['', 'no/slash', 'first_second', '__consumer_offsets'])
    assert.deepEqual(
      answers.map(({ errorCode }) => errorCode),
      [
        ErrorCode.INVALID_TOPIC_EXCEPTION,
        ErrorCode.INVALID_TOPIC_EXCEPTION,
        ErrorCode.INVALID_TOPIC_EXCEPTION,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      ]
    )
    assert.equal(broker.topics.get('__consumer_offsets'), undefined)
  })

  it('a broker that does not create topics says so', async () => {
    const strict = await BrokerFixture.start({ settings: { autoCreateTopics: false } })
    const { topics } = await strict.call(METADATA, 9, { topics: [{ name: 'misspelt' }] })
    assert.equal(topics[0]?.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    assert.equal(strict.topics.get('misspelt'), undefined)
    await strict.close()
  })
})

describe('describe topic partitions', () => {
  it('gives every partition once, in pages of the size asked for', async () => {
    const broker = await BrokerFixture.start()
    const sizes = { b: 3, a: 1, d: 5, c: 2 }
    for (const [name, partitions] of Object.entries(sizes)) await broker.createTopic(name, partitions)
    const everything = Object.entries(sizes)
      .flatMap(([name, count]) => Array.from({ length: count }, (_, index) => `${name}-${index}`))
      .sort()
    for (let limit = 1; limit <= 12; limit++) {
      const seen: string[] = []
      let cursor: { topicName: string; partitionIndex: number } | null = null
      do {
        const request = { topics: [], responsePartitionLimit: limit, cursor }
        const answer: typeof DescribeTopicPartitionsResponse.output = await broker.call(
          DESCRIBE_TOPIC_PARTITIONS,
          0,
          request
        )
        const page = answer.topics.flatMap((t) => t.partitions.map((p) => `${t.name}-${p.partitionIndex}`))
        assert.ok(page.length <= limit && page.length > 0)
        seen.push(...page)
        cursor = answer.nextCursor
      } while (cursor !== null)
      assert.deepEqual(seen, everything, `pages of ${limit}`)
    }
    await broker.close()
  })

  it('names unknown topics, takes a cursor beyond the end, and refuses one that cannot be', async () => {
    const broker = await BrokerFixture.start()
    await broker.createTopic('known', 2)
    const ask = (partitionIndex: number, names: string[], topicName = 'known') => {
      const topics = names.map((name) => ({ name }))
      const request = { topics, responsePartitionLimit: 10, cursor: { topicName, partitionIndex } }
      return broker.call(DESCRIBE_TOPIC_PARTITIONS, 0, request)
    }
    const { topics } = await ask(0, ['unknown', 'bad name'], 'bad name')
    assert.deepEqual(
      topics.map(({ name, errorCode }) => [name, errorCode]),
      [
        ['bad name', ErrorCode.INVALID_TOPIC_EXCEPTION],
        ['unknown', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
      ]
    )
    for (const [index, left] of [
      [0, 2],
      [1, 1],
      [2, 0],
      [99, 0]
    ] as const) {
      const answer = await ask(index, [])
      assert.equal(answer.topics[0]?.partitions.length, left, `from ${index}`)
      assert.equal(answer.nextCursor, null)
    }
    for (const answer of [await ask(0, ['unknown', 'known'], 'a'), await ask(-5, ['unknown', 'known'])]) {
      assert.deepEqual(
        answer.topics.map(({ name, errorCode }) => [name, errorCode]),
        [
          ['unknown', ErrorCode.INVALID_REQUEST],
          ['known', ErrorCode.INVALID_REQUEST]
        ]
      )
    }
    assert.deepEqual((await ask(-5, [])).topics, [])
    // Not in the list any more, as a topic that was deleted between two pages.
    assert.equal((await ask(3, [], 'deleted')).topics[0]?.name, 'known')
    await broker.close()
  })
})

describe('describe cluster', () => {
  it('tells of this broker, and refuses to speak for controllers', async () => {
    const broker = await BrokerFixture.start({ settings: { rack: 'zone-a' } })
    for (const version of [0, 1, 2]) {
      const answer = await broker.call(DESCRIBE_CLUSTER, version, { includeClusterAuthorizedOperations: true })
      assert.deepEqual([answer.errorCode, answer.controllerId], [ErrorCode.NONE, 1])
      assert.deepEqual([answer.brokers[0]?.rack, answer.brokers[0]?.port], ['zone-a', 9092])
      assert.ok(answer.clusterAuthorizedOperations > 0)
      assert.equal(answer.brokers[0]?.isFenced, false)
    }
    const request = { includeClusterAuthorizedOperations: false, endpointType: 2 }
    const controllers = await broker.call(DESCRIBE_CLUSTER, 1, request)
    assert.equal(controllers.errorCode, ErrorCode.MISMATCHED_ENDPOINT_TYPE)
    assert.deepEqual([controllers.brokers, controllers.controllerId, controllers.clusterId], [[], -1, ''])
    const unknown = await broker.call(DESCRIBE_CLUSTER, 2, { ...request, endpointType: 9 })
    assert.equal(unknown.errorCode, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE)
    await broker.close()
  })
})
