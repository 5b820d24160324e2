import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ErrorCode } from '../../wire/error-codes.ts'
import {
  BrokerFixture,
  batch,
  FETCH,
  type FetchAnswer,
  fetched,
  fetchRequest,
  PRODUCE,
  produceRequest
} from '../broker-fixture.ts'

const BATCH_BYTES = batch(1).length

/** Whether the promise is settled by now. */
function watched<T>(promise: Promise<T>): { readonly done: () => boolean } {
  let done = false
  void promise.finally(() => {
    done = true
  })
  return { done: () => done }
}

describe('fetch', () => {
  let broker: BrokerFixture
  before(async () => {
    broker = await BrokerFixture.start()
  })
  after(() => broker.close())

  const fetch = (...request: Parameters<typeof fetchRequest>) => broker.call(FETCH, 12, fetchRequest(...request))

  describe('positions', () => {
    it('a fetch inside a batch returns the whole batch', async () => {
      await broker.createTopic('inside')
      await broker.produce('inside', batch(5))
      await broker.produce('inside', batch(5))
      assert.deepEqual(fetched(await fetch('inside', [{ partition: 0, fetchOffset: 3 }]))?.batches, [0, 5])
      assert.deepEqual(fetched(await fetch('inside', [{ partition: 0, fetchOffset: 9 }]))?.batches, [5])
      const end = fetched(await fetch('inside', [{ partition: 0, fetchOffset: 10 }]))
      assert.deepEqual([end?.errorCode, end?.batches, end?.highWatermark], [ErrorCode.NONE, [], 10])
    })

    it('a fetch below the log start, or beyond the end, is OFFSET_OUT_OF_RANGE at once', async () => {
      await broker.createTopic('range')
      await broker.produce('range', batch(5))
      await broker.produce('range', batch(5))
      await broker.run(broker.partition('range').stream.trim(5))
      for (const fetchOffset of [0, 4, 11]) {
        const answer = await fetch('range', [{ partition: 0, fetchOffset }], { maxWaitMs: 60_000 })
        assert.equal(fetched(answer)?.errorCode, ErrorCode.OFFSET_OUT_OF_RANGE, `offset ${fetchOffset}`)
      }
      const inside = fetched(await fetch('range', [{ partition: 0, fetchOffset: 5 }]))
      assert.deepEqual([inside?.batches, inside?.logStartOffset], [[5], 5])
    })

    it('what is not durable is not shown', async () => {
      await broker.createTopic('hidden')
      broker.device.faults.syncMs = 100
      const call = broker.send(PRODUCE, 9, produceRequest('hidden', batch(2)))
      const early = fetched(await fetch('hidden', [{ partition: 0 }]))
      assert.deepEqual([early?.batches, early?.highWatermark], [[], 0])
      await broker.clock.advance(1000)
      broker.device.faults.syncMs = 0
      await call
      assert.equal(fetched(await fetch('hidden', [{ partition: 0 }]))?.highWatermark, 2)
    })

    it('leader epochs of clients are compared with ours', async () => {
      await broker.createTopic('epochs')
      await broker.produce('epochs', batch(1))
      const { leaderEpoch } = broker.partition('epochs')
      const ask = async (currentLeaderEpoch: number) =>
        fetched(await fetch('epochs', [{ partition: 0, currentLeaderEpoch }], { maxWaitMs: 60_000 }))
      assert.equal((await ask(leaderEpoch))?.errorCode, ErrorCode.NONE)
      const stale = await ask(leaderEpoch - 1)
      assert.equal(stale?.errorCode, ErrorCode.FENCED_LEADER_EPOCH)
      assert.deepEqual(stale?.currentLeader, { leaderId: 1, leaderEpoch })
      assert.equal((await ask(leaderEpoch + 1))?.errorCode, ErrorCode.UNKNOWN_LEADER_EPOCH)
    })

    it('a client that read beyond the end of an old epoch is told where it diverged', async () => {
      await broker.createTopic('diverged')
      await broker.produce('diverged', batch(3))
      const old = broker.partition('diverged').leaderEpoch
      await broker.restart()
      await broker.produce('diverged', batch(3))
      const ask = async (fetchOffset: number) =>
        fetched(await fetch('diverged', [{ partition: 0, fetchOffset, lastFetchedEpoch: old }], { maxWaitMs: 60_000 }))
      assert.deepEqual((await ask(5))?.divergingEpoch, { epoch: old, endOffset: 3 })
      assert.deepEqual((await ask(3))?.batches, [3])
      const future = [{ partition: 0, lastFetchedEpoch: old + 9 }]
      assert.equal(fetched(await fetch('diverged', future))?.errorCode, ErrorCode.OFFSET_OUT_OF_RANGE)
    })
  })

  describe('limits', () => {
    before(async () => {
      await broker.createTopic('limits', 3)
      for (let i = 0; i < 4; i++) for (let p = 0; p < 3; p++) await broker.produce('limits', batch(1), p)
    })

    const three = [0, 1, 2].map((partition) => ({ partition }))
    const counts = (answer: FetchAnswer) => [0, 1, 2].map((p) => fetched(answer, p)?.batches.length)

    it('a response holds whole batches up to the limit of the request', async () => {
      assert.deepEqual(counts(await fetch('limits', three, { maxBytes: BATCH_BYTES * 5 })), [4, 1, 0])
      assert.deepEqual(counts(await fetch('limits', three, { maxBytes: BATCH_BYTES * 5 - 1 })), [4, 0, 0])
    })

    it('a partition gives no more than its own limit', async () => {
      const limited = three.map((p) => ({ ...p, partitionMaxBytes: BATCH_BYTES * 2 }))
      assert.deepEqual(counts(await fetch('limits', limited)), [2, 2, 2])
    })

    it('the first batch is given even if it is larger than every limit, and only the first', async () => {
      const tiny = three.map((p) => ({ ...p, partitionMaxBytes: 1 }))
      assert.deepEqual(counts(await fetch('limits', tiny, { maxBytes: 1 })), [1, 0, 0])
      assert.deepEqual(counts(await fetch('limits', tiny)), [1, 0, 0])
      const caughtUp = [{ partition: 0, fetchOffset: 4, partitionMaxBytes: 0 }, ...tiny.slice(1)]
      assert.deepEqual(counts(await fetch('limits', caughtUp, { maxBytes: 0 })), [0, 1, 0])
    })

    it('without a session partitions are read in the order of the request', async () => {
      const reversed = [...three].reverse()
      assert.deepEqual(counts(await fetch('limits', reversed, { maxBytes: BATCH_BYTES * 4 })), [0, 0, 4])
    })
  })

  describe('waiting', () => {
    it('a fetch without data waits and is woken by an append', async () => {
      await broker.createTopic('awake')
      const call = broker.send(FETCH, 12, fetchRequest('awake', [{ partition: 0 }], { maxWaitMs: 500 }))
      const state = watched(call)
      await broker.clock.advance(499)
      assert.equal(state.done(), false)
      await broker.produce('awake', batch(1))
      assert.deepEqual(fetched(await broker.run(call))?.batches, [0])
    })

    it('a fetch that gets nothing answers after max wait and leaves nothing behind', async () => {
      await broker.createTopic('asleep')
      const timers = broker.clock.sleeping
      const call = broker.send(FETCH, 12, fetchRequest('asleep', [{ partition: 0 }], { maxWaitMs: 500 }))
      const state = watched(call)
      await broker.clock.advance(499)
      assert.equal(state.done(), false)
      await broker.clock.advance(1)
      assert.equal(state.done(), true)
      assert.equal(fetched(await call)?.errorCode, ErrorCode.NONE)
      assert.equal(broker.clock.sleeping, timers)
    })

    it('a fetch waits for min bytes over all partitions together', async () => {
      await broker.createTopic('minimum', 2)
      const request = fetchRequest('minimum', [{ partition: 0 }, { partition: 1 }], {
        maxWaitMs: 500,
        minBytes: BATCH_BYTES * 2
      })
      const call = broker.send(FETCH, 12, request)
      const state = watched(call)
      await broker.produce('minimum', batch(1), 1)
      await broker.clock.advance(10)
      assert.equal(state.done(), false)
      await broker.produce('minimum', batch(1), 0)
      const answer = await broker.run(call)
      assert.deepEqual([fetched(answer, 0)?.batches, fetched(answer, 1)?.batches], [[0], [0]])
    })

    it('what is there is given when max wait ends before min bytes are there', async () => {
      await broker.createTopic('little')
      await broker.produce('little', batch(1))
      const call = broker.send(FETCH, 12, fetchRequest('little', [{ partition: 0 }], { maxWaitMs: 50, minBytes: 1e6 }))
      await broker.clock.advance(50)
      assert.deepEqual(fetched(await call)?.batches, [0])
    })

    it('a fetch that asks for no partition does not wait', async () => {
      const answer = await broker.call(FETCH, 12, { maxWaitMs: 60_000, minBytes: 1, maxBytes: 1, topics: [] })
      assert.deepEqual([answer.errorCode, answer.responses], [ErrorCode.NONE, []])
    })

    it('min bytes beyond what a response may hold do not hold it back', async () => {
      await broker.createTopic('more')
      await broker.produce('more', batch(1))
      const limits = { maxWaitMs: 60_000, minBytes: 1e6, maxBytes: 10 }
      assert.deepEqual(fetched(await fetch('more', [{ partition: 0 }], limits))?.batches, [0])
    })

    it('a partition that does not exist ends the wait', async () => {
      await broker.createTopic('single')
      const answer = await fetch('single', [{ partition: 0 }, { partition: 7 }], { maxWaitMs: 60_000 })
      assert.equal(fetched(answer, 7)?.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    })

    it('a topic deleted during the wait ends it', async () => {
      await broker.createTopic('vanishing')
      const topic = broker.topics.get('vanishing')
      assert.ok(topic !== undefined)
      const byName = broker.send(FETCH, 12, fetchRequest('vanishing', [{ partition: 0 }], { maxWaitMs: 60_000 }))
      const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 100 }]
      const topics = [{ topicId: topic.id, partitions }]
      const byId = broker.send(FETCH, 13, { maxWaitMs: 60_000, minBytes: 1, maxBytes: 100, topics })
      await broker.clock.advance(10)
      await broker.run(broker.topics.delete(topic))
      assert.equal(fetched(await broker.run(byName))?.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
      assert.equal(fetched(await broker.run(byId))?.errorCode, ErrorCode.UNKNOWN_TOPIC_ID)
    })

    it('the id of a deleted topic does not reach the topic that has its name now', async () => {
      await broker.createTopic('again')
      const old = broker.topics.get('again')
      assert.ok(old !== undefined)
      await broker.run(broker.topics.delete(old))
      await broker.createTopic('again')
      await broker.produce('again', batch(1))
      const topics = [{ topicId: old.id, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 100 }] }]
      const answer = await broker.call(FETCH, 13, { maxWaitMs: 60_000, minBytes: 1, maxBytes: 100, topics })
      assert.equal(fetched(answer)?.errorCode, ErrorCode.UNKNOWN_TOPIC_ID)
      assert.deepEqual(fetched(await fetch('again', [{ partition: 0 }]))?.batches, [0])
    })

    it('a client that leaves ends its wait', async () => {
      await broker.createTopic('left')
      const call = broker.send(FETCH, 12, fetchRequest('left', [{ partition: 0 }], { maxWaitMs: 60_000 }))
      await broker.clock.advance(10)
      broker.disconnect()
      await broker.run(call)
    })

    it('a wake-up reads only the partitions that moved', async () => {
      const partitions = 300
      await broker.createTopic('wide', partitions)
      const all = Array.from({ length: partitions }, (_, partition) => ({ partition }))
      let reads = 0
      for (const { stream } of broker.topics.partitions('wide')) {
        const read = stream.read.bind(stream)
        stream.read = (...args) => {
          reads++
          return read(...args)
        }
      }
      const limits = { maxWaitMs: 60_000, minBytes: BATCH_BYTES * 3 }
      const call = broker.send(FETCH, 12, fetchRequest('wide', all, limits))
      await broker.clock.advance(1)
      assert.equal(reads, partitions)
      for (const index of [17, 203, 17]) await broker.produce('wide', batch(1), index)
      const answer = await broker.run(call)
      assert.deepEqual([fetched(answer, 17)?.batches, fetched(answer, 203)?.batches], [[0, 1], [0]])
      assert.ok(reads <= partitions + 3, `${reads} reads`)
    })
  })

  it('data in objects is served like data in memory', async () => {
    const cold = await BrokerFixture.start({ logCacheBytes: 1 })
    await cold.createTopic('cold', 2)
    for (let i = 0; i < 5; i++) await cold.produce('cold', batch(2), i % 2)
    await cold.upload()
    await cold.produce('cold', batch(2), 0)
    const answer = await cold.call(
      FETCH,
      12,
      fetchRequest('cold', [{ partition: 0, fetchOffset: 1 }, { partition: 1 }])
    )
    assert.deepEqual(
      [fetched(answer, 0)?.batches, fetched(answer, 1)?.batches],
      [
        [0, 2, 4],
        [0, 2]
      ]
    )
    const tail = await cold.call(FETCH, 12, fetchRequest('cold', [{ partition: 0, fetchOffset: 6 }]))
    assert.deepEqual(fetched(tail, 0)?.batches, [6])
    cold.store.faults.outage = true
    await cold.restart()
    const without = await cold.call(
      FETCH,
      12,
      fetchRequest('cold', [{ partition: 0 }, { partition: 1, fetchOffset: 4 }])
    )
    assert.equal(fetched(without, 0)?.errorCode, ErrorCode.KAFKA_STORAGE_ERROR)
    assert.equal(fetched(without, 1)?.errorCode, ErrorCode.NONE, 'the other partitions are not touched')
    cold.store.faults.outage = false
    await cold.close()
  })

  describe('sessions', () => {
    const incremental = (
      sessionId: number,
      sessionEpoch: number,
      topics: FetchRequestTopics = [],
      maxBytes = 1 << 20
    ) => broker.call(FETCH, 12, { maxWaitMs: 0, minBytes: 1, maxBytes, sessionId, sessionEpoch, topics })
    type FetchRequestTopics = ReturnType<typeof fetchRequest>['topics']

    it('partitions late in a fetch request are not starved: who was served goes to the end', async () => {
      await broker.createTopic('fair', 4)
      for (let p = 0; p < 4; p++) for (let i = 0; i < 4; i++) await broker.produce('fair', batch(1), p)
      const all = [0, 1, 2, 3].map((partition) => ({ partition, partitionMaxBytes: BATCH_BYTES }))
      const first = await fetch('fair', all, { sessionId: 0, sessionEpoch: 0, maxBytes: BATCH_BYTES })
      const served = [0, 1, 2, 3].filter((p) => (fetched(first, p)?.batches.length ?? 0) > 0)
      for (let epoch = 1; epoch < 4; epoch++) {
        const answer = await incremental(first.sessionId, epoch, [], BATCH_BYTES)
        for (const p of [0, 1, 2, 3]) if ((fetched(answer, p)?.batches.length ?? 0) > 0) served.push(p)
      }
      assert.deepEqual(served, [0, 1, 2, 3])
    })

    it('an incremental response leaves out partitions without news', async () => {
      await broker.createTopic('news', 2)
      const first = await fetch('news', [{ partition: 0 }, { partition: 1 }], { sessionId: 0, sessionEpoch: 0 })
      assert.notEqual(first.sessionId, 0)
      const { sessionId } = first
      assert.deepEqual((await incremental(sessionId, 1)).responses, [])
      await broker.produce('news', batch(1), 1)
      const second = await incremental(sessionId, 2)
      assert.deepEqual([fetched(second, 0), fetched(second, 1)?.batches], [undefined, [0]])
    })

    it('wrong epochs and unknown sessions are refused, and the session survives a wrong epoch', async () => {
      await broker.createTopic('strict')
      const { sessionId } = await fetch('strict', [{ partition: 0 }], { sessionId: 0, sessionEpoch: 0 })
      assert.equal((await incremental(sessionId, 2)).errorCode, ErrorCode.INVALID_FETCH_SESSION_EPOCH)
      assert.equal((await incremental(sessionId + 1, 1)).errorCode, ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
      assert.equal((await incremental(sessionId, 1)).errorCode, ErrorCode.NONE)
    })

    it('a session of names cannot be continued with ids', async () => {
      await broker.createTopic('named')
      const { sessionId } = await fetch('named', [{ partition: 0 }], { sessionId: 0, sessionEpoch: 0 })
      const request = { maxWaitMs: 0, minBytes: 1, maxBytes: 1, sessionId, sessionEpoch: 1, topics: [] }
      assert.equal((await broker.call(FETCH, 13, request)).errorCode, ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
    })
  })
})
