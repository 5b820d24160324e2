import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { TxnOffsetCommitRequest } from '../../wire/messages/txn-offset-commit.ts'
import { BatchRefused, coordinatorPartition } from '../record-log.ts'
import { CoordinatorFixture, context, isOpen } from './coordinator-fixture.ts'

const partition = coordinatorPartition('fleet', 4)

async function commit(
  fixture: CoordinatorFixture,
  offset: number,
  fields: Partial<TxnOffsetCommitRequest> = {},
  apiVersion = 4
): Promise<number | undefined> {
  const committed = { partitionIndex: 0, committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: null }
  const request: TxnOffsetCommitRequest = {
    transactionalId: 'payments',
    groupId: 'fleet',
    producerId: 7,
    producerEpoch: 2,
    generationId: -1,
    memberId: '',
    groupInstanceId: null,
    topics: [{ name: 'cars', partitions: [committed] }],
    ...fields
  }
  const answer = await fixture.coordinator.txnOffsetCommit(request, context(apiVersion))
  return answer.topics[0]?.partitions[0]?.errorCode
}

const end = (fixture: CoordinatorFixture, committed: boolean, id = 7) =>
  fixture.coordinator.endTransaction(partition, { producer: { id, epoch: 2 }, committed, coordinatorEpoch: 0 })

async function stable(fixture: CoordinatorFixture) {
  const answer = await fixture.coordinator.offsetFetch(fixture.fetchRequest({}, true), context(9))
  const found = answer.groups[0]?.topics[0]?.partitions[0]
  return [found?.committedOffset, found?.errorCode]
}

test('offsets of a transaction count once it commits, and never when it aborts', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.commit(1)
  assert.equal(await commit(fixture, 10), ErrorCode.NONE)
  assert.equal(await fixture.committed(), 1)
  await end(fixture, false)
  assert.equal(await fixture.committed(), 1)
  await commit(fixture, 20)
  await end(fixture, true)
  assert.equal(await fixture.committed(), 20)
  fixture.restart()
  assert.equal(await fixture.committed(), 20)
})

test('who requires stable offsets is told that a transaction has yet to decide', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.commit(1)
  await commit(fixture, 10)
  assert.deepEqual(await stable(fixture), [-1, ErrorCode.UNSTABLE_OFFSET_COMMIT])
  await end(fixture, true)
  assert.deepEqual(await stable(fixture), [10, ErrorCode.NONE])
})

test('what is pending survives a restart, and what was decided stays decided', async () => {
  const fixture = new CoordinatorFixture()
  await commit(fixture, 10)
  await commit(fixture, 11, { producerId: 8 })
  await end(fixture, false, 8)
  fixture.restart()
  assert.deepEqual(await stable(fixture), [-1, ErrorCode.UNSTABLE_OFFSET_COMMIT])
  fixture.restart()
  await end(fixture, true)
  assert.deepEqual(await stable(fixture), [10, ErrorCode.NONE])
})

test('the commit that stands last in the log counts, whenever the transaction of an earlier one ends', async () => {
  const fixture = new CoordinatorFixture()
  await commit(fixture, 10)
  await fixture.commit(30)
  await end(fixture, true)
  assert.equal(await fixture.committed(), 30)
  fixture.restart()
  assert.equal(await fixture.committed(), 30)
})

test('an end is confirmed only once it is durable', async () => {
  const fixture = new CoordinatorFixture()
  await commit(fixture, 10)
  fixture.logs.hold()
  const ending = end(fixture, true)
  assert.ok(await isOpen(ending))
  assert.equal(await fixture.committed(), -1)
  fixture.logs.release()
  await ending
  assert.equal(await fixture.committed(), 10)
})

test('the coordinator of the transaction is asked first; from v5 on it adds the partition', async () => {
  const fixture = new CoordinatorFixture()
  await commit(fixture, 10)
  await commit(fixture, 10, {}, 5)
  const asked = { transactionalId: 'payments', producer: { id: 7, epoch: 2 } }
  const partitions = [{ topic: '__consumer_offsets', partition }]
  assert.deepEqual(fixture.verifications, [
    { ...asked, partitions, add: false },
    { ...asked, partitions, add: true }
  ])
  fixture.verified = ErrorCode.INVALID_TXN_STATE
  assert.equal(await commit(fixture, 11), ErrorCode.INVALID_TXN_STATE)
  fixture.verified = ErrorCode.NETWORK_EXCEPTION
  assert.equal(await commit(fixture, 11), ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
  assert.equal(await commit(fixture, 11, {}, 1), ErrorCode.COORDINATOR_NOT_AVAILABLE)
  fixture.verified = ErrorCode.PRODUCER_FENCED
  assert.equal(await commit(fixture, 11), ErrorCode.INVALID_PRODUCER_EPOCH)
  fixture.verified = ErrorCode.TRANSACTION_ABORTABLE
  assert.equal(await commit(fixture, 11, {}, 3), ErrorCode.INVALID_TXN_STATE)
  assert.equal(await commit(fixture, 11), ErrorCode.TRANSACTION_ABORTABLE)
  await end(fixture, true)
  assert.equal(await fixture.committed(), 10)
})

test('a transaction that ends while it is asked about takes nothing more', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.commit(1)
  let answer: (codes: number[]) => void = () => undefined
  fixture.verification.verify = () =>
    new Promise((resolve) => {
      answer = resolve
    })
  const committing = commit(fixture, 10)
  await isOpen(committing)
  await end(fixture, false)
  answer([ErrorCode.NONE])
  assert.equal(await committing, ErrorCode.INVALID_TXN_STATE)
  assert.deepEqual(await stable(fixture), [1, ErrorCode.NONE])
})

test('the end of the transaction before does not count as the end of the next', async () => {
  for (const [apiVersion, epoch, expected] of [
    [5, 2, ErrorCode.NONE],
    [5, 3, ErrorCode.INVALID_TXN_STATE],
    [4, 2, ErrorCode.INVALID_TXN_STATE]
  ] as const) {
    const fixture = new CoordinatorFixture()
    await fixture.commit(1)
    const { verify } = fixture.verification
    fixture.verification.verify = async (request) => {
      const producer = { id: 7, epoch }
      const before = { producer, committed: true, coordinatorEpoch: 0, transactionVersion: 2 }
      await fixture.coordinator.endTransaction(partition, before)
      return verify(request)
    }
    assert.equal(await commit(fixture, 10, {}, apiVersion), expected)
  }
})

test('a producer that its partition refuses hurts nobody else', async () => {
  const fixture = new CoordinatorFixture()
  const memberId = await fixture.stable()
  fixture.logs.failure = new BatchRefused(ErrorCode.INVALID_PRODUCER_EPOCH, 'fenced')
  assert.equal(await commit(fixture, 10, { memberId, generationId: 1 }), ErrorCode.INVALID_PRODUCER_EPOCH)
  fixture.logs.failure = undefined
  assert.equal(await fixture.heartbeat(memberId, 1), ErrorCode.NONE)
  assert.equal(fixture.logs.opened, 1, 'nothing had to be read anew')
  assert.equal(await fixture.commit(5, { memberId, generationIdOrMemberEpoch: 1 }), ErrorCode.NONE)
})

test('members are checked when the producer names one (KIP-447)', async () => {
  const fixture = new CoordinatorFixture()
  assert.equal(await commit(fixture, 1, { generationId: 3, memberId: 'm' }), ErrorCode.ILLEGAL_GENERATION)
  const memberId = await fixture.stable({ groupInstanceId: 'truck' })
  const claim = { memberId, groupInstanceId: 'truck' }
  assert.equal(await commit(fixture, 1, { ...claim, generationId: 1 }), ErrorCode.NONE)
  assert.equal(await commit(fixture, 1, { ...claim, generationId: 0 }), ErrorCode.ILLEGAL_GENERATION)
  const fenced = await commit(fixture, 1, { ...claim, memberId: 'old', generationId: 1 })
  assert.equal(fenced, ErrorCode.FENCED_INSTANCE_ID)
  assert.equal(await commit(fixture, 1, { memberId: 'x', generationId: 1 }), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(await commit(fixture, 1), ErrorCode.NONE, 'older producers name nobody')
})

test('members of a consumer group commit by their epoch, and hear of it as producers know it', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.consumerHeartbeat({ memberId: 'a' })
  assert.equal(await commit(fixture, 1, { memberId: 'a', generationId: 2 }), ErrorCode.NONE)
  assert.equal(await commit(fixture, 1, { memberId: 'a', generationId: 9 }), ErrorCode.ILLEGAL_GENERATION)
})

test('partitions are judged one by one', async () => {
  const fixture = new CoordinatorFixture()
  const place = (partitionIndex: number, metadata = '') => ({
    partitionIndex,
    committedOffset: 1,
    committedLeaderEpoch: -1,
    committedMetadata: metadata
  })
  const topics = [
    { name: 'cars', partitions: [place(0), place(9), place(1, 'x'.repeat(5_000))] },
    { name: 'trains', partitions: [place(0)] }
  ]
  const request = { transactionalId: 't', groupId: 'fleet', producerId: 7, producerEpoch: 0, topics }
  const member = { generationId: -1, memberId: '', groupInstanceId: null }
  const answer = await fixture.coordinator.txnOffsetCommit({ ...request, ...member }, context(3))
  assert.deepEqual(
    answer.topics.map((topic) => topic.partitions.map((one) => one.errorCode)),
    [
      [ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.OFFSET_METADATA_TOO_LARGE],
      [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    ]
  )
  assert.equal(await commit(fixture, 1, { groupId: '' }), ErrorCode.INVALID_GROUP_ID)
})

test('deleting a group, its offsets or a topic takes what is pending along', async () => {
  for (const remove of [
    (fixture: CoordinatorFixture) => fixture.coordinator.deleteGroups({ groupsNames: ['fleet'] }),
    (fixture: CoordinatorFixture) =>
      fixture.coordinator.offsetDelete({
        groupId: 'fleet',
        topics: [{ name: 'cars', partitions: [{ partitionIndex: 0 }] }]
      }),
    async (fixture: CoordinatorFixture) => {
      fixture.topics.ids.delete('cars')
      await fixture.coordinator.forgetTopic('cars')
      fixture.topics.ids.set('cars', 'carsAAAAAAAAAAAAAAAAAA')
    }
  ]) {
    const fixture = new CoordinatorFixture()
    await commit(fixture, 10)
    await remove(fixture)
    await end(fixture, true)
    assert.equal(await fixture.committed(), -1)
    fixture.restart()
    assert.equal(await fixture.committed(), -1)
  }
})
