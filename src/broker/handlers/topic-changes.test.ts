import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ZERO_UUID } from '../../wire/buffers.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse } from '../../wire/messages/alter-replica-log-dirs.ts'
import { CreatePartitionsRequest, CreatePartitionsResponse } from '../../wire/messages/create-partitions.ts'
import { DeleteRecordsRequest, DeleteRecordsResponse } from '../../wire/messages/delete-records.ts'
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../../wire/messages/delete-topics.ts'
import { DescribeLogDirsRequest, DescribeLogDirsResponse } from '../../wire/messages/describe-log-dirs.ts'
import { BrokerFixture, batch, CREATE_TOPICS, FETCH, fetched, fetchRequest, pair } from '../broker-fixture.ts'

const ALTER_LOG_DIRS = pair(AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse)
const CREATE_PARTITIONS = pair(CreatePartitionsRequest, CreatePartitionsResponse)
const DELETE_TOPICS = pair(DeleteTopicsRequest, DeleteTopicsResponse)
const DELETE_RECORDS = pair(DeleteRecordsRequest, DeleteRecordsResponse)
const DESCRIBE_LOG_DIRS = pair(DescribeLogDirsRequest, DescribeLogDirsResponse)
const GROUP_TOPIC = '__consumer_offsets'

type NewTopic = Partial<(typeof CREATE_TOPICS.request.input)['topics'][number]> & { name: string }

describe('topic changes', () => {
  let broker: BrokerFixture
  before(async () => {
    broker = await BrokerFixture.start()
    await broker.run(broker.topics.ensure(GROUP_TOPIC, 2, {}, true))
  })
  after(() => broker.close())

  const create = async (version: number, topics: NewTopic[], validateOnly = false) => {
    const all = topics.map((t) => ({ numPartitions: 1, replicationFactor: 1, assignments: [], configs: [], ...t }))
    return (await broker.call(CREATE_TOPICS, version, { topics: all, validateOnly })).topics
  }

  describe('create topics', () => {
    it('every version creates, and says as much as it can', async () => {
      for (let version = 2; version <= 7; version++) {
        const name = `created-${version}`
        const [answer] = await create(version, [{ name, numPartitions: -1, replicationFactor: -1 }])
        assert.equal(answer?.errorCode, ErrorCode.NONE)
        assert.equal(broker.topics.get(name)?.partitions.length, 2, 'the default')
        if (version >= 5) {
          assert.deepEqual([answer?.numPartitions, answer?.replicationFactor], [2, 1])
          assert.ok(answer?.configs?.some((c) => c.name === 'retention.ms' && c.value === '604800000'))
        }
        if (version >= 7) assert.equal(answer?.topicId, broker.topics.get(name)?.id)
      }
    })

    it('what cannot be created is refused, each topic for itself, in every version', async () => {
      const invalid: [NewTopic, number][] = [
        [{ name: 'bad/name' }, ErrorCode.INVALID_TOPIC_EXCEPTION],
        [{ name: '..' }, ErrorCode.INVALID_TOPIC_EXCEPTION],
        [{ name: 'x'.repeat(250) }, ErrorCode.INVALID_TOPIC_EXCEPTION],
        [{ name: 'created_2' }, ErrorCode.NONE],
        [{ name: 'created.2' }, ErrorCode.INVALID_TOPIC_EXCEPTION],
        [{ name: 'created-2' }, ErrorCode.TOPIC_ALREADY_EXISTS],
        [{ name: 'none', numPartitions: 0 }, ErrorCode.INVALID_PARTITIONS],
        [{ name: 'many', numPartitions: 10_001 }, ErrorCode.INVALID_PARTITIONS],
        [{ name: 'unreplicated', replicationFactor: 0 }, ErrorCode.INVALID_REPLICATION_FACTOR],
        [{ name: 'odd', configs: [{ name: 'retention.weeks', value: '1' }] }, ErrorCode.INVALID_CONFIG],
        [{ name: 'odd', configs: [{ name: 'retention.ms', value: 'long' }] }, ErrorCode.INVALID_CONFIG],
        [{ name: 'odd', configs: [{ name: 'retention.ms', value: null }] }, ErrorCode.INVALID_CONFIG],
        [{ name: 'odd', configs: [{ name: '__proto__', value: '1' }] }, ErrorCode.INVALID_CONFIG],
        [
          { name: 'odd', configs: [{ name: 'longhaul.object.store.profile', value: 'mars' }] },
          ErrorCode.INVALID_CONFIG
        ],
        [{ name: 'placed', assignments: [{ partitionIndex: 0, brokerIds: [1] }] }, ErrorCode.INVALID_REQUEST]
      ]
      for (let version = 2; version <= 7; version++) {
        for (const [topic, expected] of invalid) {
          if (topic.name === 'created_2' && version > 2) continue
          const [answer] = await create(version, [topic])
          assert.equal(answer?.errorCode, expected, `${JSON.stringify(topic)} v${version}`)
          if (expected !== ErrorCode.NONE) assert.ok((answer?.errorMessage ?? '').length > 0)
        }
      }
      const mixed = await create(7, [{ name: 'none', numPartitions: 0 }, { name: 'fine' }])
      assert.deepEqual(
        mixed.map(({ errorCode }) => errorCode),
        [ErrorCode.INVALID_PARTITIONS, ErrorCode.NONE]
      )
    })

    it('a manual assignment needs every partition and known brokers', async () => {
      const assign = async (...assignments: [number, number[]][]) => {
        const list = assignments.map(([partitionIndex, brokerIds]) => ({ partitionIndex, brokerIds }))
        const topic = { name: 'assigned', numPartitions: -1, replicationFactor: -1, assignments: list }
        return (await create(7, [topic], true))[0]
      }
      assert.equal((await assign([0, [1]], [2, [1]]))?.errorCode, ErrorCode.INVALID_REPLICA_ASSIGNMENT)
      assert.equal((await assign([0, [2]]))?.errorCode, ErrorCode.INVALID_REPLICA_ASSIGNMENT)
      assert.equal((await assign([0, []]))?.errorCode, ErrorCode.INVALID_REPLICA_ASSIGNMENT)
      const fine = await assign([1, [1]], [0, [1]])
      assert.deepEqual([fine?.errorCode, fine?.numPartitions], [ErrorCode.NONE, 2])
    })

    it('a topic named twice is refused once, and a validation changes nothing', async () => {
      const twice = await create(7, [{ name: 'double' }, { name: 'double' }])
      assert.deepEqual(
        twice.map(({ name, errorCode }) => [name, errorCode]),
        [['double', ErrorCode.INVALID_REQUEST]]
      )
      const [valid] = await create(7, [{ name: 'imagined' }], true)
      assert.deepEqual([valid?.errorCode, valid?.topicId], [ErrorCode.NONE, ZERO_UUID])
      assert.equal(broker.topics.get('imagined'), undefined)
    })

    it('two that create one topic at once: one does, the other is told that it exists', async () => {
      const both = await Promise.all([create(7, [{ name: 'race' }]), create(7, [{ name: 'race' }])])
      const codes = both.map(([answer]) => answer?.errorCode).sort()
      assert.deepEqual(codes, [ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS])
    })
  })

  it('nobody creates the topic of committed offsets but the broker', async () => {
    const other = await BrokerFixture.start()
    const topic = { name: GROUP_TOPIC, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }
    const { topics } = await other.call(CREATE_TOPICS, 7, { topics: [topic] })
    assert.equal(topics[0]?.errorCode, ErrorCode.INVALID_TOPIC_EXCEPTION)
    await other.close()
  })

  describe('create partitions', () => {
    const grow = async (version: number, topics: { name: string; count: number; brokers?: number[][] }[]) => {
      const all = topics.map(({ name, count, brokers }) => ({
        name,
        count,
        assignments: brokers?.map((brokerIds) => ({ brokerIds })) ?? null
      }))
      return (await broker.call(CREATE_PARTITIONS, version, { topics: all, timeoutMs: 1000, validateOnly: false }))
        .results
    }

    it('a topic grows, and its new partitions can be used at once', async () => {
      for (let version = 0; version <= 3; version++) {
        const name = `grown-${version}`
        await broker.createTopic(name, 1)
        await broker.produce(name, batch(1))
        assert.equal((await grow(version, [{ name, count: 3 }]))[0]?.errorCode, ErrorCode.NONE)
        assert.equal((await broker.produce(name, batch(1), 2)).errorCode, ErrorCode.NONE)
        assert.equal((await broker.produce(name, batch(1), 0)).baseOffset, 1, 'the old ones go on')
      }
    })

    it('a topic does not shrink, and errors are told per topic', async () => {
      await broker.createTopic('fixed', 2)
      const one = async (wanted: { name: string; count: number; brokers?: number[][] }) =>
        (await grow(3, [wanted]))[0]?.errorCode
      assert.equal(await one({ name: 'fixed', count: 2 }), ErrorCode.INVALID_PARTITIONS)
      assert.equal(await one({ name: 'fixed', count: 1 }), ErrorCode.INVALID_PARTITIONS)
      assert.equal(await one({ name: 'fixed', count: 10_001 }), ErrorCode.INVALID_PARTITIONS)
      assert.equal(await one({ name: 'nowhere', count: 2 }), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
      assert.equal(await one({ name: 'fixed', count: 3, brokers: [[7]] }), ErrorCode.INVALID_REPLICA_ASSIGNMENT)
      assert.equal(await one({ name: 'fixed', count: 4, brokers: [[1]] }), ErrorCode.INVALID_REPLICA_ASSIGNMENT)
      assert.equal(await one({ name: 'fixed', count: 3, brokers: [[]] }), ErrorCode.INVALID_REPLICA_ASSIGNMENT)
      assert.equal(await one({ name: 'fixed', count: 3, brokers: [[1, 1]] }), ErrorCode.INVALID_REPLICA_ASSIGNMENT)
      const twice = await grow(3, [
        { name: 'fixed', count: 3 },
        { name: 'fixed', count: 4 }
      ])
      assert.deepEqual(
        twice.map(({ errorCode }) => errorCode),
        [ErrorCode.INVALID_REQUEST]
      )
      assert.equal(broker.topics.get('fixed')?.partitions.length, 2)
    })
  })

  describe('delete topics', () => {
    it('every version deletes; from version 6 on by id too', async () => {
      for (let version = 1; version <= 6; version++) {
        const name = `deleted-${version}`
        await broker.createTopic(name)
        const named = version < 6 ? { topicNames: [name] } : { topics: [{ name, topicId: ZERO_UUID }] }
        const { responses } = await broker.call(DELETE_TOPICS, version, { ...named, timeoutMs: 1 })
        assert.deepEqual([responses[0]?.name, responses[0]?.errorCode], [name, ErrorCode.NONE])
        assert.equal((await broker.produce(name, batch(1))).errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
      }
      await broker.createTopic('by-id')
      const topicId = broker.topics.get('by-id')?.id ?? ''
      const { responses } = await broker.call(DELETE_TOPICS, 6, { topics: [{ topicId }], timeoutMs: 1 })
      assert.deepEqual([responses[0]?.name, responses[0]?.errorCode], ['by-id', ErrorCode.NONE])
    })

    it('what cannot be deleted is refused, each topic for itself', async () => {
      await broker.createTopic('kept')
      const topicId = broker.topics.get('kept')?.id ?? ''
      const topics = [
        { name: 'nowhere', topicId: ZERO_UUID },
        { topicId: 'nobodynobodynobodynobg' },
        { name: 'kept', topicId },
        { name: null, topicId: ZERO_UUID },
        { name: GROUP_TOPIC, topicId: ZERO_UUID }
      ]
      const { responses } = await broker.call(DELETE_TOPICS, 6, { topics, timeoutMs: 1 })
      assert.deepEqual(
        responses.map(({ errorCode }) => errorCode),
        [
          ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
          ErrorCode.UNKNOWN_TOPIC_ID,
          ErrorCode.INVALID_REQUEST,
          ErrorCode.INVALID_REQUEST,
          ErrorCode.INVALID_REQUEST
        ]
      )
      const twice = { topicNames: ['kept', 'kept'], timeoutMs: 1 }
      const refused = await broker.call(DELETE_TOPICS, 5, twice)
      assert.deepEqual(
        refused.responses.map(({ errorCode }) => errorCode),
        [ErrorCode.INVALID_REQUEST]
      )
      const twoWays = { topics: [{ name: 'kept', topicId: ZERO_UUID }, { topicId }], timeoutMs: 1 }
      const { responses: neither } = await broker.call(DELETE_TOPICS, 6, twoWays)
      assert.deepEqual(
        neither.map(({ errorCode }) => errorCode),
        [ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_REQUEST]
      )
      assert.notEqual(broker.topics.get('kept'), undefined)
    })

    it('a topic deleted and created again is empty, whatever was under way', async () => {
      await broker.createTopic('phoenix', 1, { 'retention.ms': '5' })
      await broker.produce('phoenix', batch(4))
      const topic = broker.topics.get('phoenix')
      assert.ok(topic !== undefined)
      const { topics } = broker
      const changes = Promise.allSettled([
        topics.configure(topic, { 'retention.ms': '6' }),
        topics.grow(topic, 3),
        topics.delete(topic),
        topics.create('phoenix', 2, {}),
        topics.grow(topic, 5),
        topics.configure(topic, { 'retention.ms': '7' }),
        topics.delete(topic)
      ])
      const outcomes = (await broker.run(changes)).map(({ status }) => status)
      const [done, refused] = ['fulfilled', 'rejected']
      assert.deepEqual(outcomes, [done, done, done, done, refused, refused, refused])
      assert.equal(topics.partitions('phoenix').length, 2)
      assert.equal(topics.settings('phoenix')?.retentionMs, 604_800_000)
      const answer = await broker.call(FETCH, 12, fetchRequest('phoenix', [{ partition: 0 }]))
      assert.deepEqual([fetched(answer)?.highWatermark, fetched(answer)?.batches], [0, []])
      assert.equal((await broker.produce('phoenix', batch(1))).baseOffset, 0)
    })
  })

  describe('delete records', () => {
    const remove = async (name: string, offset: number, version = 2, partitionIndex = 0) => {
      const topics = [{ name, partitions: [{ partitionIndex, offset }] }]
      const answer = await broker.call(DELETE_RECORDS, version, { topics, timeoutMs: 1000 })
      return [answer.topics[0]?.partitions[0]?.errorCode, answer.topics[0]?.partitions[0]?.lowWatermark]
    }

    it('moves the log start forward, never back, and that survives a crash', async () => {
      await broker.createTopic('cut')
      for (let i = 0; i < 5; i++) await broker.produce('cut', batch(2))
      for (let version = 0; version <= 2; version++) {
        assert.deepEqual(await remove('cut', version + 1, version), [ErrorCode.NONE, version + 1])
      }
      assert.deepEqual(await remove('cut', 1), [ErrorCode.NONE, 3])
      assert.deepEqual(await remove('cut', 11), [ErrorCode.OFFSET_OUT_OF_RANGE, -1])
      assert.deepEqual(await remove('cut', -2), [ErrorCode.OFFSET_OUT_OF_RANGE, -1])
      await broker.restart()
      assert.equal(broker.partition('cut').startOffset, 3)
      assert.deepEqual(await remove('cut', -1), [ErrorCode.NONE, 10], '-1 means the end')
      assert.equal((await broker.produce('cut', batch(1))).baseOffset, 10)
    })

    it('what does not exist or belongs to the broker is refused', async () => {
      assert.deepEqual(await remove('nowhere', 0), [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1])
      assert.deepEqual(await remove('cut', 0, 2, 9), [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1])
      assert.deepEqual(await remove(GROUP_TOPIC, 0), [ErrorCode.INVALID_TOPIC_EXCEPTION, -1])
    })

    it('a topic that is only compacted keeps the last of each key: POLICY_VIOLATION', async () => {
      await broker.createTopic('only-compacted', 1, { 'cleanup.policy': 'compact' })
      await broker.createTopic('compacted-too', 1, { 'cleanup.policy': 'compact,delete' })
      assert.deepEqual(await remove('only-compacted', 0), [ErrorCode.POLICY_VIOLATION, -1])
      assert.deepEqual(await remove('compacted-too', 0), [ErrorCode.NONE, 0])
    })
  })

  it('describe log dirs tells the bytes of each partition, before and after the upload', async () => {
    await broker.createTopic('measured', 2)
    const records = batch(3)
    await broker.produce('measured', Buffer.from(records), 1)
    const sizes = async (version: number, topics: { topic: string; partitions: number[] }[] | null) => {
      const { results } = await broker.call(DESCRIBE_LOG_DIRS, version, { topics })
      assert.equal(results[0]?.logDir, 'memory:')
      const found = results[0]?.topics.find(({ name }) => name === 'measured')
      return found?.partitions.map((p) => [p.partitionIndex, p.partitionSize])
    }
    const expected = [
      [0, 0],
      [1, records.length]
    ]
    for (let version = 1; version <= 5; version++) assert.deepEqual(await sizes(version, null), expected)
    await broker.upload()
    assert.deepEqual(await sizes(4, null), expected)
    const some = [
      { topic: 'measured', partitions: [1, 9] },
      { topic: 'nowhere', partitions: [0] }
    ]
    assert.deepEqual(await sizes(4, some), [[1, records.length]])
  })

  it('partitions move to the one log directory, and to no other', async () => {
    await broker.createTopic('housed', 2)
    const dirs = [
      { path: 'memory:', topics: [{ name: 'housed', partitions: [1, 2] }] },
      {
        path: '/elsewhere',
        topics: [
          { name: 'housed', partitions: [0] },
          { name: 'nowhere', partitions: [0] }
        ]
      }
    ]
    for (let version = 1; version <= 2; version++) {
      const { results } = await broker.call(ALTER_LOG_DIRS, version, { dirs })
      assert.deepEqual(
        results.map(({ topicName, partitions }) => [topicName, partitions.map((p) => [p.partitionIndex, p.errorCode])]),
        [
          [
            'housed',
            [
              [1, ErrorCode.NONE],
              [2, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
              [0, ErrorCode.LOG_DIR_NOT_FOUND]
            ]
          ],
          ['nowhere', [[0, ErrorCode.LOG_DIR_NOT_FOUND]]]
        ]
      )
    }
  })
})
