/** Fetch, ListOffsets, OffsetForLeaderEpoch and DeleteRecords: what comes back from a log whose contents are known. */
import { apis } from '../../faults/apis.ts'
import { type Case, casesOf } from './case.ts'
import { batchOf, type Fixture, type Peer, TIMESTAMP } from './peer.ts'

const UNKNOWN_ID = 'AAAAAAAAAAAAAAAAAAAAQQ'
const MAX_BYTES = 1_000_000

interface Wanted {
  readonly partition?: number
  readonly offset?: number
  readonly partitionMaxBytes?: number
  readonly currentLeaderEpoch?: number
  readonly lastFetchedEpoch?: number
}

interface FetchOptions {
  readonly maxBytes?: number
  readonly minBytes?: number
  readonly maxWaitMs?: number
  readonly isolationLevel?: number
  readonly sessionId?: number
  readonly sessionEpoch?: number
}

function fetch(
  peer: Peer,
  version: number,
  topic: Fixture,
  wanted: readonly Wanted[],
  options: FetchOptions = {},
  forgottenTopicsData: { topic: string; topicId: string; partitions: number[] }[] = []
) {
  const partitions = wanted.map(({ partition = 0, offset = 0, ...rest }) => ({
    partition,
    fetchOffset: offset,
    partitionMaxBytes: MAX_BYTES,
    currentLeaderEpoch: -1,
    ...rest
  }))
  const { sessionEpoch = -1, ...rest } = { maxWaitMs: 200, minBytes: 1, maxBytes: MAX_BYTES, ...options }
  const topics = partitions.length === 0 ? [] : [{ topic: topic.name, topicId: topic.id, partitions }]
  return peer.send(apis.fetch, version, { ...rest, sessionEpoch, topics, forgottenTopicsData })
}

/** A fetch from a topic with three batches of four records, one second between records. */
const fetches =
  (wanted: readonly Wanted[], options: FetchOptions = {}) =>
  async (peer: Peer, version: number) =>
    fetch(peer, version, await peer.readableTopic(), wanted, options)

interface Asked {
  readonly partition?: number
  readonly timestamp: number
  readonly currentLeaderEpoch?: number
}

function listOffsets(peer: Peer, version: number, name: string, asked: readonly Asked[], isolationLevel = 0) {
  const partitions = asked.map(({ partition = 0, timestamp, currentLeaderEpoch = -1 }) => ({
    partitionIndex: partition,
    timestamp,
    currentLeaderEpoch
  }))
  return peer.send(apis.listOffsets, version, { replicaId: -1, isolationLevel, topics: [{ name, partitions }] })
}

const lists =
  (asked: Asked, isolationLevel = 0) =>
  async (peer: Peer, version: number) =>
    listOffsets(peer, version, (await peer.readableTopic()).name, [asked], isolationLevel)

const deletes =
  (offset: number, partitionIndex = 0) =>
  async (peer: Peer, version: number) => {
    const { name, id } = await peer.filledTopic()
    const topics = [{ name, partitions: [{ partitionIndex, offset }] }]
    const deleted = await peer.send(apis.deleteRecords, version, { topics, timeoutMs: 5000 })
    const earliest = await listOffsets(peer, 5, name, [{ timestamp: -2 }])
    const below = await fetch(peer, 11, { name, id }, [{ offset: 0 }])
    return { deleted, earliest, below }
  }

export const fetchCases: Case[] = [
  ...casesOf(
    apis.fetch,
    ['reads from the beginning', fetches([{}])],
    ['reads the whole batch when asked for its middle', fetches([{ offset: 6 }])],
    ['finds nothing at the end', fetches([{ offset: 12 }])],
    ['refuses an offset beyond the end', fetches([{ offset: 13 }])],
    ['refuses a negative offset', fetches([{ offset: -1 }])],
    ['does not know a partition', fetches([{ partition: 5 }])],
    ['gives one whole batch, however small the limits', fetches([{ partitionMaxBytes: 1 }], { maxBytes: 1 })],
    ['gives one whole batch within a small limit of the partition', fetches([{ partitionMaxBytes: 1 }])],
    ['gives one whole batch within a limit of zero', fetches([{ partitionMaxBytes: 0 }], { maxBytes: 0 })],
    ['reads only committed records', fetches([{}], { isolationLevel: 1 })],
    ['waits in vain for more', fetches([{}], { minBytes: 100_000, maxWaitMs: 50 })],
    ['refuses a leader epoch that is not yet', [9, 100], fetches([{ currentLeaderEpoch: 100 }])],
    [
      'takes the present leader epoch',
      [9, 100],
      async (peer, version) =>
        fetch(peer, version, await peer.readableTopic(), [{ currentLeaderEpoch: peer.firstLeaderEpoch }])
    ],
    [
      'does not know the topic',
      (peer, version) => fetch(peer, version, { name: peer.scoped('none'), id: UNKNOWN_ID }, [{}])
    ],
    [
      'keeps a session and tells only what is new',
      [7, 100],
      async (peer, version) => {
        const topic = await peer.filledTopic()
        const first = await fetch(peer, version, topic, [{ offset: 12 }], { sessionId: 0, sessionEpoch: 0 })
        const session = { sessionId: first.sessionId }
        const quiet = await fetch(peer, version, topic, [], { ...session, sessionEpoch: 1 })
        await peer.produce(topic.name, [batchOf(2, 50)])
        const news = await fetch(peer, version, topic, [], { ...session, sessionEpoch: 2 })
        const again = await fetch(peer, version, topic, [], { ...session, sessionEpoch: 2 })
        return { first, quiet, news, again }
      }
    ],
    ['does not know a session', [7, 100], fetches([{}], { sessionId: 4711, sessionEpoch: 5 })],
    ['closes a session that is none', [7, 100], fetches([{}], { sessionId: 4711, sessionEpoch: -1 })],
    ['answers an epoch without a session', [7, 100], fetches([{}], { sessionId: 0, sessionEpoch: 3 })],
    [
      'forgets partitions of a session, and closes it',
      [7, 100],
      async (peer, version) => {
        const topic = await peer.readableTopic()
        const first = await fetch(peer, version, topic, [{}], { sessionId: 0, sessionEpoch: 0 })
        const session = { sessionId: first.sessionId, maxWaitMs: 100 }
        const forgotten = [{ topic: topic.name, topicId: topic.id, partitions: [0] }]
        const without = await fetch(peer, version, topic, [], { ...session, sessionEpoch: 1 }, forgotten)
        const again = await fetch(peer, version, topic, [{ offset: 4 }], { ...session, sessionEpoch: 2 })
        const closed = await fetch(peer, version, topic, [{ offset: 8 }], { ...session, sessionEpoch: -1 })
        return {
          first,
          without,
          again,
          closed,
          late: await fetch(peer, version, topic, [], { ...session, sessionEpoch: 3 })
        }
      }
    ],
    [
      'tells of a partition that is none in a session, again and again',
      [7, 100],
      async (peer, version) => {
        const topic = await peer.readableTopic()
        const first = await fetch(peer, version, topic, [{ partition: 5 }], { sessionId: 0, sessionEpoch: 0 })
        const session = { sessionId: first.sessionId, maxWaitMs: 100 }
        return { first, again: await fetch(peer, version, topic, [], { ...session, sessionEpoch: 1 }) }
      }
    ],
    [
      'tells where logs have parted',
      [12, 100],
      async (peer, version) => {
        const topic = await peer.readableTopic()
        const epoch = peer.firstLeaderEpoch
        return fetch(peer, version, topic, [{ offset: 4, currentLeaderEpoch: epoch, lastFetchedEpoch: epoch + 7 }])
      }
    ],
    [
      'reads on where logs have not parted',
      [12, 100],
      async (peer, version) => {
        const topic = await peer.readableTopic()
        const epoch = peer.firstLeaderEpoch
        return fetch(peer, version, topic, [{ offset: 4, currentLeaderEpoch: epoch, lastFetchedEpoch: epoch }])
      }
    ],
    [
      'reads a partition that is named twice',
      async (peer, version) => fetch(peer, version, await peer.readableTopic(), [{ offset: 8 }, { offset: 4 }])
    ],
    ['reads nothing of nothing', fetches([])],
    ['waits no time at all', fetches([{ offset: 12 }], { maxWaitMs: 0 })],
    ['wants no bytes', fetches([{ offset: 12 }], { minBytes: 0, maxWaitMs: 5000 })]
  ),
  ...casesOf(
    apis.listOffsets,
    ['tells the end', lists({ timestamp: -1 })],
    ['tells the beginning', lists({ timestamp: -2 })],
    ['tells the end of what is committed', [2, 100], lists({ timestamp: -1 }, 1)],
    ['tells the record with the largest timestamp', [7, 100], lists({ timestamp: -3 })],
    ['tells the local beginning', [8, 100], lists({ timestamp: -4 })],
    ['tells the end of tiered storage', [9, 100], lists({ timestamp: -5 })],
    ['tells the earliest offset to upload', [11, 100], lists({ timestamp: -6 })],
    ['refuses a question that is none', lists({ timestamp: -99 })],
    ['finds an exact timestamp', lists({ timestamp: TIMESTAMP + 5000 })],
    ['finds the next after a timestamp between two', lists({ timestamp: TIMESTAMP + 5001 })],
    ['finds the first before all', lists({ timestamp: 0 })],
    ['finds nothing after all', lists({ timestamp: TIMESTAMP + 999_999 })],
    ['does not know a partition', lists({ timestamp: -1, partition: 9 })],
    ['refuses a leader epoch that is not yet', [4, 100], lists({ timestamp: -1, currentLeaderEpoch: 100 })],
    [
      'does not know the topic',
      (peer, version) => listOffsets(peer, version, peer.scoped('none'), [{ timestamp: -1 }])
    ],
    [
      'answers a partition asked for twice',
      async (peer, version) => {
        const { name } = await peer.readableTopic()
        return listOffsets(peer, version, name, [{ timestamp: -1 }, { timestamp: -2 }])
      }
    ],
    [
      'tells both ends of an empty log',
      async (peer, version) => {
        const { name } = await peer.topic(2)
        return listOffsets(peer, version, name, [{ timestamp: -1 }, { partition: 1, timestamp: -2 }])
      }
    ],
    [
      'finds nothing by time in an empty log',
      async (peer, version) => listOffsets(peer, version, (await peer.topic()).name, [{ timestamp: 1 }])
    ],
    [
      'tells that an empty log has no largest timestamp',
      [7, 100],
      async (peer, version) => listOffsets(peer, version, (await peer.topic()).name, [{ timestamp: -3 }])
    ]
  ),
  ...casesOf(
    apis.offsetForLeaderEpoch,
    ...(['present', 'none', 'future'] as const).map(
      (epoch) =>
        [
          `tells the end of an epoch: ${epoch}`,
          async (peer: Peer, version: number) => {
            const leaderEpoch = { present: peer.firstLeaderEpoch, none: -1, future: 50 }[epoch]
            const { name } = await peer.readableTopic()
            const partitions = [
              { partition: 0, leaderEpoch },
              { partition: 9, leaderEpoch }
            ]
            return peer.send(apis.offsetForLeaderEpoch, version, { topics: [{ topic: name, partitions }] })
          }
        ] as const
    ),
    [
      'refuses a current epoch that is not yet',
      async (peer, version) => {
        const { name } = await peer.readableTopic()
        const partitions = [{ partition: 0, leaderEpoch: peer.firstLeaderEpoch, currentLeaderEpoch: 100 }]
        return peer.send(apis.offsetForLeaderEpoch, version, { topics: [{ topic: name, partitions }] })
      }
    ]
  ),
  ...casesOf(
    apis.deleteRecords,
    ['deletes up to a batch', deletes(8)],
    ['deletes up to the middle of a batch', deletes(6)],
    ['deletes everything', deletes(-1)],
    ['deletes nothing', deletes(0)],
    ['refuses an offset beyond the end', deletes(13)],
    ['refuses a negative offset', deletes(-7)],
    ['does not know a partition', deletes(1, 9)],
    [
      'does not know the topic',
      (peer, version) => {
        const topics = [{ name: peer.scoped('none'), partitions: [{ partitionIndex: 0, offset: 0 }] }]
        return peer.send(apis.deleteRecords, version, { topics, timeoutMs: 1000 })
      }
    ]
  )
]
