import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ZERO_UUID } from '../../wire/buffers.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { CoordinatorFixture, context } from './coordinator-fixture.ts'
import { decodeRecord, encodeOffset } from './group-records.ts'

const partition = (partitionIndex: number, committedMetadata: string | null = '') => ({
  partitionIndex,
  committedOffset: 10 + partitionIndex,
  committedLeaderEpoch: -1,
  committedMetadata
})

test('a commit is judged partition by partition', async () => {
  const fixture = new CoordinatorFixture()
  const request = fixture.commitRequest(0, {
    topics: [
      {
        name: 'cars',
        topicId: ZERO_UUID,
        partitions: [partition(0, 'x'.repeat(4_096)), partition(1, 'x'.repeat(4_097)), partition(3)]
      },
      { name: 'trains', topicId: ZERO_UUID, partitions: [partition(0)] }
    ]
  })
  const answer = await fixture.coordinator.offsetCommit(request, context(9))
  assert.deepEqual(
    answer.topics.map((topic) => topic.partitions.map((one) => one.errorCode)),
    [
      [ErrorCode.NONE, ErrorCode.OFFSET_METADATA_TOO_LARGE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
      [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    ]
  )
  assert.equal(await fixture.committed(), 10)
})

test('a group that refuses a commit refuses every partition it was asked about', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.stable()
  const request = fixture.commitRequest(0, {
    topics: [{ name: 'cars', topicId: ZERO_UUID, partitions: [partition(0), partition(9)] }]
  })
  const answer = await fixture.coordinator.offsetCommit(request, context(9))
  assert.deepEqual(
    answer.topics[0]?.partitions.map((one) => one.errorCode),
    [ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
  )
})

test('a commit with a generation to a group that does not exist is refused, by the name its version knows', async () => {
  const fixture = new CoordinatorFixture()
  const late = { memberId: 'm', generationIdOrMemberEpoch: 3 }
  assert.equal(await fixture.commit(1, late, 9), ErrorCode.GROUP_ID_NOT_FOUND)
  assert.equal(await fixture.commit(1, late, 8), ErrorCode.ILLEGAL_GENERATION)
})

test('a commit keeps the member alive', async () => {
  const fixture = new CoordinatorFixture()
  const memberId = await fixture.stable()
  for (let i = 0; i < 5; i++) {
    await fixture.clock.advance(9_000)
    assert.equal(await fixture.commit(i, { memberId, generationIdOrMemberEpoch: 1 }), ErrorCode.NONE)
  }
})

test('from v10 on topics are named by id, in commit and fetch', async () => {
  const fixture = new CoordinatorFixture()
  const topicId = fixture.topics.topicId('cars') ?? ''
  const unknownId = 'unknownAAAAAAAAAAAAAAA'
  const topics = [topicId, unknownId].map((id) => ({ name: '', topicId: id, partitions: [partition(0)] }))
  const commit = await fixture.coordinator.offsetCommit(fixture.commitRequest(0, { topics }), context(10))
  assert.deepEqual(
    commit.topics.map((topic) => [topic.topicId, topic.partitions[0]?.errorCode]),
    [
      [topicId, ErrorCode.NONE],
      [unknownId, ErrorCode.UNKNOWN_TOPIC_ID]
    ]
  )
  const wanted = [topicId, unknownId].map((id) => ({ name: '', topicId: id, partitionIndexes: [0] }))
  const fetched = await fixture.coordinator.offsetFetch(fixture.fetchRequest({ topics: wanted }), context(10))
  assert.deepEqual(
    fetched.groups[0]?.topics.map((topic) => [topic.partitions[0]?.committedOffset, topic.partitions[0]?.errorCode]),
    [
      [10, ErrorCode.NONE],
      [-1, ErrorCode.UNKNOWN_TOPIC_ID]
    ]
  )
  const all = await fixture.coordinator.offsetFetch(fixture.fetchRequest({ topics: null }), context(10))
  assert.equal(all.groups[0]?.topics[0]?.topicId, topicId)
})

test('a fetch gives offset, leader epoch and metadata, and says of the rest that there is none', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.commit(33)
  const topics = [{ name: 'cars', topicId: ZERO_UUID, partitionIndexes: [0, 1] }]
  const answer = await fixture.coordinator.offsetFetch(fixture.fetchRequest({ topics }), context(8))
  assert.deepEqual(answer.groups[0]?.topics[0]?.partitions, [
    { partitionIndex: 0, committedOffset: 33, committedLeaderEpoch: 4, metadata: 'note', errorCode: 0 },
    { partitionIndex: 1, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: 0 }
  ])
})

test('several groups can be asked for at once, each for some topics or all', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.commit(1, { groupId: 'a' })
  await fixture.commit(2, { groupId: 'b' })
  const ask = (groupId: string) => ({ groupId, memberId: null, memberEpoch: -1, topics: null })
  const request = { groupId: '', topics: [], groups: [ask('a'), ask('b'), ask('c')], requireStable: true }
  const { groups } = await fixture.coordinator.offsetFetch(request, context(9))
  assert.deepEqual(
    groups.map((group) => group.topics[0]?.partitions[0]?.committedOffset),
    [1, 2, undefined]
  )
})

test('before v8 the answer stands at the top, and before v2 errors stand at the partitions', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.commit(5)
  const topics = [{ name: 'cars', partitionIndexes: [0] }]
  const fetch = (apiVersion: number, wanted: typeof topics | null) =>
    fixture.coordinator.offsetFetch(
      { groupId: 'fleet', topics: wanted, groups: [], requireStable: false },
      context(apiVersion)
    )
  assert.equal((await fetch(5, topics)).topics[0]?.partitions[0]?.committedOffset, 5)
  assert.equal((await fetch(5, null)).topics[0]?.partitions[0]?.committedOffset, 5)
  fixture.shards.close()
  assert.equal((await fetch(5, topics)).errorCode, ErrorCode.COORDINATOR_NOT_AVAILABLE)
  const oldest = await fetch(1, topics)
  assert.equal(oldest.errorCode, ErrorCode.NONE)
  assert.equal(oldest.topics[0]?.partitions[0]?.errorCode, ErrorCode.COORDINATOR_NOT_AVAILABLE)
})

test('offsets of a topic the group consumes cannot be deleted, others can', async () => {
  const fixture = new CoordinatorFixture()
  const memberId = await fixture.stable()
  const topics = ['cars', 'boats'].map((name) => ({ name, topicId: ZERO_UUID, partitions: [partition(0)] }))
  await fixture.commit(1, { memberId, generationIdOrMemberEpoch: 1, topics })
  const remove = (groupId: string) =>
    fixture.coordinator.offsetDelete({
      groupId,
      topics: ['cars', 'boats', 'trains'].map((name) => ({ name, partitions: [{ partitionIndex: 0 }] }))
    })
  const answer = await remove('fleet')
  assert.deepEqual(
    answer.topics.map((topic) => topic.partitions[0]?.errorCode),
    [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
  )
  fixture.restart()
  const all = await fixture.coordinator.offsetFetch(fixture.fetchRequest({ topics: null }), context(9))
  assert.deepEqual(
    all.groups[0]?.topics.map((topic) => topic.name),
    ['cars']
  )
  assert.equal((await remove('nobody')).errorCode, ErrorCode.GROUP_ID_NOT_FOUND)
})

test('the offsets of a deleted topic are forgotten, in memory and in the log', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.commit(1)
  fixture.restart()
  fixture.topics.ids.delete('cars')
  await fixture.coordinator.forgetTopic('cars')
  assert.equal(await fixture.committed(), -1)
  fixture.restart()
  assert.equal(await fixture.committed(), -1)
})

test('an offset is not mistaken for one of a new topic with the same name', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.commit(1)
  fixture.topics.ids.set('cars', 'carsBAAAAAAAAAAAAAAAAA')
  assert.equal(await fixture.committed(), -1)
  const all = await fixture.coordinator.offsetFetch(fixture.fetchRequest({ topics: null }), context(9))
  assert.deepEqual(all.groups[0]?.topics, [])
  await fixture.commit(2)
  assert.equal(await fixture.committed(), 2)
})

test('offset records round-trip; one with a time to expire takes the version that has room for it', () => {
  const committed = {
    offset: 2 ** 40,
    leaderEpoch: 7,
    metadata: 'm',
    commitTimestamp: 1_700_000_000_000,
    expireTimestamp: -1,
    topicId: 'carsAAAAAAAAAAAAAAAAAA'
  }
  const write = { groupId: 'g', topic: 't', partition: 3, committed }
  const record = encodeOffset(write)
  assert.equal(record.key.toString('hex'), '0001000167000174000000' + '03')
  assert.equal(record.value?.readInt16BE(0), 4)
  assert.deepEqual(decodeRecord(record.key, record.value), { kind: 'offset', write })
  const expiring = encodeOffset({ ...write, committed: { ...committed, expireTimestamp: 5 } })
  assert.equal(expiring.value?.readInt16BE(0), 1)
  const decoded = decodeRecord(expiring.key, expiring.value)
  assert.equal(decoded?.kind === 'offset' && decoded.write.committed?.expireTimestamp, 5)
})
