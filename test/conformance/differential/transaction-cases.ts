/** The transaction coordinator: producers and their epochs, what enters a transaction, and how it ends. */
import { apis } from '../../faults/apis.ts'
import { alone, type Case, casesOf } from './case.ts'
import { joined } from './group-cases.ts'
import { inOrder, type Peer } from './peer.ts'
import {
  added,
  addPartitions,
  type Change,
  changes,
  complete,
  end,
  ended,
  init,
  newerEpoch,
  noName,
  olderEpoch,
  type Producer,
  producer,
  same,
  settled,
  write,
  written
} from './transaction-steps.ts'

const ALL: readonly [number, number] = [0, 100]
const KEEPS_ID: readonly [number, number] = [3, 100]
const OF_BROKERS: readonly [number, number] = [4, 100]
const GROUP = 'group'

const inits = (transactionTimeoutMs: number) => (peer: Peer, version: number) =>
  init(peer, version, peer.scoped('txn'), { transactionTimeoutMs })

/** A producer that was given an epoch asks again, naming itself as `change` has it. */
const initsAgain = (change: Change) => async (peer: Peer, version: number) => {
  const by = await producer(peer)
  const { producerId, producerEpoch } = change(by)
  return init(peer, version, by.transactionalId, { producerId, producerEpoch })
}

const initCases: Case[] = casesOf(
  apis.initProducerId,
  ['gives a transactional producer its first epoch', inits(60_000)],
  ['refuses a timeout of zero', inits(0)],
  ['refuses a negative timeout', inits(-5)],
  ['refuses a timeout longer than the longest', inits(0x7fff_ffff)],
  ['takes the longest timeout', inits(900_000)],
  [
    'gives the next epoch to whoever asks again',
    async (peer, version) => {
      const by = await producer(peer)
      return inOrder(by, await init(peer, version, by.transactionalId), await init(peer, version, by.transactionalId))
    }
  ],
  ['bumps the epoch of a producer that names itself', KEEPS_ID, initsAgain(same)],
  ['refuses the epoch before, once it was bumped', KEEPS_ID, initsAgain(olderEpoch)],
  ['refuses an epoch that is not yet', KEEPS_ID, initsAgain(newerEpoch)],
  ['refuses an id that is of nobody', KEEPS_ID, initsAgain((by) => ({ ...by, producerId: by.producerId + 100_000 }))],
  ['refuses an id without an epoch', KEEPS_ID, initsAgain((by) => ({ ...by, producerEpoch: -1 }))],
  ['refuses an epoch without an id', KEEPS_ID, initsAgain((by) => ({ ...by, producerId: -1 }))],
  ['refuses ids below none', KEEPS_ID, initsAgain((by) => ({ ...by, producerId: -7, producerEpoch: -7 }))],
  [
    'answers a repeated bump as the first time, and fences after another',
    KEEPS_ID,
    async (peer, version) => {
      const by = await producer(peer)
      const { transactionalId, ...given } = by
      const first = await init(peer, version, transactionalId, given)
      const repeated = await init(peer, version, transactionalId, given)
      const other = await init(peer, version, transactionalId)
      return inOrder(first, repeated, other, await init(peer, version, transactionalId, given))
    }
  ],
  [
    'takes an id and epoch for a transactional id that is new',
    KEEPS_ID,
    async (peer, version) => {
      const { producerId, producerEpoch } = await producer(peer, 'other')
      return init(peer, version, peer.scoped('new'), { producerId, producerEpoch })
    }
  ],
  [
    'aborts an open transaction and fences its producer',
    async (peer, version) => {
      const by = await producer(peer)
      const topic = await peer.topic()
      await written(peer, by, topic)
      const first = await init(peer, version, by.transactionalId)
      const later = await settled(() => init(peer, version, by.transactionalId))
      return inOrder(first, later, await write(peer, 12, by, topic, { sequence: 2 }), await end(peer, 4, by, true))
    }
  ],
  [
    'aborts an open transaction of the producer that names itself',
    KEEPS_ID,
    async (peer, version) => {
      const by = await producer(peer)
      const topic = await peer.topic()
      await written(peer, by, topic)
      const first = await init(peer, version, by.transactionalId, by)
      return inOrder(first, await settled(() => init(peer, version, by.transactionalId, by)))
    }
  ],
  [
    'takes a new timeout',
    async (peer, version) => {
      const by = await producer(peer)
      await init(peer, version, by.transactionalId, { transactionTimeoutMs: 12_345 })
      return peer.send(apis.describeTransactions, 0, { transactionalIds: [by.transactionalId] })
    }
  ]
)

/** Adds to a transaction as `change` of a producer. */
const adds = (change: Change, verifyOnly = false) => {
  return async (peer: Peer, version: number) => {
    const by = await producer(peer)
    const { name } = await peer.topic(2)
    await added(peer, by, name, 1)
    return addPartitions(peer, version, change(by), [[name, [0, 1]]], verifyOnly)
  }
}

const addPartitionsCases: Case[] = casesOf(
  apis.addPartitionsToTxn,
  ['adds partitions, one of them again', adds(same)],
  ...changes.map(([name, change]) => [`refuses ${name}`, adds(change)] as const),
  [
    'adds none beside a partition that is none',
    async (peer, version) => {
      const { name } = await peer.topic(2)
      const by = await producer(peer)
      const answer = await addPartitions(peer, version, by, [
        [name, [0, 7]],
        [peer.scoped('none'), [0]]
      ])
      return inOrder(answer, await peer.send(apis.describeTransactions, 0, { transactionalIds: [by.transactionalId] }))
    }
  ],
  [
    'adds nothing when nothing is named',
    async (peer, version) => addPartitions(peer, version, await producer(peer), [])
  ],
  [
    'adds partitions of two topics',
    async (peer, version) => {
      const by = await producer(peer)
      const [one, two] = await Promise.all([peer.topic(2), peer.topic(1, {}, 'second')])
      const answer = await addPartitions(peer, version, by, [
        [one.name, [0, 1]],
        [two.name, [0]]
      ])
      return inOrder(answer, await peer.send(apis.describeTransactions, 0, { transactionalIds: [by.transactionalId] }))
    }
  ],
  ['verifies what was added and what was not', OF_BROKERS, adds(same, true)],
  ...changes.map(([name, change]) => [`verifies ${name}`, OF_BROKERS, adds(change, true)] as const),
  [
    'verifies after the end',
    OF_BROKERS,
    async (peer, version) => {
      const by = await producer(peer)
      const { name } = await peer.topic()
      await added(peer, by, name)
      await ended(peer, by, true)
      return addPartitions(peer, version, by, [[name, [0]]], true)
    }
  ],
  [
    'answers two transactions in one request',
    OF_BROKERS,
    async (peer, version) => {
      const { name } = await peer.topic()
      const good = await producer(peer)
      const bad = newerEpoch(await producer(peer, 'other'))
      const topics = [{ name, partitions: [0] }]
      const transactions = [good, bad].map((by) => ({ ...by, topics }))
      return peer.send(apis.addPartitionsToTxn, version, {
        transactions,
        v3AndBelowTransactionalId: '',
        v3AndBelowProducerId: 0,
        v3AndBelowProducerEpoch: 0,
        v3AndBelowTopics: []
      })
    }
  ],
  [
    'begins the next transaction after the end of the last',
    async (peer, version) => {
      const by = await producer(peer)
      const { name } = await peer.topic()
      await added(peer, by, name)
      await ended(peer, by, false)
      return addPartitions(peer, version, by, [[name, [0]]])
    }
  ]
)

const addsOffsets = (change: Change, groupId?: string) => async (peer: Peer, version: number) => {
  const by = change(await producer(peer))
  const answer = await peer.send(apis.addOffsetsToTxn, version, { ...by, groupId: groupId ?? peer.scoped(GROUP) })
  return answer
}

const addOffsetsCases: Case[] = casesOf(
  apis.addOffsetsToTxn,
  ['adds the offsets of a group', addsOffsets(same)],
  ...changes.map(([name, change]) => [`refuses ${name}`, addsOffsets(change)] as const),
  ['takes an empty group id', addsOffsets(same, '')],
  [
    'adds the offsets of a group twice',
    async (peer, version) => {
      const request = { ...(await producer(peer)), groupId: peer.scoped(GROUP) }
      const first = await peer.send(apis.addOffsetsToTxn, version, request)
      return inOrder(first, await peer.send(apis.addOffsetsToTxn, version, request))
    }
  ]
)

interface Committing {
  readonly groupId?: string
  readonly generationId?: number
  readonly memberId?: string
  readonly groupInstanceId?: string | null
  readonly metadata?: string
  readonly name?: string
  readonly partition?: number
}

function commitsOffsets(peer: Peer, version: number, by: Producer, name: string, committing: Committing = {}) {
  const { metadata = 'note', partition = 0, name: topicName = name, ...rest } = committing
  const partitions = [
    { partitionIndex: partition, committedOffset: 3, committedMetadata: metadata },
    { partitionIndex: 1, committedOffset: 4, committedMetadata: null }
  ]
  const request = { groupId: peer.scoped(GROUP), ...by, ...rest, topics: [{ name: topicName, partitions }] }
  return peer.send(apis.txnOffsetCommit, version, request)
}

/** The offsets of a group enter a transaction as `change` has it. */
const commits = (change: Change, committing: Committing = {}, addGroup = true) => {
  return async (peer: Peer, version: number) => {
    const by = await producer(peer)
    const { name } = await peer.topic(2)
    if (addGroup) await peer.send(apis.addOffsetsToTxn, 3, { ...by, groupId: committing.groupId ?? peer.scoped(GROUP) })
    return commitsOffsets(peer, version, change(by), name, committing)
  }
}

const offsetsOf = (peer: Peer, name: string, requireStable: boolean) =>
  peer.send(apis.offsetFetch, 7, {
    groupId: peer.scoped(GROUP),
    topics: [{ name, partitionIndexes: [0, 1] }],
    groups: [],
    requireStable
  })

const commitsAndEnds = (committed: boolean) => async (peer: Peer, version: number) => {
  const by = await producer(peer)
  const { name } = await peer.topic(2)
  await peer.send(apis.addOffsetsToTxn, 3, { ...by, groupId: peer.scoped(GROUP) })
  const committing = await commitsOffsets(peer, version, by, name)
  const pending = [await offsetsOf(peer, name, false), await offsetsOf(peer, name, true)]
  await ended(peer, by, committed)
  return inOrder(committing, ...pending, await offsetsOf(peer, name, true))
}

// As with Produce, Kafka answers requests that come at once as the oldest of them wants it.
const unaddedGroupCases: Case[] = alone(
  apis.txnOffsetCommit,
  ['answers a group that is not in the transaction', commits(same, {}, false)],
  ['answers an empty transactional id', commits(noName)]
)

const txnOffsetCommitCases: Case[] = casesOf(
  apis.txnOffsetCommit,
  ['commits with the transaction', commitsAndEnds(true)],
  ['forgets with the transaction', commitsAndEnds(false)],
  ...changes
    .filter(([, change]) => change !== noName)
    .map(([name, change]) => [`answers ${name}`, commits(change)] as const),
  ['refuses long metadata', commits(same, { metadata: 'x'.repeat(5000) })],
  ['does not know a partition', commits(same, { partition: 7 })],
  ['does not know a topic', commits(same, { name: 'no-such-topic' })],
  ['refuses an empty group id', commits(same, { groupId: '' })],
  ['refuses a member of no group', KEEPS_ID, commits(same, { memberId: 'nobody', generationId: 3 })],
  ['refuses a generation without a member', KEEPS_ID, commits(same, { generationId: 3 })],
  ['refuses a static member of no group', KEEPS_ID, commits(same, { groupInstanceId: 'static-1', memberId: 'nobody' })],
  ...(
    [
      ['a member', {}],
      ['a member of another generation', { generationId: 9 }],
      ['a member that is not', { memberId: 'nobody' }],
      ['nobody of a group with members', { memberId: '', generationId: -1 }]
    ] as const
  ).map(
    ([name, change]) =>
      [
        `answers ${name}`,
        KEEPS_ID,
        async (peer: Peer, version: number) => {
          const { groupId, memberId, generationId } = await joined(peer)
          const by = await producer(peer)
          const { name: topic } = await peer.topic(2)
          await peer.send(apis.addOffsetsToTxn, 3, { ...by, groupId })
          return commitsOffsets(peer, version, by, topic, { groupId, memberId, generationId, ...change })
        }
      ] as const
  )
)

/** Ends a transaction with one written partition, as `change` of its producer. */
const ends = (committed: boolean, change: Change = same) => {
  return async (peer: Peer, version: number) => {
    const by = await producer(peer)
    const topic = await peer.topic()
    await written(peer, by, topic)
    const answer = await end(peer, version, change(by), committed)
    await complete(peer, by)
    const { transactionalId } = by
    return inOrder(answer, await peer.send(apis.describeTransactions, 0, { transactionalIds: [transactionalId] }))
  }
}

/** Ends a transaction twice, with the same producer both times. */
const endsTwice = (first: boolean, second: boolean) => async (peer: Peer, version: number) => {
  const by = await producer(peer)
  await written(peer, by, await peer.topic())
  const answer = await end(peer, version, by, first)
  await complete(peer, by)
  return inOrder(answer, await settled(() => end(peer, version, by, second)))
}

const endsNothing = (committed: boolean) => async (peer: Peer, version: number) => {
  const by = await producer(peer)
  const answer = await end(peer, version, by, committed)
  return inOrder(answer, await settled(() => end(peer, version, by, committed)))
}

const endCases: Case[] = casesOf(
  apis.endTxn,
  ['commits', ends(true)],
  ['aborts', ends(false)],
  ...changes.map(([name, change]) => [`refuses ${name}`, ALL, ends(true, change)] as const),
  ['commits nothing', endsNothing(true)],
  ['aborts nothing', endsNothing(false)],
  ['answers a second commit', endsTwice(true, true)],
  ['answers a second abort', endsTwice(false, false)],
  ['refuses to abort what is committed', endsTwice(true, false)],
  ['refuses to commit what is aborted', endsTwice(false, true)],
  [
    'goes on with what the end gave',
    async (peer, version) => {
      const by = await producer(peer)
      const topic = await peer.topic()
      await written(peer, by, topic)
      const answer = await end(peer, version, by, true)
      await complete(peer, by)
      const { producerId, producerEpoch } = version < 5 ? by : answer
      const next = { ...by, producerId, producerEpoch }
      const sequence = version < 5 ? 2 : 0
      const wrote = await write(peer, 12, next, topic, { sequence })
      const late = await write(peer, 12, by, topic, { sequence: 4 })
      return inOrder(answer, wrote, late, await end(peer, version, next, false))
    }
  ],
  [
    'refuses everybody after another producer took over',
    async (peer, version) => {
      const by = await producer(peer)
      await written(peer, by, await peer.topic())
      await settled(() => init(peer, 4, by.transactionalId))
      return end(peer, version, by, true)
    }
  ],
  [
    'commits offsets alone',
    async (peer, version) => {
      const by = await producer(peer)
      const { name } = await peer.topic(2)
      await peer.send(apis.addOffsetsToTxn, 3, { ...by, groupId: peer.scoped(GROUP) })
      await commitsOffsets(peer, 3, by, name)
      const answer = await end(peer, version, by, true)
      await complete(peer, by)
      return inOrder(answer, await offsetsOf(peer, name, true))
    }
  ]
)

export const transactionCases: Case[] = [
  ...initCases,
  ...addPartitionsCases,
  ...addOffsetsCases,
  ...unaddedGroupCases,
  ...txnOffsetCommitCases,
  ...endCases
]
