import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ZERO_UUID } from '../../wire/buffers.ts'
import { CoordinatorFixture, context } from './coordinator-fixture.ts'

const day = 24 * 3_600_000
const settings = { offsetsRetentionMs: 7 * day, offsetsRetentionCheckMs: 600_000 }

async function committedTopics(fixture: CoordinatorFixture): Promise<string[] | undefined> {
  const answer = await fixture.coordinator.offsetFetch(fixture.fetchRequest({ topics: null }), context(9))
  return answer.groups[0]?.topics.map((topic) => topic.name).sort()
}

const partitions = [{ partitionIndex: 0, committedOffset: 1, committedLeaderEpoch: -1, committedMetadata: '' }]
const both = ['cars', 'boats'].map((name) => ({ name, topicId: ZERO_UUID, partitions }))

test("a simple consumer's offsets expire a week after each commit, and with the last the group", async () => {
  const fixture = new CoordinatorFixture(settings)
  await fixture.commit(1)
  await fixture.clock.advance(3 * day)
  await fixture.commit(2, { topics: both.slice(1) })
  await fixture.clock.advance(4 * day - 1)
  assert.deepEqual(await committedTopics(fixture), ['boats', 'cars'])
  await fixture.clock.advance(settings.offsetsRetentionCheckMs)
  assert.deepEqual(await committedTopics(fixture), ['boats'])
  assert.equal(await fixture.listed(), 'classic Empty')
  await fixture.clock.advance(3 * day)
  assert.equal(await fixture.listed(), undefined)
  fixture.restart()
  assert.deepEqual(await committedTopics(fixture), [])
  assert.equal(await fixture.listed(), undefined, 'the tombstones are in the log')
})

test('offsets of a group with members stay for the topics that it reads, and expire for others', async () => {
  const fixture = new CoordinatorFixture(settings)
  const memberId = await fixture.stable({ sessionTimeoutMs: 1_800_000 })
  await fixture.commit(1, { memberId, generationIdOrMemberEpoch: 1, topics: both })
  for (let i = 0; i < 7 * 48 + 1; i++) {
    await fixture.clock.advance(1_799_000)
    await fixture.heartbeat(memberId, 1)
  }
  assert.deepEqual(await committedTopics(fixture), ['cars'])
})

test('the retention of a group that had members begins when the last one has left', async () => {
  const fixture = new CoordinatorFixture(settings)
  const memberId = await fixture.stable({ sessionTimeoutMs: 1_800_000 })
  await fixture.commit(1, { memberId, generationIdOrMemberEpoch: 1 })
  await fixture.clock.advance(1_800_000)
  assert.equal(await fixture.listed(), 'classic Empty')
  await fixture.clock.advance(7 * day - 700_000)
  assert.deepEqual(await committedTopics(fixture), ['cars'])
  await fixture.clock.advance(1_400_000)
  assert.deepEqual(await committedTopics(fixture), [])
  assert.equal(await fixture.listed(), undefined)
})

test('a consumer group of the newer protocol expires by its commits once it is empty', async () => {
  const fixture = new CoordinatorFixture(settings)
  await fixture.consumerHeartbeat({ memberId: 'a' })
  await fixture.commit(1, { memberId: 'a', generationIdOrMemberEpoch: 2 })
  await fixture.consumerHeartbeat({ memberId: 'a', memberEpoch: -1 })
  await fixture.clock.advance(7 * day - 1)
  assert.equal(await fixture.listed(), 'consumer Empty')
  await fixture.clock.advance(600_000)
  assert.equal(await fixture.listed(), undefined)
  fixture.restart()
  assert.equal(await fixture.listed(), undefined)
})

test('a client of old may say how long its offsets are to be kept', async () => {
  const fixture = new CoordinatorFixture(settings)
  await fixture.commit(1, { retentionTimeMs: day }, 4)
  await fixture.commit(1, { topics: both.slice(1) })
  await fixture.clock.advance(day + 600_000)
  assert.deepEqual(await committedTopics(fixture), ['boats'])
})

test('a client of old may ask for its offsets to be kept for ever', async () => {
  const fixture = new CoordinatorFixture(settings)
  assert.equal(await fixture.commit(1, { retentionTimeMs: Number.MAX_SAFE_INTEGER }, 4), 0)
  await fixture.clock.advance(10 * day)
  fixture.restart()
  assert.deepEqual(await committedTopics(fixture), ['cars'])
})

test('what a transaction has yet to decide keeps the offset and the group', async () => {
  const fixture = new CoordinatorFixture(settings)
  await fixture.commit(1)
  const member = { generationId: -1, memberId: '', groupInstanceId: null }
  const request = { transactionalId: 't', groupId: 'fleet', producerId: 7, producerEpoch: 0, ...member }
  await fixture.coordinator.txnOffsetCommit({ ...request, topics: [{ name: 'cars', partitions }] }, context(4))
  await fixture.clock.advance(8 * day)
  assert.deepEqual(await committedTopics(fixture), ['cars'])
})
