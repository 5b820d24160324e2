import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { ErrorCode } from '../../wire/error-codes.ts'
import { AlterClientQuotasRequest, AlterClientQuotasResponse } from '../../wire/messages/alter-client-quotas.ts'
import { CreatePartitionsRequest, CreatePartitionsResponse } from '../../wire/messages/create-partitions.ts'
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../../wire/messages/delete-topics.ts'
import {
  DescribeClientQuotasRequest,
  DescribeClientQuotasResponse
} from '../../wire/messages/describe-client-quotas.ts'
import { ListOffsetsRequest, ListOffsetsResponse } from '../../wire/messages/list-offsets.ts'
import { MetadataRequest, MetadataResponse } from '../../wire/messages/metadata.ts'
import {
  BrokerFixture,
  batch,
  CREATE_TOPICS,
  FETCH,
  fetched,
  fetchRequest,
  PRODUCE,
  pair,
  produceRequest
} from '../broker-fixture.ts'

const ALTER = pair(AlterClientQuotasRequest, AlterClientQuotasResponse)
const DESCRIBE = pair(DescribeClientQuotasRequest, DescribeClientQuotasResponse)
const CREATE_PARTITIONS = pair(CreatePartitionsRequest, CreatePartitionsResponse)
const DELETE_TOPICS = pair(DeleteTopicsRequest, DeleteTopicsResponse)
const METADATA = pair(MetadataRequest, MetadataResponse)
const LIST_OFFSETS = pair(ListOffsetsRequest, ListOffsetsResponse)

type Entity = Record<string, string | null>

describe('client quotas', () => {
  let broker: BrokerFixture
  beforeEach(async () => {
    broker = await BrokerFixture.start()
  })
  afterEach(() => broker.close())

  const alter = async (
    changes: (readonly [Entity, Record<string, number | null>])[],
    version = 1,
    validateOnly = false
  ) => {
    const entries = changes.map(([entity, values]) => ({
      entity: Object.entries(entity).map(([entityType, entityName]) => ({ entityType, entityName })),
      ops: Object.entries(values).map(([key, value]) => ({ key, value: value ?? 0, remove: value === null }))
    }))
    const answer = await broker.call(ALTER, version, { entries, validateOnly })
    return answer.entries.map(({ errorCode }) => errorCode)
  }
  const shown = async (components: [string, number, string | null][] = [], strict = false, version = 1) => {
    const answer = await broker.call(DESCRIBE, version, {
      components: components.map(([entityType, matchType, match]) => ({ entityType, matchType, match })),
      strict
    })
    const entries = (answer.entries ?? []).map(({ entity, values }) => [
      Object.fromEntries(entity.map(({ entityType, entityName }) => [entityType, entityName])),
      Object.fromEntries(values.map(({ key, value }) => [key, value]))
    ])
    return { errorCode: answer.errorCode, none: answer.entries === null, entries }
  }

  describe('setting and showing', () => {
    it('what is set is shown in every version, survives a crash, and can be removed', async () => {
      const both = { 'client-id': null, user: 'ann' }
      assert.deepEqual(await alter([[both, { producer_byte_rate: 1024, request_percentage: 12.5 }]], 0), [0])
      assert.deepEqual(await alter([[{ ip: '10.1.1.1' }, { connection_creation_rate: 7 }]], 1), [0])
      await broker.restart()
      for (const version of [0, 1]) {
        const { entries } = await shown([], false, version)
        assert.deepEqual(entries, [
          [both, { producer_byte_rate: 1024, request_percentage: 12.5 }],
          [{ ip: '10.1.1.1' }, { connection_creation_rate: 7 }]
        ])
      }
      assert.deepEqual(await alter([[both, { producer_byte_rate: null, request_percentage: null }]]), [0])
      assert.deepEqual((await shown()).entries, [[{ ip: '10.1.1.1' }, { connection_creation_rate: 7 }]])
    })

    it('a bad entity or value is refused and leaves the others alone', async () => {
      const codes = await alter([
        [{ user: 'ann' }, { producer_byte_rate: 5 }],
        [{ user: 'bob' }, { producer_byte_rate: 5, nonsense: 1 }],
        [{ group: 'g' }, { producer_byte_rate: 5 }],
        [{}, { producer_byte_rate: 5 }]
      ])
      assert.deepEqual(codes, [0, ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_REQUEST])
      assert.deepEqual((await shown()).entries, [[{ user: 'ann' }, { producer_byte_rate: 5 }]])
    })

    it('an entity or a key that comes twice is refused', async () => {
      const ann: [Entity, Record<string, number>] = [{ user: 'ann' }, { producer_byte_rate: 5 }]
      assert.deepEqual(await alter([ann, ann]), [ErrorCode.INVALID_REQUEST])
      const op = { key: 'producer_byte_rate', value: 1, remove: false }
      const part = { entityType: 'user', entityName: 'ann' }
      const twice = [
        { entity: [part], ops: [op, op] },
        { entity: [part, part, { entityType: 'client-id', entityName: 'c' }], ops: [op] }
      ]
      const { entries } = await broker.call(ALTER, 1, { entries: twice, validateOnly: false })
      assert.deepEqual(
        entries.map(({ errorCode }) => errorCode),
        [ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_REQUEST]
      )
      assert.deepEqual((await shown()).entries, [])
    })

    it('a validation changes nothing', async () => {
      assert.deepEqual(await alter([[{ user: 'ann' }, { producer_byte_rate: 5 }]], 1, true), [0])
      assert.deepEqual((await shown()).entries, [])
    })

    it('a filter chooses by name, default or type; a bad one is an error without entries', async () => {
      await alter([
        [{ user: 'ann' }, { producer_byte_rate: 1 }],
        [{ user: null }, { producer_byte_rate: 2 }],
        [{ user: 'ann', 'client-id': 'c' }, { producer_byte_rate: 3 }]
      ])
      const values = async (...request: Parameters<typeof shown>) =>
        (await shown(...request)).entries.map(([, its]) => its?.producer_byte_rate)
      assert.deepEqual(await values([['user', 0, 'ann']]), [1, 3])
      assert.deepEqual(await values([['user', 0, 'ann']], true), [1])
      assert.deepEqual(await values([['user', 1, null]]), [2])
      assert.deepEqual(await values([['user', 2, null]]), [1, 2, 3])
      assert.deepEqual(await values([['client-id', 2, null]]), [3])
      const bad = await shown([['group', 0, 'g']])
      assert.deepEqual([bad.errorCode, bad.none], [ErrorCode.UNSUPPORTED_VERSION, true])
      assert.equal((await shown([['user', 9, null]])).errorCode, ErrorCode.INVALID_REQUEST)
    })
  })

  const limitEverybody = (values: Record<string, number>) => alter([[{ 'client-id': null }, values]])
  const produced = (bytes: number) =>
    broker.call(PRODUCE, 9, produceRequest('t', batch(1, { valueBytes: bytes }))).then((a) => a.throttleTimeMs)
  const fetch = (offset = 0, options: Parameters<typeof fetchRequest>[2] = {}) =>
    broker.call(FETCH, 11, fetchRequest('t', [{ partition: 0, fetchOffset: offset }], options))

  describe('enforcement', () => {
    beforeEach(() => broker.createTopic('t'))

    it('without any quota nothing is throttled', async () => {
      assert.equal(await produced(100_000), 0)
      assert.equal((await fetch()).throttleTimeMs, 0)
      assert.deepEqual(broker.muted, [])
    })

    it('a producer above its rate is told to wait, its connection is not read, and its records are stored', async () => {
      await limitEverybody({ producer_byte_rate: 1000 })
      assert.equal(await produced(9000), 0, 'ten seconds of quota are free at the start')
      const waitMs = await produced(9000)
      // 18 000 bytes and a little more, where 10 000 are free: 8000 bytes at 1000 a second.
      assert.ok(waitMs > 8000 && waitMs < 8500, `${waitMs} ms`)
      assert.deepEqual(broker.muted, [waitMs])
      assert.equal(broker.partition('t').highWatermark, 2)
    })

    it('acks=0 gets no answer, and is muted all the same', async () => {
      await limitEverybody({ producer_byte_rate: 100 })
      const request = produceRequest('t', batch(1, { valueBytes: 5000 }), 0, 0)
      await assert.rejects(broker.call(PRODUCE, 9, request), /gets an answer/)
      assert.equal(broker.muted.length, 1)
    })

    it('a fetch above the rate is answered without data, and gets it when its time has come', async () => {
      for (let i = 0; i < 4; i++) assert.equal(await produced(4000), 0)
      await limitEverybody({ consumer_byte_rate: 1000 })
      const first = await fetch(0, { maxBytes: 8200 })
      assert.deepEqual([fetched(first)?.batches, first.throttleTimeMs], [[0, 1], 0])
      const second = await fetch(2)
      assert.deepEqual([second.responses, second.errorCode, second.sessionId], [[], 0, 0])
      assert.ok(second.throttleTimeMs > 5000, `${second.throttleTimeMs} ms`)
      assert.deepEqual(broker.muted, [second.throttleTimeMs])
      await broker.clock.advance(12_000)
      const third = await fetch(2)
      assert.deepEqual([fetched(third)?.batches, third.throttleTimeMs], [[2, 3], 0])
    })

    it('a fetch asks for no more than its client could be sent at once', async () => {
      for (let i = 0; i < 4; i++) await produced(4000)
      await limitEverybody({ consumer_byte_rate: 500 })
      const answer = await fetch()
      assert.deepEqual([fetched(answer)?.batches, answer.throttleTimeMs], [[0], 0])
    })

    it('a batch larger than all that the quota allows is sent when nothing was, and waited for afterwards', async () => {
      await produced(50_000)
      await limitEverybody({ consumer_byte_rate: 1000 })
      const answer = await fetch()
      assert.deepEqual(fetched(answer)?.batches, [0])
      assert.ok(answer.throttleTimeMs > 40_000)
      assert.deepEqual((await fetch()).responses, [])
    })

    it('a throttled fetch that would begin a session begins none, and one in a session misses nothing', async () => {
      await produced(4000)
      await limitEverybody({ consumer_byte_rate: 500 })
      const begun = await fetch(0, { sessionId: 0, sessionEpoch: 0 })
      assert.ok(begun.sessionId > 0)
      assert.equal(broker.sessions.size, 1)
      assert.deepEqual((await fetch(0, { sessionId: 0, sessionEpoch: 0 })).sessionId, 0)
      assert.equal(broker.sessions.size, 1)
      const incremental = (epoch: number, offset: number) =>
        fetch(offset, { sessionId: begun.sessionId, sessionEpoch: epoch })
      await produced(10)
      const muted = await incremental(1, 0)
      assert.deepEqual([muted.responses, muted.sessionId], [[], begun.sessionId])
      await broker.clock.advance(12_000)
      const told = await incremental(2, 2)
      assert.equal(fetched(told)?.highWatermark, 2, 'the high watermark that was not told is news')
    })

    it('a user shares one allowance over its clients', async () => {
      await alter([[{ user: 'ANONYMOUS' }, { producer_byte_rate: 1000 }]])
      await produced(9000)
      assert.ok((await produced(9000)) > 0)
      broker.peer.principal = 'somebody else'
      assert.equal(await produced(9000), 0)
    })

    it('a quota that is removed holds nobody any more', async () => {
      await limitEverybody({ producer_byte_rate: 100 })
      await produced(9000)
      await limitEverybody({ producer_byte_rate: 1_000_000 })
      assert.equal(await produced(9000), 0)
    })

    it('a client whose requests keep the broker busy waits, a second at most', async () => {
      await limitEverybody({ request_percentage: 0.000_001 })
      // Virtual time stands still while a request is done: one that takes time has to move it.
      const { monotonic } = broker.clock
      let now = broker.clock.monotonic()
      broker.clock.monotonic = () => (now += 5)
      try {
        const topics = [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: -1 }] }]
        const answer = await broker.call(LIST_OFFSETS, 5, { replicaId: -1, isolationLevel: 0, topics })
        assert.equal(answer.throttleTimeMs, 1000)
        assert.deepEqual(broker.muted, [1000])
      } finally {
        broker.clock.monotonic = monotonic
      }
    })
  })

  describe('changes of topics', () => {
    const create = async (name: string, numPartitions: number, version = 7) => {
      const topic = { name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }
      const answer = await broker.call(CREATE_TOPICS, version, { topics: [topic] })
      return [answer.topics[0]?.errorCode, answer.throttleTimeMs]
    }
    const grow = async (name: string, count: number, version = 3) => {
      const request = { topics: [{ name, count, assignments: null }], timeoutMs: 1000, validateOnly: false }
      const answer = await broker.call(CREATE_PARTITIONS, version, request)
      return [answer.results[0]?.errorCode, answer.throttleTimeMs]
    }
    const remove = async (name: string, version = 6) => {
      const request = { timeoutMs: 1000, ...(version >= 6 ? { topics: [{ name }] } : { topicNames: [name] }) }
      const answer = await broker.call(DELETE_TOPICS, version, request as typeof DELETE_TOPICS.request.input)
      return [answer.responses[0]?.errorCode, answer.throttleTimeMs]
    }
    // Eleven permits are there at the start, the last request may take more, and then there is a debt.
    const useUp = async () => {
      await limitEverybody({ controller_mutation_rate: 1 })
      assert.deepEqual(await create('first', 13), [ErrorCode.NONE, 0])
    }

    it('whoever is in debt is refused by the versions that know the error, until the debt is gone', async () => {
      await useUp()
      const exceeded = [ErrorCode.THROTTLING_QUOTA_EXCEEDED, 2000]
      assert.deepEqual(await create('second', 1), exceeded)
      assert.deepEqual(await grow('first', 14), exceeded)
      assert.deepEqual(await remove('first'), exceeded)
      assert.deepEqual(await remove('first', 5), exceeded)
      assert.deepEqual(broker.muted, [2000, 2000, 2000, 2000])
      assert.equal(broker.topics.get('first')?.partitions.length, 13)
      await broker.clock.advance(2000)
      assert.deepEqual(await remove('first'), [ErrorCode.NONE, 0])
    })

    it('older versions get what they ask for, and wait afterwards', async () => {
      await useUp()
      assert.deepEqual(await create('second', 1, 5), [ErrorCode.NONE, 3000])
      assert.deepEqual(await grow('second', 2, 2), [ErrorCode.NONE, 4000])
      assert.deepEqual(await remove('second', 4), [ErrorCode.NONE, 6000])
    })

    it('a topic that is created because it is named counts, and its client waits', async () => {
      await useUp()
      const answer = await broker.call(METADATA, 8, { topics: [{ name: 'named' }], allowAutoTopicCreation: true })
      assert.deepEqual([answer.topics[0]?.errorCode, answer.throttleTimeMs], [ErrorCode.NONE, 4000])
    })
  })
})
