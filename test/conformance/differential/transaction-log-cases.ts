/** Transactions in the logs: transactional Produce, what read_committed sees, their ends, and who is asked about them. */
import { apis } from '../../faults/apis.ts'
import { alone, type Case, casesOf } from './case.ts'
import { batchOf, ENDLESS, type Fixture, inOrder, type Peer, TIMESTAMP } from './peer.ts'
import {
  added,
  changes,
  end,
  ended,
  init,
  newerEpoch,
  olderEpoch,
  otherId,
  type Producer,
  producer,
  same,
  settled,
  write,
  written
} from './transaction-steps.ts'

/** Before this version of Produce a partition must be added first; from it on it enters by the batch. */
const V1: readonly [number, number] = [3, 11]
const MAX_BYTES = 1_000_000
/** Not above that of the coordinator, which has to end the transaction after the case. */
const COORDINATOR_EPOCH = 0

/** The ends of transactions are much younger than the records: Kafka would begin a segment, and a fetch reads only one. */
const ONE_SEGMENT = { ...ENDLESS, 'segment.ms': '9000000000000' }

type Writing = Parameters<typeof write>[4]

/** A producer whose transaction has the partition, where the version does not add it. */
async function ready(peer: Peer, version: number): Promise<{ by: Producer; topic: Fixture }> {
  const by = await producer(peer)
  const topic = await peer.topic(2)
  if (version <= V1[1]) await added(peer, by, topic.name)
  return { by, topic }
}

const writes = (change: (by: Producer) => Producer, writing: Writing | ((peer: Peer) => Writing) = {}) => {
  return async (peer: Peer, version: number) => {
    const { by, topic } = await ready(peer, version)
    return write(peer, version, change(by), topic, typeof writing === 'function' ? writing(peer) : writing)
  }
}

// Kafka asks the coordinator about several batches at once, answers all of them as the oldest version wants it, and
// takes those of one name for repetitions.
const unaddedCases: Case[] = alone(
  apis.produce,
  ['refuses a transaction of an empty name', writes(same, { transactionalId: '' })],
  ['answers a partition that was not added', writes(same, { partition: 1 })],
  [
    'answers a batch after the end',
    async (peer, version) => {
      const { by, topic } = await ready(peer, version)
      await written(peer, by, topic)
      await ended(peer, by, true)
      return write(peer, version, by, topic, { sequence: 2 })
    }
  ]
)

const produceCases: Case[] = casesOf(
  apis.produce,
  ['writes in a transaction', writes(same)],
  ['refuses an older epoch in a transaction', writes(olderEpoch)],
  ['refuses a newer epoch in a transaction', writes(newerEpoch)],
  ['refuses another producer id in a transaction', writes(otherId)],
  ['refuses a transaction of no name', writes(same, { transactionalId: null })],
  ['refuses a transaction of another name', writes(same, (peer) => ({ transactionalId: peer.scoped('nobody') }))],
  ['takes a batch outside a transaction of a named producer', writes(same, { transactional: false })],
  ['refuses to start a transaction at any sequence', writes(same, { sequence: 7 })],
  ['refuses a partition that is none in a transaction', writes(same, { partition: 9 })],
  [
    'refuses a gap in a transaction, and answers a duplicate',
    async (peer, version) => {
      const { by, topic } = await ready(peer, version)
      const first = await write(peer, version, by, topic)
      const again = await write(peer, version, by, topic)
      const gap = await write(peer, version, by, topic, { sequence: 9 })
      return inOrder(first, again, gap, await write(peer, version, by, topic, { sequence: 2 }))
    }
  ],
  [
    'answers a batch of a producer that was fenced',
    async (peer, version) => {
      const { by, topic } = await ready(peer, version)
      await written(peer, by, topic)
      await settled(() => init(peer, 4, by.transactionalId))
      return write(peer, version, by, topic, { sequence: 2 })
    }
  ],
  [
    'refuses a batch outside the transaction while it is open',
    async (peer, version) => {
      const { by, topic } = await ready(peer, version)
      await written(peer, by, topic)
      return write(peer, version, by, topic, { sequence: 2, transactional: false })
    }
  ],
  [
    'writes two partitions in one transaction, one of them none',
    async (peer, version) => {
      const { by, topic } = await ready(peer, version)
      const { producerId, producerEpoch, transactionalId } = by
      const records = [batchOf(2, 0, { producerId, producerEpoch, baseSequence: 0, transactional: true })]
      const partitionData = [0, 7].map((index) => ({ index, records }))
      const topicData = [{ name: topic.name, topicId: topic.id, partitionData }]
      return peer.send(apis.produce, version, { transactionalId, acks: -1, timeoutMs: 5000, topicData })
    }
  ]
)

/** Partition 0 holds: two plain records, two aborted, a plain one, two committed, two aborted by another, two open. */
async function mixedLog(peer: Peer): Promise<{ topic: Fixture; open: Producer }> {
  const topic = await peer.topic(1, ONE_SEGMENT)
  // The transaction that stays open must not time out.
  const patient = { transactionTimeoutMs: 900_000 }
  const [first, second] = [await producer(peer, 'first', patient), await producer(peer, 'second')]
  await peer.produce(topic.name, [batchOf(2)])
  await written(peer, first, topic)
  await peer.produce(topic.name, [batchOf(1, 50)])
  await ended(peer, first, false)
  await added(peer, first, topic.name)
  await written(peer, first, topic, { sequence: 2 })
  await added(peer, second, topic.name)
  await written(peer, second, topic)
  await ended(peer, first, true)
  await ended(peer, second, false)
  await added(peer, first, topic.name)
  await written(peer, first, topic, { sequence: 4 })
  await peer.produce(topic.name, [batchOf(1, 60)])
  return { topic, open: first }
}

/** The same for all that only read it. */
const readableLog = (peer: Peer) => peer.once('mixed', mixedLog)

function fetch(
  peer: Peer,
  version: number,
  topic: Fixture,
  fetchOffset: number,
  isolationLevel: number,
  limit = MAX_BYTES
) {
  const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: limit, currentLeaderEpoch: -1 }]
  const topics = [{ topic: topic.name, topicId: topic.id, partitions }]
  const sizes = { maxWaitMs: 100, minBytes: 1, maxBytes: MAX_BYTES, isolationLevel }
  return peer.send(apis.fetch, version, { ...sizes, sessionEpoch: -1, topics, forgottenTopicsData: [] })
}

const reads = (offset: number, isolationLevel: number, limit?: number) => async (peer: Peer, version: number) =>
  fetch(peer, version, (await readableLog(peer)).topic, offset, isolationLevel, limit)

/** Where the wire format of the answer changes. */
const FETCH_VERSIONS: readonly [number, number] = [11, 100]

const fetchCases: Case[] = casesOf(
  apis.fetch,
  ['reads committed from the beginning and lists what is aborted', reads(0, 1)],
  ['reads uncommitted from the beginning', FETCH_VERSIONS, reads(0, 0)],
  ...[2, 3, 4, 6, 9, 11].map((offset) => [`reads committed from ${offset}`, FETCH_VERSIONS, reads(offset, 1)] as const),
  ['reads nothing committed from within the open transaction', FETCH_VERSIONS, reads(13, 1)],
  ['reads nothing committed at the end', FETCH_VERSIONS, reads(15, 1)],
  ['refuses to read committed beyond the end', FETCH_VERSIONS, reads(99, 1)],
  ['reads committed within a small limit', FETCH_VERSIONS, reads(0, 1, 1)],
  ['reads committed within a limit of two batches', FETCH_VERSIONS, reads(2, 1, 300)],
  [
    'reads committed after the open transaction ended',
    FETCH_VERSIONS,
    async (peer, version) => {
      const { topic, open } = await mixedLog(peer)
      await ended(peer, open, false)
      return fetch(peer, version, topic, 9, 1)
    }
  ]
)

const lists = (timestamp: number, isolationLevel: number) => async (peer: Peer, version: number) => {
  const { topic } = await readableLog(peer)
  const topics = [{ name: topic.name, partitions: [{ partitionIndex: 0, timestamp, currentLeaderEpoch: -1 }] }]
  return peer.send(apis.listOffsets, version, { replicaId: -1, isolationLevel, topics })
}

const WITH_ISOLATION: readonly [number, number] = [2, 100]

const listOffsetsCases: Case[] = casesOf(
  apis.listOffsets,
  ['tells the last stable offset', WITH_ISOLATION, lists(-1, 1)],
  ['tells the end beyond the open transaction', WITH_ISOLATION, lists(-1, 0)],
  ['tells the beginning, whatever is committed', WITH_ISOLATION, lists(-2, 1)],
  ['finds no committed record by a time after them', WITH_ISOLATION, lists(TIMESTAMP + 60_000, 1)],
  ['finds an uncommitted record by its time', WITH_ISOLATION, lists(TIMESTAMP + 60_000, 0)],
  ['finds a committed record by its time', WITH_ISOLATION, lists(TIMESTAMP + 50_000, 1)],
  ['tells the largest timestamp of what is committed', [7, 100], lists(-3, 1)],
  ['tells the largest timestamp of all', [7, 100], lists(-3, 0)]
)

interface Marking {
  readonly committed?: boolean
  readonly name?: string
  readonly partitions?: readonly number[]
  readonly coordinatorEpoch?: number
  readonly transactionVersion?: number
}

function mark(peer: Peer, version: number, by: Producer, topic: Fixture, marking: Marking = {}) {
  const { committed = true, name = topic.name, partitions = [0], coordinatorEpoch = COORDINATOR_EPOCH } = marking
  const { transactionVersion = 0 } = marking
  const { producerId, producerEpoch } = by
  const topics = [{ name, partitionIndexes: [...partitions] }]
  const marker = {
    producerId,
    producerEpoch,
    transactionResult: committed,
    topics,
    coordinatorEpoch,
    transactionVersion
  }
  return peer.send(apis.writeTxnMarkers, version, { markers: [marker] })
}

/** Writes the end of an open transaction as its coordinator would, and tells what is then read. */
const marks = (change: (by: Producer) => Producer, marking: Marking = {}) => {
  return async (peer: Peer, version: number) => {
    const by = await producer(peer)
    const topic = await peer.topic(2, ONE_SEGMENT)
    await written(peer, by, topic)
    return inOrder(await mark(peer, version, change(by), topic, marking), await fetch(peer, 12, topic, 0, 1))
  }
}

const markerCases: Case[] = casesOf(
  apis.writeTxnMarkers,
  ['commits', marks(same)],
  ['aborts', marks(same, { committed: false })],
  ['refuses an older epoch', marks(olderEpoch)],
  ['takes a newer epoch', marks(newerEpoch)],
  ['takes the end of a producer that wrote nothing', marks(otherId)],
  ['takes the end of a partition without a transaction', marks(same, { partitions: [1] })],
  ['does not know a partition, beside one that it knows', marks(same, { partitions: [0, 7] })],
  ['does not know a topic', marks(same, { name: 'no-such-topic' })],
  ['refuses an end of version 2 with the same epoch', [2, 100], marks(same, { transactionVersion: 2 })],
  ['takes an end of version 2 with a newer epoch', [2, 100], marks(newerEpoch, { transactionVersion: 2 })],
  [
    'refuses an older coordinator',
    async (peer, version) => {
      // Of no transaction, so that nobody else ever ends it.
      const by = { ...(await init(peer, 4, null)), transactionalId: '' }
      const topic = await peer.topic()
      const first = await mark(peer, version, by, topic, { coordinatorEpoch: 50 })
      const older = await mark(peer, version, by, topic, { coordinatorEpoch: 40 })
      return inOrder(first, older, await mark(peer, version, by, topic, { coordinatorEpoch: 50 }))
    }
  ]
)

const describeProducersCases: Case[] = casesOf(
  apis.describeProducers,
  [
    'tells of the open transaction, and of no partition that is none',
    async (peer, version) => {
      const { topic } = await readableLog(peer)
      const topics = [
        { name: topic.name, partitionIndexes: [0, 9] },
        { name: peer.scoped('none'), partitionIndexes: [0] }
      ]
      const answer = await peer.send(apis.describeProducers, version, { topics })
      for (const { partitions } of answer.topics) {
        for (const { activeProducers } of partitions) activeProducers.sort((a, b) => a.producerId - b.producerId)
      }
      return answer
    }
  ],
  [
    'tells of no producer',
    async (peer, version) => {
      const { name } = await peer.readableTopic()
      return peer.send(apis.describeProducers, version, { topics: [{ name, partitionIndexes: [0] }] })
    }
  ],
  [
    'tells of an idempotent producer',
    async (peer, version) => {
      const topic = await peer.topic()
      const { producerId, producerEpoch } = await init(peer, 4, null)
      await peer.produce(topic.name, [batchOf(3, 0, { producerId, producerEpoch, baseSequence: 5 })])
      return peer.send(apis.describeProducers, version, { topics: [{ name: topic.name, partitionIndexes: [0] }] })
    }
  ],
  [
    'refuses a name that no topic can have',
    (peer, version) => peer.send(apis.describeProducers, version, { topics: [{ name: 'a/b', partitionIndexes: [0] }] })
  ]
)

const describes = (
  transactionalIds: (by: Producer) => string[],
  prepare?: (peer: Peer, by: Producer) => Promise<unknown>
) => {
  return async (peer: Peer, version: number) => {
    const by = await producer(peer)
    await prepare?.(peer, by)
    return peer.send(apis.describeTransactions, version, { transactionalIds: transactionalIds(by) })
  }
}

const describeTransactionsCases: Case[] = casesOf(
  apis.describeTransactions,
  ['tells of a producer without a transaction', describes((by) => [by.transactionalId])],
  [
    'tells of an open transaction',
    describes(
      (by) => [by.transactionalId],
      async (peer, by) => written(peer, by, await peer.topic())
    )
  ],
  [
    'tells of a committed transaction',
    describes(
      (by) => [by.transactionalId],
      async (peer, by) => {
        await written(peer, by, await peer.topic())
        await ended(peer, by, true)
      }
    )
  ],
  ['does not know a transactional id, beside one that it knows', describes((by) => [by.transactionalId, 'nobody'])],
  ['refuses an empty transactional id', describes(() => [''])],
  ['tells of none', describes(() => [])]
)

interface Filter {
  readonly stateFilters?: string[]
  readonly producerIdFilters?: number[]
  readonly durationFilter?: number
  readonly transactionalIdPattern?: string | null
}

/** Lists two producers, one of them with an open transaction, as far as they belong to the case. */
const listsTransactions = (filter: (peer: Peer, open: Producer) => Filter) => async (peer: Peer, version: number) => {
  const open = await producer(peer, 'open')
  await producer(peer, 'idle')
  await written(peer, open, await peer.topic())
  const request = { stateFilters: [], producerIdFilters: [], ...filter(peer, open) }
  const answer = await peer.send(apis.listTransactions, version, request)
  const transactionStates = answer.transactionStates.filter(({ transactionalId }) =>
    transactionalId.endsWith(peer.scope)
  )
  return { ...answer, transactionStates }
}

const listTransactionsCases: Case[] = casesOf(
  apis.listTransactions,
  ['lists all', listsTransactions(() => ({}))],
  ['lists those in a state', listsTransactions(() => ({ stateFilters: ['Ongoing'] }))],
  ['lists those in states, of which one is none', listsTransactions(() => ({ stateFilters: ['Empty', 'Nonsense'] }))],
  ['lists those in no state that it knows', listsTransactions(() => ({ stateFilters: ['ongoing', ''] }))],
  ['lists those of a producer', listsTransactions((_, open) => ({ producerIdFilters: [open.producerId] }))],
  ['lists those of nobody', listsTransactions(() => ({ producerIdFilters: [999_999_999] }))],
  ['lists those that run long', [1, 100], listsTransactions(() => ({ durationFilter: 3_600_000 }))],
  ['lists those that run at all', [1, 100], listsTransactions(() => ({ durationFilter: 0 }))],
  ['lists those that match', [2, 100], listsTransactions((peer) => ({ transactionalIdPattern: `op.*${peer.scope}` }))],
  ['lists those that match nothing', [2, 100], listsTransactions(() => ({ transactionalIdPattern: 'op' }))],
  ['lists those that match an empty pattern', [2, 100], listsTransactions(() => ({ transactionalIdPattern: '' }))],
  ['refuses a pattern that is none', [2, 100], listsTransactions(() => ({ transactionalIdPattern: '(' }))],
  [
    'lists by state and producer at once',
    listsTransactions((_, open) => ({ stateFilters: ['Empty'], producerIdFilters: [open.producerId] }))
  ]
)

const fencing: Case[] = casesOf(
  apis.endTxn,
  ...changes.map(
    ([name, change]) =>
      [
        `refuses ${name} where there is no transaction`,
        async (peer: Peer, version: number) => end(peer, version, change(await producer(peer)), false)
      ] as const
  )
)

export const transactionLogCases: Case[] = [
  ...unaddedCases,
  ...produceCases,
  ...fetchCases,
  ...listOffsetsCases,
  ...markerCases,
  ...describeProducersCases,
  ...describeTransactionsCases,
  ...listTransactionsCases,
  ...fencing
]
