import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { ErrorCode } from '../../wire/error-codes.ts'
import { parseBatchHeader } from '../../wire/records/batch-header.ts'
import { BrokerFixture, batch } from '../broker-fixture.ts'
import { configureGroup, ShareClient, standing } from './share-client-fixture.ts'

const ACCEPT = [1]
const RELEASE = [2]
const REJECT = [3]
const RENEW = [4]

describe('share fetch', () => {
  let fixture: BrokerFixture
  let one: ShareClient
  let two: ShareClient

  beforeEach(async () => {
    fixture = await BrokerFixture.start()
    await fixture.createTopic('t')
    await configureGroup(fixture, 'g', { 'share.auto.offset.reset': 'earliest' })
    one = new ShareClient(fixture, 'g', 'one')
    two = new ShareClient(fixture, 'g', 'two')
  })
  afterEach(() => fixture.close())

  it('a member has its partitions with its first heartbeat, and records with its first fetch', async () => {
    await fixture.produce('t', batch(3))
    assert.deepEqual(await one.join('t'), ['t-0'])
    const got = await one.fetch('t')
    assert.deepEqual(got.acquired, [[0, 2, 1]])
    assert.deepEqual(got.batches, [0])
  })

  it('no record is held by two members', async () => {
    await fixture.produce('t', batch(3))
    await one.join('t')
    await two.join('t')
    assert.deepEqual((await one.fetch('t')).acquired, [[0, 2, 1]])
    assert.deepEqual((await two.fetch('t')).acquired, [])
    await fixture.produce('t', batch(2))
    assert.deepEqual((await two.fetch('t')).acquired, [[3, 4, 1]])
  })

  it('what is accepted or rejected is not delivered again, what is released is', async () => {
    await fixture.produce('t', batch(3))
    await one.join('t')
    await one.fetch('t')
    assert.equal(
      await one.acknowledge('t', [
        { first: 0, last: 0, types: ACCEPT },
        { first: 1, last: 1, types: RELEASE },
        { first: 2, last: 2, types: REJECT }
      ]),
      0
    )
    assert.deepEqual((await one.fetch('t')).acquired, [[1, 1, 2]])
    assert.deepEqual(await standing(fixture, 'g', 't'), { startOffset: 0, lag: 1 })
  })

  it('a fetch takes acknowledgements along, one type for each offset', async () => {
    await fixture.produce('t', batch(3))
    await one.join('t')
    await one.fetch('t')
    const got = await one.fetch('t', { acknowledge: [{ first: 0, last: 2, types: [1, 2, 1] }] })
    assert.equal(got.acknowledgeErrorCode, 0)
    assert.deepEqual((await one.fetch('t')).acquired.concat(got.acquired), [[1, 1, 2]])
  })

  it('whoever does not hold a record cannot acknowledge it', async () => {
    await fixture.produce('t', batch(3))
    await one.join('t')
    await two.join('t')
    await one.fetch('t')
    await two.fetch('t')
    const all = [{ first: 0, last: 2, types: ACCEPT }]
    assert.equal(await two.acknowledge('t', all), ErrorCode.INVALID_RECORD_STATE)
    assert.equal(await one.acknowledge('t', [{ first: 0, last: 7, types: ACCEPT }]), ErrorCode.INVALID_REQUEST)
    assert.equal(await one.acknowledge('t', [{ first: 2, last: 1, types: ACCEPT }]), ErrorCode.INVALID_REQUEST)
    assert.equal(await one.acknowledge('t', [{ first: 0, last: 2, types: [1, 1] }]), ErrorCode.INVALID_REQUEST)
    assert.equal(await one.acknowledge('t', [{ first: 0, last: 2, types: [5] }]), ErrorCode.INVALID_REQUEST)
    assert.equal(await one.acknowledge('t', all), 0)
    assert.equal(await one.acknowledge('t', all), 0, 'what lies before the start is done with')
  })

  it('a lock runs out, and is renewed', async () => {
    await fixture.produce('t', batch(2))
    await one.join('t')
    await two.join('t')
    await one.fetch('t')
    await fixture.clock.advance(20_000)
    assert.equal(await one.acknowledge('t', [{ first: 1, last: 1, types: RENEW }], true), 0)
    await fixture.clock.advance(10_000)
    assert.deepEqual((await two.fetch('t')).acquired, [[0, 0, 2]])
    await two.heartbeat()
    await fixture.clock.advance(20_000)
    assert.deepEqual((await two.fetch('t')).acquired, [[1, 1, 2]])
  })

  it('a renewal has to be announced, and fetches nothing', async () => {
    await fixture.produce('t', batch(2))
    await one.join('t')
    await one.fetch('t')
    const renewal = [{ first: 0, last: 1, types: RENEW }]
    assert.equal(await one.acknowledge('t', renewal), ErrorCode.INVALID_REQUEST)
    const refused = await fixture.run(one.sendFetch('t', { acknowledge: renewal, isRenewAck: true }))
    assert.equal(refused.errorCode, ErrorCode.INVALID_REQUEST)
    one.sessionEpoch--
    const nothing = { maxBytes: 0, minBytes: 0, maxRecords: 0, maxWaitMs: 0 }
    assert.equal((await one.fetch('t', { acknowledge: renewal, isRenewAck: true, ...nothing })).acknowledgeErrorCode, 0)
    await configureGroup(fixture, 'g', { 'share.renew.acknowledge.enable': 'false' })
    assert.equal(await one.acknowledge('t', renewal, true), ErrorCode.INVALID_RECORD_STATE)
  })

  it('a record that came back as often as it may is archived', async () => {
    await fixture.produce('t', batch(1))
    await one.join('t')
    for (let delivery = 1; delivery <= 5; delivery++) {
      assert.deepEqual((await one.fetch('t')).acquired, [[0, 0, delivery]])
      assert.equal(await one.acknowledge('t', [{ first: 0, last: 0, types: RELEASE }]), 0)
    }
    assert.deepEqual((await one.fetch('t')).acquired, [])
    await fixture.produce('t', batch(1))
    assert.deepEqual((await one.fetch('t')).acquired, [[1, 1, 1]])
  })

  it('a fetch waits for records, and for those that come back', async () => {
    await one.join('t')
    await two.join('t')
    const waiting = one.sendFetch('t', { maxWaitMs: 10_000 })
    await fixture.produce('t', batch(2))
    assert.deepEqual(one.got(await fixture.run(waiting), 't').acquired, [[0, 1, 1]])
    const other = two.sendFetch('t', { maxWaitMs: 10_000 })
    await fixture.clock.advance(100)
    await one.acknowledge('t', [{ first: 0, last: 1, types: RELEASE }])
    assert.deepEqual(two.got(await fixture.run(other), 't').acquired, [[0, 1, 2]])
  })

  it('a fetch without records ends when its time is over', async () => {
    await one.join('t')
    let done = false
    const waiting = one.sendFetch('t', { maxWaitMs: 500 }).finally(() => {
      done = true
    })
    await fixture.clock.advance(499)
    assert.equal(done, false)
    await fixture.clock.advance(1)
    assert.deepEqual(one.got(await waiting, 't').acquired, [])
  })

  it('a fetch waits for as many bytes as it asks for, and then takes what is there', async () => {
    await fixture.produce('t', batch(1, { valueBytes: 100 }))
    await one.join('t')
    const waiting = one.sendFetch('t', { maxWaitMs: 500, minBytes: 100_000 })
    await fixture.clock.advance(499)
    await fixture.produce('t', batch(1, { valueBytes: 100 }))
    await fixture.clock.advance(1)
    assert.deepEqual(one.got(await waiting, 't').acquired, [[0, 1, 1]])
  })

  it('batches are given whole, or records to the number in record-limit mode', async () => {
    for (let i = 0; i < 4; i++) await fixture.produce('t', batch(10))
    await one.join('t')
    const whole = await one.fetch('t', { maxRecords: 12, batchSize: 10 })
    assert.deepEqual(whole.acquired, [
      [0, 9, 1],
      [10, 19, 1]
    ])
    assert.deepEqual(whole.batches, [0, 10])
    const exact = await one.fetch('t', { maxRecords: 3, shareAcquireMode: 1 })
    assert.deepEqual(exact.acquired, [[20, 22, 1]])
    assert.deepEqual(exact.batches, [20])
    assert.deepEqual((await one.fetch('t')).acquired, [[23, 39, 1]])
  })

  it('what is not in flight yet is not given beyond the limit of locks', async () => {
    await configureGroup(fixture, 'g', { 'share.partition.max.record.locks': '100' })
    for (let i = 0; i < 15; i++) await fixture.produce('t', batch(10))
    await one.join('t')
    assert.deepEqual((await one.fetch('t')).acquired, [[0, 99, 1]])
    assert.deepEqual((await one.fetch('t')).acquired, [])
    await one.acknowledge('t', [{ first: 10, last: 19, types: ACCEPT }])
    assert.deepEqual((await one.fetch('t')).acquired, [], 'the start has not moved')
    await one.acknowledge('t', [{ first: 0, last: 9, types: ACCEPT }])
    assert.deepEqual((await one.fetch('t')).acquired, [[100, 119, 1]])
  })

  it('sessions are told by their epochs', async () => {
    await one.join('t')
    const code = async (
      shareSessionEpoch: number,
      acknowledge = [] as { first: number; last: number; types: number[] }[]
    ) => (await fixture.run(one.sendFetch('t', { shareSessionEpoch, acknowledge }))).errorCode
    assert.equal(await code(1), ErrorCode.SHARE_SESSION_NOT_FOUND)
    assert.equal(await code(-1), ErrorCode.SHARE_SESSION_NOT_FOUND)
    assert.equal(await code(0, [{ first: 0, last: 0, types: ACCEPT }]), ErrorCode.INVALID_REQUEST)
    assert.equal(await code(0), 0)
    assert.equal(await code(2), ErrorCode.INVALID_SHARE_SESSION_EPOCH)
    assert.equal(await code(1), 0)
    one.sessionEpoch = 0
    assert.equal(await one.acknowledge('t', []), ErrorCode.INVALID_SHARE_SESSION_EPOCH)
    assert.equal(await code(-1), 0)
    assert.equal(await code(2), ErrorCode.SHARE_SESSION_NOT_FOUND)
  })

  for (const [how, go] of [
    ['closes its session', () => fixture.run(one.sendFetch('t', { shareSessionEpoch: -1 }))],
    ['leaves the group', () => one.leave()],
    ['closes its connection', () => fixture.disconnect()],
    [
      'is not heard of any more',
      async () =>
        fixture.clock
          .advance(20_000)
          .then(() => two.heartbeat())
          .then(() => fixture.clock.advance(25_000))
    ]
  ] as const) {
    it(`what a member holds goes back when it ${how}`, async () => {
      await configureGroup(fixture, 'g', { 'share.record.lock.duration.ms': '60000' })
      await fixture.produce('t', batch(2))
      await one.join('t')
      await two.join('t')
      await one.fetch('t')
      assert.deepEqual((await two.fetch('t')).acquired, [])
      await go()
      await fixture.clock.advance(0)
      if (how === 'closes its connection') two.sessionEpoch = 0
      assert.deepEqual((await two.fetch('t')).acquired, [[0, 1, 2]])
    })
  }

  it('a partition that is not there does not fail its neighbour', async () => {
    await fixture.produce('t', batch(2))
    await one.join('t')
    const topicId = fixture.topics.get('t')?.id ?? ''
    const partitions = [7, 0].map((partitionIndex) => ({ partitionIndex, acknowledgementBatches: [] }))
    const unknown = {
      topicId: 'AQIDBAUGBwgJCgsMDQ4PEA',
      partitions: [{ partitionIndex: 0, acknowledgementBatches: [] }]
    }
    const answer = await fixture.run(one.sendFetch('t', { topics: [unknown, { topicId, partitions }] }))
    const codes = answer.responses.flatMap((topic) => topic.partitions.map((p) => [p.partitionIndex, p.errorCode]))
    assert.deepEqual(codes.sort(), [
      [0, 0],
      [0, ErrorCode.UNKNOWN_TOPIC_ID],
      [7, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    ])
    assert.deepEqual(one.got(answer, 't').acquired, [[0, 1, 1]])
  })

  it('a group begins at the end of the log, at its start, or at an age', async () => {
    const now = fixture.clock.now()
    await fixture.produce('t', batch(3, { timestamps: [now - 90_000, now - 50_000, now] }))
    for (const [reset, start] of [
      ['latest', 3],
      ['earliest', 0],
      ['by_duration:PT60S', 1]
    ] as const) {
      const groupId = `from ${reset}`
      await configureGroup(fixture, groupId, { 'share.auto.offset.reset': reset })
      const member = new ShareClient(fixture, groupId, 'm')
      await member.join('t')
      const { acquired } = await member.fetch('t')
      assert.equal(acquired[0]?.[0] ?? 3, start, reset)
      assert.deepEqual(await standing(fixture, groupId, 't'), { startOffset: start, lag: 3 - start })
    }
  })

  it('what the log has lost is skipped', async () => {
    for (let i = 0; i < 3; i++) await fixture.produce('t', batch(10))
    await one.join('t')
    await one.fetch('t', { maxRecords: 10 })
    await fixture.upload()
    await fixture.run(fixture.partition('t').stream.trim(15))
    assert.deepEqual((await one.fetch('t')).acquired, [[15, 29, 1]])
    assert.equal(await one.acknowledge('t', [{ first: 0, last: 9, types: ACCEPT }]), 0)
  })

  it('after a crash nothing acknowledged is delivered again, and nothing else is lost', async () => {
    for (let i = 0; i < 3; i++) await fixture.produce('t', batch(10))
    await one.join('t')
    await one.fetch('t')
    await one.acknowledge('t', [
      { first: 3, last: 12, types: ACCEPT },
      { first: 20, last: 20, types: RELEASE },
      { first: 21, last: 24, types: REJECT }
    ])
    await fixture.restart()
    const again = new ShareClient(fixture, 'g', 'again')
    await again.join('t')
    const { acquired } = await again.fetch('t')
    assert.deepEqual(acquired, [
      [0, 2, 1],
      [13, 19, 1],
      [20, 20, 2],
      [25, 29, 1]
    ])
  })

  it('where a group begins is remembered before anything is acknowledged', async () => {
    await configureGroup(fixture, 'g', { 'share.auto.offset.reset': 'latest' })
    await fixture.produce('t', batch(5))
    await one.join('t')
    await one.fetch('t')
    await fixture.produce('t', batch(5))
    assert.deepEqual((await one.fetch('t')).acquired, [[5, 9, 1]])
    await fixture.restart()
    await two.join('t')
    assert.deepEqual((await two.fetch('t')).acquired, [[5, 9, 1]])
  })

  it('a group that reads what is committed waits for the end of a transaction, and never sees an aborted one', async () => {
    await configureGroup(fixture, 'g', { 'share.isolation.level': 'read_committed' })
    await fixture.produce('t', batch(2))
    await appendTransaction(fixture, 7, 3)
    await one.join('t')
    assert.deepEqual((await one.fetch('t')).acquired, [[0, 1, 1]])
    assert.deepEqual((await one.fetch('t')).acquired, [])
    await endTransaction(fixture, 7, false)
    await fixture.produce('t', batch(1))
    assert.deepEqual((await one.fetch('t')).acquired, [[6, 6, 1]])
    await one.acknowledge('t', [{ first: 0, last: 1, types: ACCEPT }])
    assert.deepEqual(await standing(fixture, 'g', 't'), { startOffset: 0, lag: 1 })
    await appendTransaction(fixture, 7, 2, 3)
    await endTransaction(fixture, 7, true)
    assert.deepEqual((await one.fetch('t')).acquired, [[7, 8, 1]])
  })

  it('a group that reads everything sees transactions as they are written', async () => {
    await appendTransaction(fixture, 7, 3)
    await one.join('t')
    assert.deepEqual((await one.fetch('t')).acquired, [[0, 2, 1]])
    await endTransaction(fixture, 7, false)
    await fixture.produce('t', batch(1))
    assert.deepEqual((await one.fetch('t')).acquired, [[4, 4, 1]], 'a marker is no record')
  })

  it('what is no longer in memory is read from objects, by one member at a time', async () => {
    const cold = await BrokerFixture.start({ logCacheBytes: 1 })
    await cold.createTopic('t')
    await configureGroup(cold, 'g', { 'share.auto.offset.reset': 'earliest' })
    const members = [new ShareClient(cold, 'g', 'one'), new ShareClient(cold, 'g', 'two')] as const
    for (let i = 0; i < 4; i++) await cold.produce('t', batch(10, { valueBytes: 1_000 }))
    await cold.upload()
    for (const member of members) await member.join('t')
    const both = members.map((member) => member.sendFetch('t', { maxRecords: 10, maxWaitMs: 100, maxBytes: 15_000 }))
    const answers = await cold.run(Promise.all(both))
    const acquired = answers.flatMap((answer, i) => members[i === 0 ? 0 : 1].got(answer, 't').acquired)
    assert.deepEqual(
      [...acquired].sort(([a], [b]) => a - b),
      [
        [0, 9, 1],
        [10, 19, 1]
      ]
    )
    await cold.close()
  })

  it('a topic that is deleted ends the wait for it', async () => {
    await one.join('t')
    await one.fetch('t')
    const waiting = one.sendFetch('t', { maxWaitMs: 10_000 })
    const topic = fixture.topics.get('t')
    assert.ok(topic !== undefined)
    await fixture.clock.advance(10)
    await fixture.run(fixture.topics.delete(topic))
    const answer = await fixture.run(waiting)
    assert.equal(answer.responses[0]?.partitions[0]?.errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER)
  })
})

/** Records of a transaction that nobody has ended yet. */
async function appendTransaction(fixture: BrokerFixture, producerId: number, count: number, baseSequence = 0) {
  const bytes = batch(count, { producerId, producerEpoch: 0, baseSequence, transactional: true })
  const header = parseBatchHeader(bytes, 0)
  const partition = fixture.partition('t')
  const guard = partition.producers.beginVerification(header, false, fixture.clock.now())
  assert.ok(!('errorCode' in guard))
  const appended = partition.append({ header, bytes }, fixture.clock.now(), guard)
  assert.equal(appended.errorCode, 0, appended.errorMessage ?? '')
  await fixture.run(appended.durable ?? Promise.resolve())
}

async function endTransaction(fixture: BrokerFixture, id: number, committed: boolean) {
  const end = { producer: { id, epoch: 0 }, committed, coordinatorEpoch: 0 }
  const appended = fixture.partition('t').appendEnd(end, fixture.clock.now())
  assert.equal(appended.errorCode, 0, appended.errorMessage ?? '')
  await fixture.run(appended.durable ?? Promise.resolve())
}
