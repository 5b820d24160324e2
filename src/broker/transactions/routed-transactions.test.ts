import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { Fault } from '../../runtime/fault.ts'
import { settle } from '../../runtime/virtual-clock.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { CoordinatorPlaces } from '../coordinator-places.ts'
import { FakeCluster, FakeNodes } from '../nodes/fake-nodes-fixture.ts'
import { coordinatorPartition, type TransactionEnd } from '../record-log.ts'
import { RoutedTransactionEnds } from './routed-transaction-ends.ts'
import { RoutedVerification } from './routed-verification.ts'
import type { TopicPartition } from './transaction-partitions.ts'

const END: TransactionEnd = {
  producer: { id: 7, epoch: 3 },
  committed: true,
  coordinatorEpoch: 5,
  transactionVersion: 2
}
const HERE = 1

const at = (topic: string, ...indexes: number[]): TopicPartition[] => indexes.map((partition) => ({ topic, partition }))

describe('ends of transactions', () => {
  let cluster: FakeCluster
  let nodes: FakeNodes
  let here: TopicPartition[]
  let ends: RoutedTransactionEnds

  beforeEach(() => {
    cluster = new FakeCluster(HERE, { cars: [1, 2, 3, 2], boats: [3] })
    nodes = new FakeNodes()
    here = []
    const local = {
      end: (_: TransactionEnd, partitions: readonly TopicPartition[]) => {
        here.push(...partitions)
        return Promise.resolve(partitions.map(() => ErrorCode.NONE))
      }
    }
    ends = new RoutedTransactionEnds({ local, cluster, nodes })
  })

  /** What a broker answers: the same of every partition, or by `topic-index`. */
  const answer = (call: FakeNodes['calls'][number] | undefined, codes: Readonly<Record<string, number>> = {}) => {
    const markers = markersOf(call)
    call?.answer({
      markers: markers.map(({ producerId, topics }) => ({
        producerId,
        topics: topics.map(({ name, partitionIndexes }) => ({
          name,
          partitions: partitionIndexes.map((partitionIndex) => ({
            partitionIndex,
            errorCode: codes[`${name}-${partitionIndex}`] ?? 0
          }))
        }))
      }))
    })
  }

  it('go to each leader at the same time, in one request', async () => {
    const ending = ends.end(END, [...at('cars', 0, 1, 2, 3), ...at('boats', 0)])
    await settle()
    assert.deepEqual(here, at('cars', 0))
    assert.deepEqual(
      nodes.calls.map(({ nodeId, version }) => [nodeId, version]),
      [
        [2, 2],
        [3, 2]
      ]
    )
    const [marker] = markersOf(nodes.calls[1])
    assert.deepEqual(marker, {
      producerId: 7,
      producerEpoch: 3,
      transactionResult: true,
      topics: [
        { name: 'cars', partitionIndexes: [2] },
        { name: 'boats', partitionIndexes: [0] }
      ],
      coordinatorEpoch: 5,
      transactionVersion: 2
    })
    answer(nodes.calls[1], { 'boats-0': ErrorCode.NOT_LEADER_OR_FOLLOWER })
    answer(nodes.calls[0], { 'cars-3': ErrorCode.INVALID_PRODUCER_EPOCH })
    assert.deepEqual(await ending, [0, 0, 0, ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.NOT_LEADER_OR_FOLLOWER])
  })

  it('of many transactions share a request', async () => {
    const other = { ...END, producer: { id: 8, epoch: 0 }, committed: false }
    const ending = [ends.end(END, at('cars', 1)), ends.end(other, at('cars', 3))]
    await settle()
    assert.equal(nodes.calls.length, 1)
    answer(nodes.calls[0], { 'cars-3': 6 })
    assert.deepEqual(await Promise.all(ending), [[0], [6]])
  })

  it('are for ever only where this broker knows that the partition is gone', async () => {
    const ending = ends.end(END, [...at('cars', 1), ...at('gone', 0), ...at('cars', 9)])
    await settle()
    answer(nodes.calls[0], { 'cars-1': ErrorCode.UNKNOWN_TOPIC_OR_PARTITION })
    const gone = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert.deepEqual(await ending, [ErrorCode.NOT_LEADER_OR_FOLLOWER, gone, gone])
  })

  it('are told as errors that pass while a leader is away or does not answer', async () => {
    cluster.away.add(3)
    const ending = ends.end(END, [...at('cars', 0, 1), ...at('boats', 0)])
    await settle()
    assert.equal(nodes.calls.length, 1)
    nodes.calls[0]?.fail(new Fault('unavailable', 'reset'))
    assert.deepEqual(await ending, [0, ErrorCode.NETWORK_EXCEPTION, ErrorCode.NOT_LEADER_OR_FOLLOWER])
  })

  it('that a broker leaves out of its answer are asked for again', async () => {
    const ending = ends.end(END, at('cars', 1))
    await settle()
    nodes.calls[0]?.answer({ markers: [] })
    assert.deepEqual(await ending, [ErrorCode.KAFKA_STORAGE_ERROR])
  })
})

function markersOf(call: { readonly request: unknown } | undefined): readonly MarkerLike[] {
  assert.ok(call !== undefined, 'the broker was called')
  return (call.request as { readonly markers: readonly MarkerLike[] }).markers
}

interface MarkerLike {
  readonly producerId: number
  readonly topics: readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[]
}

describe('questions about transactions', () => {
  const PARTITIONS = 4
  let cluster: FakeCluster
  let nodes: FakeNodes
  let verification: RoutedVerification
  /** Transactional ids whose coordinator this broker is, another one is, and a third one. */
  const idOf = (partition: number) => {
    for (let i = 0; ; i++) if (coordinatorPartition(`id-${i}`, PARTITIONS) === partition) return `id-${i}`
  }

  beforeEach(() => {
    cluster = new FakeCluster(HERE, { state: [1, 2, 3, 2] })
    nodes = new FakeNodes()
    const logs = { partitionCount: () => Promise.resolve(PARTITIONS) }
    const places = new CoordinatorPlaces({ topic: 'state', logs, cluster })
    const local = { verify: async ({ partitions }: { partitions: readonly unknown[] }) => partitions.map(() => 77) }
    verification = new RoutedVerification({ nodeId: HERE, local, places, nodes })
  })

  const ask = (transactionalId: string, add = false, partitions = at('cars', 0, 1)) =>
    verification.verify({ transactionalId, producer: { id: 7, epoch: 3 }, partitions, add })

  const results = (transactionalId: string, codes: Readonly<Record<number, number>>) => ({
    transactionalId,
    topicResults: [
      {
        name: 'cars',
        resultsByPartition: Object.entries(codes).map(([index, partitionErrorCode]) => ({
          partitionIndex: Number(index),
          partitionErrorCode
        }))
      }
    ]
  })

  it('are answered here when the coordinator is here', async () => {
    assert.deepEqual(await ask(idOf(0)), [77, 77])
    assert.equal(nodes.calls.length, 0)
  })

  it('go to the coordinator, of many transactions in one request', async () => {
    const asking = [ask(idOf(1)), ask(idOf(3), true, at('cars', 5))]
    await settle()
    assert.deepEqual([nodes.calls.length, nodes.calls[0]?.nodeId, nodes.calls[0]?.version], [1, 2, 5])
    assert.deepEqual(nodes.calls[0]?.request, {
      transactions: [
        {
          transactionalId: idOf(1),
          producerId: 7,
          producerEpoch: 3,
          verifyOnly: true,
          topics: [{ name: 'cars', partitions: [0, 1] }]
        },
        {
          transactionalId: idOf(3),
          producerId: 7,
          producerEpoch: 3,
          verifyOnly: false,
          topics: [{ name: 'cars', partitions: [5] }]
        }
      ]
    })
    const resultsByTransaction = [results(idOf(1), { 1: 120, 0: 0 }), results(idOf(3), { 5: 51 })]
    nodes.calls[0]?.answer({ throttleTimeMs: 0, errorCode: 0, resultsByTransaction })
    assert.deepEqual(await Promise.all(asking), [[0, 120], [51]])
  })

  it('fail for now when the coordinator is away or does not answer', async () => {
    const asking = ask(idOf(1))
    await settle()
    nodes.calls[0]?.fail(new Fault('unavailable', 'reset'))
    assert.deepEqual(await asking, [ErrorCode.NETWORK_EXCEPTION, ErrorCode.NETWORK_EXCEPTION])
    cluster.away.add(2)
    assert.deepEqual(await ask(idOf(1)), [ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.COORDINATOR_NOT_AVAILABLE])
  })

  it('are answered for now by a coordinator that has not heard of the partition', async () => {
    const asking = ask(idOf(1))
    await settle()
    const codes = { 0: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 1: ErrorCode.OPERATION_NOT_ATTEMPTED }
    nodes.calls[0]?.answer({ throttleTimeMs: 0, errorCode: 0, resultsByTransaction: [results(idOf(1), codes)] })
    const notYet = ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert.deepEqual(await asking, [notYet, notYet])
  })

  it('hide from clients that brokers do not trust each other', async () => {
    const asking = ask(idOf(1))
    await settle()
    const errorCode = ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    nodes.calls[0]?.answer({ throttleTimeMs: 0, errorCode, resultsByTransaction: [] })
    assert.deepEqual(await asking, [ErrorCode.INVALID_TXN_STATE, ErrorCode.INVALID_TXN_STATE])
  })
})
