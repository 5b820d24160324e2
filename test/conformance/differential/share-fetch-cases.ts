/** Reading as a member of a share group: sessions, what is acquired, and how it is acknowledged. */
import { apis } from '../../faults/apis.ts'
import { eventually, pause } from '../waiting.ts'
import { type Case, casesOf } from './case.ts'
import { newMemberId } from './consumer-group-cases.ts'
import { inOrder, type Peer } from './peer.ts'
import { type ShareMember, shareMember } from './share-group-cases.ts'

const UNKNOWN_ID = 'AAAAAAAAAAAAAAAAAAAAQQ'
/** Kafka gives back what a session had a moment after it was closed. */
const SETTLE_MS = 300
const OPENS = 0
const CLOSES = -1
const GAP = 0
const ACCEPT = 1
const RELEASE = 2
const REJECT = 3
const RENEW = 4

interface Batch {
  readonly firstOffset: number
  readonly lastOffset: number
  readonly acknowledgeTypes: number[]
}

const all = (type: number): Batch => ({ firstOffset: 0, lastOffset: 3, acknowledgeTypes: [type] })

interface Asked {
  readonly epoch?: number
  readonly groupId?: string | null
  readonly memberId?: string | null
  readonly topicId?: string
  readonly partition?: number
  readonly batches?: readonly Batch[]
  readonly maxRecords?: number
  readonly batchSize?: number
  readonly maxBytes?: number
  readonly maxWaitMs?: number
  readonly acquireMode?: number
  readonly renew?: boolean
  readonly nothing?: boolean
}

function topicsOf(one: ShareMember, { topicId = one.topic.id, partition = 0, batches = [], nothing = false }: Asked) {
  return nothing ? [] : [{ topicId, partitions: [{ partitionIndex: partition, acknowledgementBatches: [...batches] }] }]
}

function fetch(peer: Peer, version: number, one: ShareMember, asked: Asked = {}) {
  const { epoch = OPENS, groupId = one.groupId, memberId = one.memberId, maxRecords = 500, batchSize = 500 } = asked
  return peer.send(apis.shareFetch, version, {
    groupId,
    memberId,
    shareSessionEpoch: epoch,
    maxWaitMs: asked.maxWaitMs ?? 100,
    minBytes: 1,
    maxBytes: asked.maxBytes ?? 1_000_000,
    maxRecords,
    batchSize,
    shareAcquireMode: asked.acquireMode ?? 0,
    isRenewAck: asked.renew ?? false,
    topics: topicsOf(one, asked),
    forgottenTopicsData: []
  })
}

function acknowledge(peer: Peer, version: number, one: ShareMember, asked: Asked = {}) {
  const { epoch = 1, groupId = one.groupId, memberId = one.memberId, renew = false } = asked
  const request = { groupId, memberId, shareSessionEpoch: epoch, isRenewAck: renew, topics: topicsOf(one, asked) }
  return peer.send(apis.shareAcknowledge, version, request)
}

/** A member of a group that stands before twelve records in three batches. */
const reader = async (peer: Peer): Promise<ShareMember> => shareMember(peer, await peer.readableTopic())

/** A member that has acquired `maxRecords` in a session whose next epoch is returned. */
async function acquired(peer: Peer, maxRecords = 4): Promise<{ one: ShareMember; epoch: number }> {
  const one = await reader(peer)
  let epoch = OPENS
  await eventually('records are acquired', async () => {
    const answer = await fetch(peer, 2, one, { epoch, maxRecords, batchSize: maxRecords, nothing: epoch > OPENS })
    if (answer.errorCode !== 0) throw new Error(`ShareFetch answered ${answer.errorCode}`)
    epoch++
    return (answer.responses[0]?.partitions[0]?.acquiredRecords.length ?? 0) > 0
  })
  return { one, epoch }
}

/** The first fetch of a member, asked for again until the partition is loaded when nothing is wrong with it. */
const opens =
  (asked: Asked = {}) =>
  async (peer: Peer, version: number) => {
    const one = await reader(peer)
    let answer = await fetch(peer, version, one, asked)
    if (asked.epoch !== undefined || asked.groupId !== undefined || asked.memberId !== undefined) return answer
    let epoch = OPENS
    await eventually('the partition is loaded', async () => {
      const partition = answer.responses[0]?.partitions[0]
      if (answer.errorCode !== 0 || (partition?.errorCode ?? 0) !== 0) return true
      if ((partition?.acquiredRecords.length ?? 0) > 0) return true
      answer = await fetch(peer, version, one, { ...asked, epoch: ++epoch, nothing: true, batches: [] })
      return false
    })
    return answer
  }

const sessionCases: Case[] = casesOf(
  apis.shareFetch,
  ['acquires from the beginning', opens()],
  ['acquires batches as long as records are wanted', opens({ maxRecords: 2 })],
  ['acquires not more records than wanted', [2, 100], opens({ maxRecords: 2, acquireMode: 1 })],
  ['refuses a way of acquiring that is none', [2, 100], opens({ acquireMode: 7, epoch: OPENS })],
  ['acquires in batches of a size', opens({ batchSize: 2 })],
  ['answers a wish for no records', opens({ maxRecords: 0, epoch: OPENS })],
  ['answers a wish for a negative number of records', opens({ maxRecords: -1, epoch: OPENS })],
  ['does not know a topic', opens({ topicId: UNKNOWN_ID })],
  ['does not know a partition', opens({ partition: 7 })],
  ['does not know a session', opens({ epoch: 5 })],
  ['does not know a session that is closed', opens({ epoch: CLOSES })],
  ['refuses a negative epoch', opens({ epoch: -7 })],
  ['refuses an empty group', opens({ groupId: '' })],
  ['refuses a missing group', opens({ groupId: null })],
  ['refuses an empty member', opens({ memberId: '' })],
  ['refuses a missing member', opens({ memberId: null })],
  ['refuses a member whose id is too long', opens({ memberId: 'x'.repeat(40) })],
  ['answers a member that is none', opens({ memberId: newMemberId() })],
  ['refuses to acknowledge while it opens a session', opens({ batches: [all(ACCEPT)] })],
  [
    'gives nothing twice',
    async (peer, version) => {
      const { one, epoch } = await acquired(peer, 12)
      return fetch(peer, version, one, { epoch, nothing: true })
    }
  ],
  ...(
    [
      ['accepts', [all(ACCEPT)]],
      ['releases', [all(RELEASE)]],
      ['rejects', [all(REJECT)]],
      ['skips', [all(GAP)]],
      ['renews without saying so', [all(RENEW)]],
      ['refuses a kind of acknowledgement that is none', [all(9)]],
      ['accepts one by one', [{ ...all(ACCEPT), acknowledgeTypes: [ACCEPT, RELEASE, REJECT, GAP] }]],
      ['refuses too few kinds', [{ ...all(ACCEPT), acknowledgeTypes: [ACCEPT, RELEASE] }]],
      ['refuses no kinds', [{ ...all(ACCEPT), acknowledgeTypes: [] }]],
      ['refuses a range that is turned around', [{ firstOffset: 3, lastOffset: 0, acknowledgeTypes: [ACCEPT] }]],
      ['refuses ranges that overlap', [all(ACCEPT), { firstOffset: 2, lastOffset: 3, acknowledgeTypes: [ACCEPT] }]],
      ['answers records that are not acquired', [{ firstOffset: 8, lastOffset: 11, acknowledgeTypes: [ACCEPT] }]],
      ['answers records that are not yet', [{ firstOffset: 100, lastOffset: 101, acknowledgeTypes: [ACCEPT] }]],
      ['accepts a part', [{ firstOffset: 1, lastOffset: 2, acknowledgeTypes: [ACCEPT] }]]
    ] as const satisfies readonly (readonly [string, Batch[]])[]
  ).map(
    ([name, batches]) =>
      [
        `${name} and goes on`,
        async (peer: Peer, version: number) => {
          const { one, epoch } = await acquired(peer)
          // Records that are given back may or may not be taken by the same request: it takes none.
          const first = await fetch(peer, version, one, { epoch, batches, maxRecords: 0 })
          return inOrder(first, await fetch(peer, version, one, { epoch: epoch + 1, nothing: true }))
        }
      ] as const
  ),
  [
    'renews and fetches nothing',
    [2, 100],
    async (peer, version) => {
      const { one, epoch } = await acquired(peer)
      const limits = { maxWaitMs: 0, maxRecords: 0, maxBytes: 0 }
      return fetch(peer, version, one, { epoch, batches: [all(RENEW)], renew: true, ...limits })
    }
  ],
  [
    'refuses to renew and fetch',
    [2, 100],
    async (peer, version) => {
      const { one, epoch } = await acquired(peer)
      return fetch(peer, version, one, { epoch, batches: [all(RENEW)], renew: true })
    }
  ],
  [
    'refuses an epoch that is not the next, and goes on with the right one',
    async (peer, version) => {
      const { one, epoch } = await acquired(peer)
      const wrong = await fetch(peer, version, one, { epoch: epoch + 3, nothing: true })
      return inOrder(wrong, await fetch(peer, version, one, { epoch, nothing: true, maxRecords: 4 }))
    }
  ],
  [
    'opens a session anew',
    async (peer, version) => {
      const { one } = await acquired(peer)
      return fetch(peer, version, one, { maxRecords: 4 })
    }
  ],
  [
    'gives back what a session that is closed had',
    async (peer, version) => {
      const { one, epoch } = await acquired(peer)
      const batches = [{ firstOffset: 0, lastOffset: 1, acknowledgeTypes: [ACCEPT] }]
      const closed = await fetch(peer, version, one, { epoch: CLOSES, batches })
      await pause(SETTLE_MS)
      const late = await fetch(peer, version, one, { epoch, nothing: true })
      return inOrder(closed, late, await fetch(peer, version, one, { maxRecords: 4 }))
    }
  ]
)

const acknowledgeCases: Case[] = casesOf(
  apis.shareAcknowledge,
  ...(
    [
      ['accepts', { batches: [all(ACCEPT)] }],
      ['releases', { batches: [all(RELEASE)] }],
      ['rejects', { batches: [all(REJECT)] }],
      ['refuses a kind of acknowledgement that is none', { batches: [all(9)] }],
      ['refuses no kinds', { batches: [{ ...all(ACCEPT), acknowledgeTypes: [] }] }],
      ['answers records that are not acquired', { batches: [{ ...all(ACCEPT), firstOffset: 8, lastOffset: 9 }] }],
      ['takes nothing', { nothing: true }],
      ['does not know a topic', { topicId: UNKNOWN_ID, batches: [all(ACCEPT)] }],
      ['does not know a partition', { partition: 7, batches: [all(ACCEPT)] }],
      ['refuses to open a session', { epoch: OPENS, batches: [all(ACCEPT)] }],
      ['refuses an epoch that is not the next', { epoch: 77, batches: [all(ACCEPT)] }],
      ['does not know a member', { memberId: newMemberId(), batches: [all(ACCEPT)] }],
      ['does not know a group', { groupId: 'no-such-group', batches: [all(ACCEPT)] }],
      ['refuses a missing member', { memberId: null, batches: [all(ACCEPT)] }],
      ['refuses a missing group', { groupId: null, batches: [all(ACCEPT)] }],
      ['closes the session', { epoch: CLOSES, batches: [{ ...all(ACCEPT), lastOffset: 1 }] }]
    ] as const satisfies readonly (readonly [string, Asked])[]
  ).map(
    ([name, asked]) =>
      [
        name,
        async (peer: Peer, version: number) => {
          const { one, epoch } = await acquired(peer)
          const answer = await acknowledge(peer, version, one, { epoch, ...asked })
          await pause(SETTLE_MS)
          return inOrder(answer, await fetch(peer, 2, one, { maxRecords: 4, batchSize: 4 }))
        }
      ] as const
  ),
  [
    'refuses to accept twice',
    async (peer, version) => {
      const { one, epoch } = await acquired(peer)
      const first = await acknowledge(peer, version, one, { epoch, batches: [all(ACCEPT)] })
      return inOrder(first, await acknowledge(peer, version, one, { epoch: epoch + 1, batches: [all(ACCEPT)] }))
    }
  ],
  [
    'renews',
    [2, 100],
    async (peer, version) => {
      const { one, epoch } = await acquired(peer)
      const asked = { epoch, batches: [all(RENEW)] }
      const unsaid = await acknowledge(peer, version, one, asked)
      return inOrder(unsaid, await acknowledge(peer, version, one, { ...asked, epoch: epoch + 1, renew: true }))
    }
  ]
)

export const shareFetchCases: Case[] = [...sessionCases, ...acknowledgeCases]
