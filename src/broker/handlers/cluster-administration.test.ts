import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ErrorCode } from '../../wire/error-codes.ts'
import {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse
} from '../../wire/messages/alter-partition-reassignments.ts'
import { DescribeQuorumRequest, DescribeQuorumResponse } from '../../wire/messages/describe-quorum.ts'
import { ElectLeadersRequest, ElectLeadersResponse } from '../../wire/messages/elect-leaders.ts'
import {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse
} from '../../wire/messages/list-partition-reassignments.ts'
import { UnregisterBrokerRequest, UnregisterBrokerResponse } from '../../wire/messages/unregister-broker.ts'
import { BrokerFixture, pair } from '../broker-fixture.ts'
import type { RequestContext } from '../handler.ts'
import { alterPartitionReassignmentsHandler } from './alter-partition-reassignments.ts'
import { electLeadersHandler } from './elect-leaders.ts'
import { listPartitionReassignmentsHandler } from './list-partition-reassignments.ts'

const QUORUM = pair(DescribeQuorumRequest, DescribeQuorumResponse)
const UNREGISTER = pair(UnregisterBrokerRequest, UnregisterBrokerResponse)
const ELECT = pair(ElectLeadersRequest, ElectLeadersResponse)
const REASSIGN = pair(AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse)
const LIST = pair(ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse)
const NODE = 1

describe('cluster administration', () => {
  let broker: BrokerFixture
  before(async () => {
    broker = await BrokerFixture.start()
    await broker.createTopic('t', 3)
    await broker.createTopic('u', 1)
  })
  after(() => broker.close())

  describe('quorum', () => {
    const metadataLog = [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }]

    it('this node is shown as leader and only voter, in every version', async () => {
      for (const version of [0, 1, 2]) {
        const answer = await broker.call(QUORUM, version, { topics: metadataLog })
        const partition = answer.topics[0]?.partitions[0]
        assert.equal(answer.errorCode, ErrorCode.NONE)
        assert.deepEqual([partition?.errorCode, partition?.leaderId, partition?.leaderEpoch], [0, NODE, 1])
        assert.deepEqual([partition?.currentVoters.length, partition?.observers], [1, []])
        assert.equal(partition?.currentVoters[0]?.logEndOffset, partition?.highWatermark)
        assert.deepEqual(
          answer.nodes.map(({ nodeId, listeners }) => [nodeId, listeners[0]?.host, listeners[0]?.port]),
          version >= 2 ? [[NODE, 'localhost', 9092]] : []
        )
      }
    })

    it('the high watermark moves with the metadata', async () => {
      const end = async () => {
        const answer = await broker.call(QUORUM, 2, { topics: metadataLog })
        return answer.topics[0]?.partitions[0]?.highWatermark ?? 0
      }
      const before = await end()
      await broker.createTopic('moves')
      assert.ok((await end()) > before)
    })

    it('any other log is UNKNOWN_TOPIC_OR_PARTITION', async () => {
      for (const [topicName, partitionIndex] of [
        ['t', 0],
        ['__cluster_metadata', 1]
      ] as const) {
        const answer = await broker.call(QUORUM, 2, { topics: [{ topicName, partitions: [{ partitionIndex }] }] })
        assert.equal(answer.topics[0]?.partitions[0]?.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        assert.deepEqual(answer.nodes, [])
      }
    })
  })

  it('a broker that runs cannot be unregistered, one that does not exist is not registered', async () => {
    const unregister = async (brokerId: number) => (await broker.call(UNREGISTER, 0, { brokerId })).errorCode
    assert.equal(await unregister(NODE), ErrorCode.INVALID_REQUEST)
    assert.equal(await unregister(7), ErrorCode.BROKER_ID_NOT_REGISTERED)
  })

  describe('elections', () => {
    const elect = async (
      version: number,
      topicPartitions: { topic: string; partitions: number[] }[] | null,
      type = 0
    ) => {
      const electionType = version === 0 ? {} : { electionType: type }
      const answer = await broker.call(ELECT, version, { topicPartitions, ...electionType })
      const results = answer.replicaElectionResults.map(({ topic, partitionResult }) => [
        topic,
        ...partitionResult.map(({ partitionId, errorCode }) => [partitionId, errorCode])
      ])
      return { errorCode: answer.errorCode, results }
    }

    it('no election is needed where the leader is there, and what does not exist is unknown', async () => {
      for (const version of [0, 1, 2]) {
        for (const type of version === 0 ? [0] : [0, 1]) {
          const wanted = [
            { topic: 't', partitions: [0, 3] },
            { topic: 'nope', partitions: [0] }
          ]
          const { errorCode, results } = await elect(version, wanted, type)
          assert.equal(errorCode, ErrorCode.NONE)
          assert.deepEqual(results, [
            ['t', [0, ErrorCode.ELECTION_NOT_NEEDED], [3, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]],
            ['nope', [0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]]
          ])
        }
      }
    })

    it('without a list all partitions are meant, and those that need none are left out', async () => {
      const { errorCode, results } = await elect(2, null)
      assert.equal(errorCode, ErrorCode.NONE)
      assert.deepEqual(results.slice(0, 2), [['t'], ['u']])
    })

    it('an unknown type of election is refused as a whole', async () => {
      const { errorCode, results } = await elect(2, [{ topic: 't', partitions: [0] }], 7)
      assert.equal(errorCode, ErrorCode.INVALID_REQUEST)
      assert.deepEqual(results, [['t', [0, ErrorCode.INVALID_REQUEST]]])
      assert.deepEqual(await elect(2, null, 7), { errorCode: ErrorCode.INVALID_REQUEST, results: [] })
    })

    it('a leader whose broker is not there cannot be elected', async () => {
      const moves = { ...broker.parts.moves, brokers: () => [2] }
      const handler = electLeadersHandler({ ...broker.parts, moves })
      const codes = await Promise.all(
        [0, 1].map(async (electionType) => {
          const request = { electionType, topicPartitions: [{ topic: 't', partitions: [0] }], timeoutMs: 1 }
          const answer = await handler(request, {} as RequestContext)
          return answer.replicaElectionResults[0]?.partitionResult[0]?.errorCode
        })
      )
      assert.deepEqual(codes, [ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE])
    })
  })

  describe('reassignments', () => {
    const reassign = async (version: number, partitions: [string, number, number[] | null][]) => {
      const topics = partitions.map(([name, partitionIndex, replicas]) => ({
        name,
        partitions: [{ partitionIndex, replicas }]
      }))
      const answer = await broker.call(REASSIGN, version, { topics })
      assert.equal(answer.errorCode, ErrorCode.NONE)
      return answer.responses.map(({ partitions }) => partitions[0]?.errorCode)
    }

    it('to the broker that has it is done at once; each other wish has its error', async () => {
      for (const version of [0, 1]) {
        const codes = await reassign(version, [
          ['t', 0, [NODE]],
          ['t', 1, [2]],
          ['t', 1, [NODE, 2]],
          ['t', 1, [NODE, NODE]],
          ['t', 1, []],
          ['t', 1, null],
          ['t', 9, [NODE]],
          ['nope', 0, [NODE]],
          ['nope', 0, null]
        ])
        assert.deepEqual(codes, [
          ErrorCode.NONE,
          ErrorCode.INVALID_REPLICA_ASSIGNMENT,
          ErrorCode.INVALID_REPLICA_ASSIGNMENT,
          ErrorCode.INVALID_REPLICA_ASSIGNMENT,
          ErrorCode.INVALID_REPLICA_ASSIGNMENT,
          ErrorCode.NO_REASSIGNMENT_IN_PROGRESS,
          ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
          ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
          ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        ])
      }
    })

    it('none is under way', async () => {
      for (const topics of [null, [{ name: 't', partitionIndexes: [0, 1] }]]) {
        const answer = await broker.call(LIST, 0, { topics })
        assert.deepEqual([answer.errorCode, answer.topics], [ErrorCode.NONE, []])
      }
    })

    it('where there are more brokers, a move is begun, listed and cancelled', async () => {
      const begun: string[] = []
      const moves = {
        brokers: () => [NODE, 2],
        begin: async (topic: string, { index }: { index: number }, to: number) => {
          begun.push(`${topic}-${index} to ${to}`)
        },
        cancel: async (_: string, index: number) => index === 0,
        underWay: () => [
          { topic: 't', index: 0, from: NODE, to: 2 },
          { topic: 't', index: 2, from: NODE, to: 2 }
        ]
      }
      const parts = { ...broker.parts, moves }
      const context = {} as RequestContext
      const alter = alterPartitionReassignmentsHandler(parts)
      const code = async (partitionIndex: number, replicas: number[] | null, factorMayChange = true) => {
        const topics = [{ name: 't', partitions: [{ partitionIndex, replicas }] }]
        const request = { timeoutMs: 1, allowReplicationFactorChange: factorMayChange, topics }
        return (await alter(request, context)).responses[0]?.partitions[0]?.errorCode
      }
      assert.equal(await code(0, [2, NODE]), ErrorCode.NONE)
      assert.equal(await code(1, [2, NODE], false), ErrorCode.INVALID_REPLICATION_FACTOR)
      assert.deepEqual(begun, ['t-0 to 2'])
      assert.equal(await code(0, null), ErrorCode.NONE)
      assert.equal(await code(1, null), ErrorCode.NO_REASSIGNMENT_IN_PROGRESS)
      const list = listPartitionReassignmentsHandler(parts)
      const one = await list({ timeoutMs: 1, topics: [{ name: 't', partitionIndexes: [2, 1] }] }, context)
      assert.deepEqual(one.topics, [
        {
          name: 't',
          partitions: [{ partitionIndex: 2, replicas: [2, NODE], addingReplicas: [2], removingReplicas: [NODE] }]
        }
      ])
      assert.equal((await list({ timeoutMs: 1, topics: null }, context)).topics[0]?.partitions.length, 2)
    })
  })
})
