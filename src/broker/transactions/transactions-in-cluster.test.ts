import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { errorName } from '../../wire/error-codes.ts'
import { DescribeTransactionsRequest, DescribeTransactionsResponse } from '../../wire/messages/describe-transactions.ts'
import { EndTxnRequest, EndTxnResponse } from '../../wire/messages/end-txn.ts'
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../../wire/messages/find-coordinator.ts'
import { InitProducerIdRequest, InitProducerIdResponse } from '../../wire/messages/init-producer-id.ts'
import { OffsetFetchRequest, OffsetFetchResponse } from '../../wire/messages/offset-fetch.ts'
import { TxnOffsetCommitRequest, TxnOffsetCommitResponse } from '../../wire/messages/txn-offset-commit.ts'
import { buildBatch } from '../../wire/records/batch-builder.ts'
import { type BrokerFixture, FETCH, fetchRequest, PRODUCE, pair, produceRequest } from '../broker-fixture.ts'
import { ClusterFixture } from '../cluster-fixture.ts'
import { coordinatorPartition } from '../record-log.ts'
import { OFFSETS_TOPIC, TRANSACTION_STATE_TOPIC } from '../topic-names.ts'

const INIT = pair(InitProducerIdRequest, InitProducerIdResponse)
const END = pair(EndTxnRequest, EndTxnResponse)
const DESCRIBE = pair(DescribeTransactionsRequest, DescribeTransactionsResponse)
const FIND = pair(FindCoordinatorRequest, FindCoordinatorResponse)
const TXN_OFFSET_COMMIT = pair(TxnOffsetCommitRequest, TxnOffsetCommitResponse)
const OFFSET_FETCH = pair(OffsetFetchRequest, OffsetFetchResponse)

const ID = 'truck'
const GROUP = 'fleet'
/** Of Produce and EndTxn, in which the leader adds partitions and the epoch is bumped. */
const PRODUCE_VERSION = 12
const END_VERSION = 5

interface Producer {
  readonly producerId: number
  readonly producerEpoch: number
}

describe('transactions in a cluster', () => {
  let cluster: ClusterFixture
  let producer: Producer
  /** Index of the partition of `__transaction_state` that holds the id. */
  let index: number

  beforeEach(async () => {
    cluster = await ClusterFixture.start(2)
    await cluster.at(1).createTopic('cars', 2)
    await cluster.settle()
    const coordinator = await coordinatorOf()
    index = coordinatorPartition(ID, 2)
    producer = await initProducer(coordinator)
  })
  afterEach(() => cluster.close())

  const coordinatorOf = async (asked = 1, keyType = 1, key = ID): Promise<BrokerFixture> => {
    const { coordinators } = await cluster.at(asked).call(FIND, 6, { keyType, coordinatorKeys: [key] })
    const found = coordinators[0]
    assert.equal(found?.errorCode, 0, found?.errorMessage ?? '')
    await cluster.settle()
    assert.equal(found?.port, 9091 + (found?.nodeId ?? 0))
    return cluster.at(found?.nodeId ?? -1)
  }
  const initProducer = async (broker: BrokerFixture): Promise<Producer> => {
    const answer = await broker.call(INIT, 5, { transactionalId: ID, transactionTimeoutMs: 60_000 })
    assert.equal(errorName(answer.errorCode), 'NONE')
    return answer
  }
  const produce = async (partition: number, sequence = 0, version = PRODUCE_VERSION) => {
    const options = { ...producer, baseSequence: sequence, transactional: true }
    const records = buildBatch([{ key: null, value: Buffer.from('a'), timestamp: 1 }], options)
    const leader = await cluster.leader('cars', partition)
    const request = { ...produceRequest('cars', records, partition), transactionalId: ID }
    const answer = await leader.call(PRODUCE, version, request)
    return errorName(answer.responses[0]?.partitionResponses[0]?.errorCode ?? -1)
  }
  const end = async (broker: BrokerFixture, committed: boolean) => {
    const { errorCode } = await broker.call(END, END_VERSION, { transactionalId: ID, ...producer, committed })
    return errorName(errorCode)
  }
  const stateAt = async (broker: BrokerFixture) => {
    const { transactionStates } = await broker.call(DESCRIBE, 0, { transactionalIds: [ID] })
    const { errorCode = -1, transactionState } = transactionStates[0] ?? {}
    return errorCode === 0 ? transactionState : errorName(errorCode)
  }
  /** Up to where a read_committed reader sees the partition, and how many aborted transactions it is told of. */
  const stable = async (partition: number) => {
    const leader = await cluster.leader('cars', partition)
    const request = { ...fetchRequest('cars', [{ partition }]), isolationLevel: 1 }
    const answer = (await leader.call(FETCH, 12, request)).responses[0]?.partitions[0]
    return [answer?.lastStableOffset, answer?.abortedTransactions?.length ?? 0]
  }
  const other = (broker: BrokerFixture) => cluster.at(broker.nodeId === 1 ? 2 : 1)

  it('the partitions of the topics are spread, and every broker names the same coordinator', async () => {
    const leaders = [await cluster.leader('cars', 0), await cluster.leader('cars', 1)]
    assert.deepEqual(leaders.map(({ nodeId }) => nodeId).sort(), [1, 2])
    for (const [type, key] of [
      [0, GROUP],
      [1, ID],
      [2, `${GROUP}:${cluster.at(1).topics.get('cars')?.id}:0`]
    ] as const) {
      assert.equal((await coordinatorOf(1, type, key)).nodeId, (await coordinatorOf(2, type, key)).nodeId)
    }
  })

  it('reach partitions that other brokers lead: they are added, committed and aborted there', async () => {
    const coordinator = await coordinatorOf()
    assert.deepEqual([await produce(0), await produce(1)], ['NONE', 'NONE'])
    assert.deepEqual(
      [await stable(0), await stable(1)],
      [
        [0, 0],
        [0, 0]
      ]
    )
    assert.equal(await stateAt(coordinator), 'Ongoing')
    assert.equal(await stateAt(other(coordinator)), 'NOT_COORDINATOR')
    assert.equal(await end(coordinator, true), 'NONE')
    await cluster.settle()
    assert.deepEqual(
      [await stable(0), await stable(1)],
      [
        [2, 0],
        [2, 0]
      ]
    )
    assert.equal(await stateAt(coordinator), 'CompleteCommit')
    producer = { ...producer, producerEpoch: producer.producerEpoch + 1 }
    assert.deepEqual([await produce(0), await produce(1)], ['NONE', 'NONE'])
    assert.equal(await end(coordinator, false), 'NONE')
    await cluster.settle()
    assert.deepEqual(
      [await stable(0), await stable(1)],
      [
        [4, 1],
        [4, 1]
      ]
    )
  })

  it('a leader refuses what the coordinator elsewhere does not know of', async () => {
    assert.deepEqual(
      [await produce(0, 0, 11), await produce(1, 0, 11)],
      ['TRANSACTION_ABORTABLE', 'TRANSACTION_ABORTABLE']
    )
    const real = producer
    producer = { ...real, producerEpoch: real.producerEpoch + 5 }
    assert.deepEqual([await produce(0), await produce(1)], ['INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_EPOCH'])
    producer = real
  })

  it('a producer is to send again while its coordinator is not reached', async () => {
    const coordinator = await coordinatorOf()
    const far = (await cluster.leader('cars', 0)) === coordinator ? 1 : 0
    cluster.unreachable.add(coordinator.nodeId)
    assert.equal(await produce(far), 'NOT_ENOUGH_REPLICAS')
    cluster.unreachable.clear()
    assert.equal(await produce(far), 'NONE')
  })

  it('end in the end, however long a leader is not reached', async () => {
    const coordinator = await coordinatorOf()
    assert.deepEqual([await produce(0), await produce(1)], ['NONE', 'NONE'])
    cluster.unreachable.add(other(coordinator).nodeId)
    assert.equal(await end(coordinator, true), 'NONE')
    await coordinator.clock.advance(60_000)
    assert.equal(await stateAt(coordinator), 'PrepareCommit')
    assert.deepEqual([await stable(0), await stable(1)].map(([offset]) => offset).sort(), [0, 2])
    cluster.unreachable.clear()
    await coordinator.clock.advance(2_000)
    await cluster.settle()
    assert.equal(await stateAt(coordinator), 'CompleteCommit')
    assert.deepEqual(
      [await stable(0), await stable(1)],
      [
        [2, 0],
        [2, 0]
      ]
    )
  })

  it('go on with a new coordinator, open as they are', async () => {
    const before = await coordinatorOf()
    assert.deepEqual([await produce(0), await produce(1)], ['NONE', 'NONE'])
    await cluster.move(TRANSACTION_STATE_TOPIC, index, other(before).nodeId)
    await cluster.settle()
    const coordinator = await coordinatorOf()
    assert.notEqual(coordinator, before)
    assert.equal(await end(before, true), 'NOT_COORDINATOR')
    assert.deepEqual([await stateAt(before), await stateAt(coordinator)], ['NOT_COORDINATOR', 'Ongoing'])
    assert.deepEqual([await produce(0, 1), await produce(1, 1)], ['NONE', 'NONE'])
    assert.equal(await end(coordinator, true), 'NONE')
    await cluster.settle()
    assert.deepEqual(
      [await stable(0), await stable(1)],
      [
        [3, 0],
        [3, 0]
      ]
    )
  })

  it('whose end is decided are ended by the new coordinator, although nobody asks it', async () => {
    const before = await coordinatorOf()
    assert.deepEqual([await produce(0), await produce(1)], ['NONE', 'NONE'])
    cluster.unreachable.add(1).add(2)
    assert.equal(await end(before, false), 'NONE')
    await cluster.settle()
    await cluster.move(TRANSACTION_STATE_TOPIC, index, other(before).nodeId)
    cluster.unreachable.clear()
    await before.clock.advance(100)
    await cluster.settle()
    const near = (await cluster.leader('cars', 0)) === before ? 0 : 1
    assert.deepEqual(await stable(1 - near), [2, 1])
    assert.deepEqual(
      await stable(near),
      [3, 1],
      'what the old coordinator wrote here is written once more, without effect'
    )
    assert.equal(await stateAt(other(before)), 'CompleteAbort')
  })

  it('that are left open are ended by the new coordinator when their time is over', async () => {
    const before = await coordinatorOf()
    assert.deepEqual([await produce(0), await produce(1)], ['NONE', 'NONE'])
    await cluster.move(TRANSACTION_STATE_TOPIC, index, other(before).nodeId)
    await before.clock.advance(75_000)
    await cluster.settle()
    assert.deepEqual(
      [await stable(0), await stable(1)],
      [
        [2, 1],
        [2, 1]
      ]
    )
  })

  it('reach a partition where it is when it moves before the end', async () => {
    const coordinator = await coordinatorOf()
    assert.deepEqual([await produce(0), await produce(1)], ['NONE', 'NONE'])
    for (const partition of [0, 1]) {
      await cluster.move('cars', partition, other(await cluster.leader('cars', partition)).nodeId)
    }
    assert.equal(await end(coordinator, true), 'NONE')
    await cluster.settle()
    assert.deepEqual(
      [await stable(0), await stable(1)],
      [
        [2, 0],
        [2, 0]
      ]
    )
    assert.equal(await stateAt(coordinator), 'CompleteCommit')
  })

  it('reach a partition whose new leader the coordinator has not heard of yet', async () => {
    const coordinator = await coordinatorOf()
    assert.deepEqual([await produce(0), await produce(1)], ['NONE', 'NONE'])
    const far = (await cluster.leader('cars', 0)) === coordinator ? 1 : 0
    await coordinator.createTopic('unrelated')
    cluster.deaf.add(coordinator.nodeId)
    const [from] = [await cluster.leader('cars', far)]
    assert.equal(from, other(coordinator))
    assert.equal(await end(coordinator, true), 'NONE')
    await cluster.settle()
    cluster.deaf.clear()
    assert.equal(await stateAt(coordinator), 'CompleteCommit')
    assert.deepEqual(await stable(far), [2, 0])
  })

  it('commit offsets of groups that another broker coordinates', async () => {
    const coordinator = await coordinatorOf()
    const ofGroup = await coordinatorOf(1, 0, GROUP)
    const offsetsIndex = coordinatorPartition(GROUP, 2)
    for (const [place, groups] of [ofGroup, other(ofGroup)].entries()) {
      if (place > 0) await cluster.move(OFFSETS_TOPIC, offsetsIndex, groups.nodeId)
      await cluster.settle()
      const committedOffset = 10 + place
      const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: null }]
      const request = { transactionalId: ID, groupId: GROUP, ...producer, topics: [{ name: 'cars', partitions }] }
      const answer = await groups.call(TXN_OFFSET_COMMIT, 5, request)
      assert.equal(errorName(answer.topics[0]?.partitions[0]?.errorCode ?? -1), 'NONE')
      assert.equal(await committedAt(groups), place === 0 ? -1 : 10, 'undecided')
      assert.equal(await end(coordinator, true), 'NONE')
      await cluster.settle()
      assert.equal(await committedAt(groups), committedOffset)
      producer = { ...producer, producerEpoch: producer.producerEpoch + 1 }
    }
  })

  async function committedAt(broker: BrokerFixture): Promise<number | undefined> {
    const groups = [{ groupId: GROUP, topics: [{ name: 'cars', partitionIndexes: [0] }] }]
    const answer = await broker.call(OFFSET_FETCH, 9, { groups, requireStable: false })
    assert.equal(answer.groups[0]?.errorCode, 0)
    return answer.groups[0]?.topics[0]?.partitions[0]?.committedOffset
  }
})
