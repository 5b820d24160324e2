import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ErrorCode } from '../../wire/error-codes.ts'
import { AddPartitionsToTxnRequest, AddPartitionsToTxnResponse } from '../../wire/messages/add-partitions-to-txn.ts'
import {
  DeleteShareGroupStateRequest,
  DeleteShareGroupStateResponse
} from '../../wire/messages/delete-share-group-state.ts'
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../../wire/messages/find-coordinator.ts'
import {
  InitializeShareGroupStateRequest,
  InitializeShareGroupStateResponse
} from '../../wire/messages/initialize-share-group-state.ts'
import { ReadShareGroupStateRequest, ReadShareGroupStateResponse } from '../../wire/messages/read-share-group-state.ts'
import {
  ReadShareGroupStateSummaryRequest,
  ReadShareGroupStateSummaryResponse
} from '../../wire/messages/read-share-group-state-summary.ts'
import {
  WriteShareGroupStateRequest,
  WriteShareGroupStateResponse
} from '../../wire/messages/write-share-group-state.ts'
import { WriteTxnMarkersRequest, WriteTxnMarkersResponse } from '../../wire/messages/write-txn-markers.ts'
import { BrokerFixture, pair } from '../broker-fixture.ts'
import { anonymousPeer } from '../handler.ts'

const { CLUSTER_AUTHORIZATION_FAILED: REFUSED, NONE } = ErrorCode
const INITIALIZE = pair(InitializeShareGroupStateRequest, InitializeShareGroupStateResponse)
const READ = pair(ReadShareGroupStateRequest, ReadShareGroupStateResponse)
const WRITE = pair(WriteShareGroupStateRequest, WriteShareGroupStateResponse)
const DELETE = pair(DeleteShareGroupStateRequest, DeleteShareGroupStateResponse)
const SUMMARY = pair(ReadShareGroupStateSummaryRequest, ReadShareGroupStateSummaryResponse)
const ADD = pair(AddPartitionsToTxnRequest, AddPartitionsToTxnResponse)
const FIND = pair(FindCoordinatorRequest, FindCoordinatorResponse)
const MARKERS = pair(WriteTxnMarkersRequest, WriteTxnMarkersResponse)

describe('what only brokers send', () => {
  let cluster: BrokerFixture
  let alone: BrokerFixture
  before(async () => {
    const security = { clusterSecret: () => 's', requireNodeAuthentication: true }
    cluster = await BrokerFixture.start({ security })
    alone = await BrokerFixture.start({ security: { ...security, requireNodeAuthentication: false } })
    for (const broker of [cluster, alone]) await broker.createTopic('t')
  })
  after(async () => {
    await cluster.close()
    await alone.close()
  })

  const node = { ...anonymousPeer(1), isNode: true }
  const states = async (broker: BrokerFixture, isNode: boolean) => {
    broker.peer = isNode ? { ...node } : anonymousPeer(1)
    const topicId = broker.topics.get('t')?.id ?? ''
    const of = (partition: object) => ({
      groupId: 'g',
      topics: [{ topicId, partitions: [{ partition: 0, ...partition }] }]
    })
    const change = { stateEpoch: 0, leaderEpoch: 0, startOffset: 0, stateBatches: [] }
    const answers = [
      await broker.call(INITIALIZE, 0, of({ stateEpoch: 0, startOffset: 0 }) as never),
      await broker.call(WRITE, 1, of(change) as never),
      await broker.call(READ, 0, of({ leaderEpoch: 0 }) as never),
      await broker.call(SUMMARY, 1, of({ leaderEpoch: 0 }) as never),
      await broker.call(DELETE, 0, of({}) as never)
    ]
    return answers.map(({ results }) => [results[0]?.topicId === topicId, results[0]?.partitions[0]?.errorCode])
  }
  const all = (errorCode: number) => Array.from({ length: 5 }, () => [true, errorCode])

  it('states of share partitions are refused to everybody else in a cluster, partition by partition', async () => {
    assert.deepEqual(await states(cluster, false), all(REFUSED))
    assert.deepEqual(await states(cluster, true), all(NONE))
    assert.deepEqual(await states(alone, false), all(NONE), 'not by a broker that has no others')
  })

  it('transactions of others are refused as a whole, a transaction of its own to nobody', async () => {
    const producer = { transactionalId: 'x', producerId: 1, producerEpoch: 0 }
    const topics = [{ name: 't', partitions: [0] }]
    const asked = async (broker: BrokerFixture, isNode: boolean) => {
      broker.peer = isNode ? { ...node } : anonymousPeer(1)
      const answer = await broker.call(ADD, 5, { transactions: [{ ...producer, verifyOnly: true, topics }] })
      return [answer.errorCode, answer.resultsByTransaction.length]
    }
    assert.deepEqual(await asked(cluster, false), [REFUSED, 0])
    assert.deepEqual(await asked(cluster, true), [NONE, 1])
    assert.deepEqual(await asked(alone, false), [NONE, 1])
    cluster.peer = anonymousPeer(1)
    const own = await cluster.call(ADD, 3, {
      v3AndBelowTransactionalId: 'x',
      v3AndBelowProducerId: 1,
      v3AndBelowProducerEpoch: 0,
      v3AndBelowTopics: topics
    })
    const code = own.resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode
    assert.equal(code, ErrorCode.INVALID_PRODUCER_ID_MAPPING)
  })

  it('who keeps a share state is told to nobody else; who coordinates a group is', async () => {
    const share = `g:${cluster.topics.get('t')?.id}:0`
    const find = async (keyType: number, key: string, isNode: boolean) => {
      cluster.peer = isNode ? { ...node } : anonymousPeer(1)
      const { coordinators } = await cluster.call(FIND, 6, { keyType, coordinatorKeys: [key] })
      return [coordinators[0]?.errorCode, coordinators[0]?.nodeId]
    }
    assert.deepEqual(await find(2, share, false), [REFUSED, -1])
    assert.deepEqual(await find(2, share, true), [NONE, 1])
    assert.deepEqual(await find(0, 'g', false), [NONE, 1])
  })

  it('markers are taken from anybody: the tool that aborts hanging transactions is a client', async () => {
    cluster.peer = anonymousPeer(1)
    const marker = { producerId: 9, producerEpoch: 0, transactionResult: false, coordinatorEpoch: 0 }
    const topics = [{ name: 't', partitionIndexes: [0] }]
    const answer = await cluster.call(MARKERS, 1, { markers: [{ ...marker, topics }] })
    assert.equal(answer.markers[0]?.topics[0]?.partitions[0]?.errorCode, NONE)
  })
})
