/** Groups of the consumer protocol (KIP-848): heartbeats, what they are refused for, and offsets of their members. */
import { randomBytes } from 'node:crypto'
import { apis } from '../../faults/apis.ts'
import { eventually } from '../waiting.ts'
import { type Case, casesOf } from './case.ts'
import { joined } from './group-cases.ts'
import { type Fixture, inOrder, type Peer } from './peer.ts'

const UNKNOWN_ID = 'AAAAAAAAAAAAAAAAAAAAQQ'
/** From v1 on a member names itself, and may subscribe by a regular expression. */
const NAMES_ITSELF: readonly [number, number] = [1, 100]
const LEAVES = -1
const LEAVES_STATIC = -2

export const newMemberId = (): string => randomBytes(16).toString('base64url')

interface Beat {
  readonly groupId?: string
  readonly memberId?: string
  readonly memberEpoch?: number
  readonly instanceId?: string | null
  readonly rackId?: string | null
  readonly rebalanceTimeoutMs?: number
  readonly subscribedTopicNames?: string[] | null
  readonly subscribedTopicRegex?: string | null
  readonly serverAssignor?: string | null
  readonly topicPartitions?: { topicId: string; partitions: number[] }[] | null
}

const heartbeat = (peer: Peer, version: number, beat: Beat) =>
  peer.send(apis.consumerGroupHeartbeat, version, {
    groupId: peer.scoped('group'),
    memberId: newMemberId(),
    memberEpoch: 0,
    rebalanceTimeoutMs: 60_000,
    subscribedTopicNames: [peer.scoped('topic')],
    topicPartitions: [],
    ...beat
  })

/** Makes `topic` with two partitions; Kafka's group coordinators learn of it a little later than its other parts. */
export async function groupTopic(peer: Peer): Promise<void> {
  await peer.topic(2)
  let probes = 0
  await eventually('the coordinators know the topic', async () => {
    const { assignment } = await heartbeat(peer, 1, { groupId: peer.scoped(`probe-${probes++}`) })
    return assignment?.topicPartitions.length === 1
  })
}

/** The first heartbeat of a member, with one thing in it that is otherwise. */
const joins = (beat: Beat | ((peer: Peer) => Beat)) => async (peer: Peer, version: number) => {
  await groupTopic(peer)
  return heartbeat(peer, version, typeof beat === 'function' ? beat(peer) : beat)
}

interface Member {
  readonly groupId: string
  readonly memberId: string
  readonly memberEpoch: number
  readonly topic: Fixture
}

/** A group with one member that has both partitions of its topic. */
async function member(peer: Peer, beat: Beat = {}, label = 'group'): Promise<Member> {
  const topic = await peer.topic(2, {}, `${label}-topic`)
  const groupId = peer.scoped(label)
  const identity = { groupId, memberId: newMemberId(), subscribedTopicNames: [topic.name], ...beat }
  let memberEpoch = 0
  let partitions = 0
  await eventually('the member has its partitions', async () => {
    const topicPartitions = memberEpoch === 0 ? [] : null
    const answer = await heartbeat(peer, 1, { ...identity, memberEpoch, topicPartitions })
    if (answer.errorCode !== 0) throw new Error(`ConsumerGroupHeartbeat answered ${answer.errorCode}`)
    memberEpoch = answer.memberEpoch
    partitions = answer.assignment?.topicPartitions[0]?.partitions.length ?? partitions
    return partitions === 2
  })
  const topicPartitions = [{ topicId: topic.id, partitions: [0, 1] }]
  await heartbeat(peer, 1, { ...identity, memberEpoch, topicPartitions })
  return { groupId, memberId: identity.memberId, memberEpoch, topic }
}

const unchanged = { rebalanceTimeoutMs: -1, subscribedTopicNames: null, topicPartitions: null }

/** A heartbeat of a stable member, with one thing in it that is otherwise. */
const beats =
  (change: (one: Member) => Beat, joining: Beat = {}) =>
  async (peer: Peer, version: number) => {
    const one = await member(peer, joining)
    const { groupId, memberId, memberEpoch } = one
    const beat = { groupId, memberId, memberEpoch, ...unchanged, ...joining, ...change(one) }
    return since(one, await heartbeat(peer, version, beat))
  }

type Answer = Awaited<ReturnType<typeof heartbeat>>

/** Whether Kafka's coordinator sees a new topic before its first member or after, and raises the epoch again, is chance. */
function since(one: Member, answer: Answer): Answer {
  const { memberEpoch } = answer
  return memberEpoch > 0 ? { ...answer, memberEpoch: memberEpoch - one.memberEpoch } : answer
}

const STATIC = { instanceId: 'static-1' }

const joinCases: Case[] = casesOf(
  apis.consumerGroupHeartbeat,
  ['joins a group that is new', joins({})],
  ['names a member that names itself not', joins({ memberId: '' })],
  ['refuses an empty group id', joins({ groupId: '' })],
  ['refuses a blank group id', joins({ groupId: '  ' })],
  ['refuses an epoch below the lowest', joins({ memberEpoch: -3 })],
  ['does not know a group whose member has an epoch', joins({ memberEpoch: 5 })],
  ['does not know a group that somebody leaves', joins({ memberEpoch: LEAVES })],
  ['refuses to join without a rebalance timeout', joins({ rebalanceTimeoutMs: -1 })],
  ['joins with a rebalance timeout of zero', joins({ rebalanceTimeoutMs: 0 })],
  ['refuses to join without partitions', joins({ topicPartitions: null })],
  ['refuses to join with partitions', joins({ topicPartitions: [{ topicId: UNKNOWN_ID, partitions: [0] }] })],
  ['refuses to join without a subscription', joins({ subscribedTopicNames: null })],
  ['joins with an empty subscription', joins({ subscribedTopicNames: [] })],
  ['joins with topics that are none', joins((peer) => ({ subscribedTopicNames: [peer.scoped('none')] }))],
  ['joins with a topic name that is none', joins({ subscribedTopicNames: ['a/b', ''] })],
  ['refuses an empty instance id', joins({ instanceId: '' })],
  ['refuses an empty rack', joins({ rackId: '' })],
  ['joins with a rack', joins({ rackId: 'zone-1' })],
  ['does not know an assignor', joins({ serverAssignor: 'nonsense' })],
  ['refuses an empty assignor', joins({ serverAssignor: '' })],
  ['joins with the assignor range', joins({ serverAssignor: 'range' })],
  ['joins as a static member', joins(STATIC)],
  ['refuses to leave as a static member without an instance', joins({ memberEpoch: LEAVES_STATIC })],
  ['joins by a regular expression', NAMES_ITSELF, joins({ subscribedTopicNames: null, subscribedTopicRegex: 'no.*' })],
  ['refuses a regular expression that is none', NAMES_ITSELF, joins({ subscribedTopicRegex: '(' })],
  [
    'joins by an empty regular expression',
    NAMES_ITSELF,
    joins({ subscribedTopicNames: null, subscribedTopicRegex: '' })
  ],
  [
    'refuses to join a group of the classic protocol that does not speak consumer',
    async (peer, version) => {
      const { groupId } = await joined(peer, { protocolType: 'connect' })
      return heartbeat(peer, version, { groupId })
    }
  ]
)

const beatCases: Case[] = casesOf(
  apis.consumerGroupHeartbeat,
  ['answers a member that has nothing new', beats(() => ({}))],
  ['tells everything to a member that tells everything', beats(({ topic }) => whole(topic))],
  ['fences an older epoch', beats(({ memberEpoch }) => ({ memberEpoch: memberEpoch - 1 }))],
  ['refuses a newer epoch', beats(({ memberEpoch }) => ({ memberEpoch: memberEpoch + 5 }))],
  ['does not know a member', beats(() => ({ memberId: newMemberId() }))],
  ['refuses a member without an id', beats(() => ({ memberId: '' }))],
  ['does not know a group', beats(({ groupId }) => ({ groupId: `${groupId}-none` }))],
  ['lets a member join again', beats(({ topic }) => ({ ...whole(topic), topicPartitions: [], memberEpoch: 0 }))],
  ['lets a member leave', beats(() => ({ memberEpoch: LEAVES }))],
  ['bumps the epoch for another subscription', beats(() => ({ subscribedTopicNames: ['no-such-topic'] }))],
  ['does not bump the epoch for the same subscription', beats(({ topic }) => ({ subscribedTopicNames: [topic.name] }))],
  ['does not bump the epoch for another rebalance timeout', beats(() => ({ rebalanceTimeoutMs: 1234 }))],
  ['refuses an assignor that is none, later', beats(() => ({ serverAssignor: 'nonsense' }))],
  [
    'takes partitions that are not its own',
    beats(({ topic }) => ({ topicPartitions: [{ topicId: topic.id, partitions: [0, 7] }] }))
  ],
  ['answers a static member', beats(() => ({}), STATIC)],
  ['does not know an instance', beats(() => ({ instanceId: 'static-9' }), STATIC)],
  ['fences another member under the same instance', beats(() => ({ memberId: newMemberId() }), STATIC)],
  [
    'refuses a second member under the same instance',
    beats(({ topic }) => ({ memberId: newMemberId(), ...joiningAgain(topic) }), STATIC)
  ],
  ['lets a static member leave for a while', beats(() => ({ memberEpoch: LEAVES_STATIC }), STATIC)],
  ['lets a static member leave for good', beats(() => ({ memberEpoch: LEAVES }), STATIC)],
  [
    'gives what a static member had to who comes back for it',
    async (peer, version) => {
      const one = await member(peer, STATIC)
      const { groupId, memberId, topic } = one
      const leave = await heartbeat(peer, version, {
        groupId,
        memberId,
        ...unchanged,
        ...STATIC,
        memberEpoch: LEAVES_STATIC
      })
      const back = { groupId, memberId: newMemberId(), ...STATIC }
      const again = await heartbeat(peer, version, { ...back, ...joiningAgain(topic) })
      const old = await heartbeat(peer, version, { groupId, memberId, ...unchanged, ...STATIC, memberEpoch: 1 })
      return inOrder(leave, since(one, again), old)
    }
  ],
  [
    'lets a second member wait for what the first gives up',
    async (peer, version) => {
      const one = await member(peer)
      const { groupId, memberId, memberEpoch, topic } = one
      const second = newMemberId()
      const subscribedTopicNames = [topic.name]
      const waiting = await heartbeat(peer, version, { groupId, memberId: second, subscribedTopicNames })
      const told = await heartbeat(peer, version, { groupId, memberId, memberEpoch, ...unchanged })
      const kept = told.assignment?.topicPartitions[0]?.partitions ?? []
      const owned = { topicPartitions: [{ topicId: topic.id, partitions: kept }] }
      const gave = await heartbeat(peer, version, { groupId, memberId, memberEpoch, ...unchanged, ...owned })
      const later = { groupId, memberId: second, memberEpoch: waiting.memberEpoch, ...unchanged }
      const got = await heartbeat(peer, version, later)
      return inOrder(...[waiting, told, gave, got].map((answer) => counted(since(one, answer))))
    }
  ]
)

function whole(topic: Fixture): Beat {
  const topicPartitions = [{ topicId: topic.id, partitions: [0, 1] }]
  return { rebalanceTimeoutMs: 60_000, subscribedTopicNames: [topic.name], topicPartitions }
}

const joiningAgain = (topic: Fixture): Beat => ({ ...whole(topic), topicPartitions: [], memberEpoch: 0 })

/** Which partition of two a member keeps follows from ids that are drawn at random. */
function counted({ assignment, ...rest }: Answer) {
  const partitions = assignment?.topicPartitions.flatMap((topic) => topic.partitions).length
  return { ...rest, partitions: partitions ?? null }
}

const describes = (change: (one: Member) => string[]) => async (peer: Peer, version: number) => {
  const one = await member(peer)
  return describe(peer, version, change(one))
}

async function describe(peer: Peer, version: number, groupIds: string[], includeAuthorizedOperations = false) {
  const { groups } = await peer.send(apis.consumerGroupDescribe, version, { groupIds, includeAuthorizedOperations })
  return groups.map(({ groupEpoch, assignmentEpoch, members, ...group }) => ({
    ...group,
    members: members.map(({ memberEpoch, ...one }) => ({ ...one, current: memberEpoch === groupEpoch })),
    current: assignmentEpoch === groupEpoch
  }))
}

const describeCases: Case[] = casesOf(
  apis.consumerGroupDescribe,
  ['tells of a group', describes(({ groupId }) => [groupId])],
  ['tells of a group, and not of one that is none', describes(({ groupId }) => [groupId, `${groupId}-none`, ''])],
  ['tells of no group', describes(() => [])],
  [
    'refuses a group of the classic protocol',
    async (peer, version) => {
      const { groupId } = await joined(peer)
      const request = { groupIds: [groupId], includeAuthorizedOperations: false }
      return peer.send(apis.consumerGroupDescribe, version, request)
    }
  ],
  [
    'tells of an empty group, and what may be done with it',
    async (peer, version) => {
      const { groupId, memberId } = await member(peer)
      await heartbeat(peer, 1, { groupId, memberId, ...unchanged, memberEpoch: LEAVES })
      return describe(peer, version, [groupId], true)
    }
  ]
)

function commit(
  peer: Peer,
  version: number,
  one: Member,
  change: { memberId?: string; epoch?: number; groupId?: string }
) {
  const { groupId = one.groupId, memberId = one.memberId, epoch = one.memberEpoch } = change
  const partitions = [{ partitionIndex: 0, committedOffset: 3, committedMetadata: 'note' }]
  const topics = [{ name: one.topic.name, topicId: one.topic.id, partitions }]
  return peer.send(apis.offsetCommit, version, { groupId, memberId, generationIdOrMemberEpoch: epoch, topics })
}

interface Claim {
  readonly memberId?: string | null
  readonly memberEpoch?: number
}

async function fetchAs(peer: Peer, version: number, one: Member, claim: Claim) {
  await commit(peer, 9, one, {})
  const topics = [{ name: one.topic.name, topicId: one.topic.id, partitionIndexes: [0, 1] }]
  const groups = [{ groupId: one.groupId, ...claim, topics }]
  return peer.send(apis.offsetFetch, version, { groupId: '', topics: [], groups, requireStable: false })
}

const OF_MEMBERS: readonly [number, number] = [9, 100]

const offsetCases: Case[] = [
  ...casesOf(
    apis.offsetCommit,
    ...(
      [
        ['takes a commit of a member', () => ({})],
        ['refuses an older epoch of a member', ({ memberEpoch }) => ({ epoch: memberEpoch - 1 })],
        ['refuses a newer epoch of a member', ({ memberEpoch }) => ({ epoch: memberEpoch + 5 })],
        ['does not know a member of a consumer group', () => ({ memberId: newMemberId() })],
        ['refuses a commit from outside a consumer group', () => ({ memberId: '', epoch: -1 })]
      ] as const satisfies readonly (readonly [string, (one: Member) => { memberId?: string; epoch?: number }])[]
    ).map(
      ([name, change]) =>
        [
          name,
          async (peer: Peer, version: number) => {
            const one = await member(peer)
            return commit(peer, version, one, change(one))
          }
        ] as const
    )
  ),
  ...casesOf(
    apis.offsetFetch,
    ...(
      [
        ['tells a member what is committed', ({ memberId, memberEpoch }) => ({ memberId, memberEpoch })],
        ['refuses to tell an older epoch', ({ memberId, memberEpoch }) => ({ memberId, memberEpoch: memberEpoch - 1 })],
        ['refuses to tell a newer epoch', ({ memberId, memberEpoch }) => ({ memberId, memberEpoch: memberEpoch + 5 })],
        ['refuses to tell a member that is none', () => ({ memberId: newMemberId(), memberEpoch: 1 })],
        ['tells who is no member', () => ({ memberId: null, memberEpoch: -1 })]
      ] as const satisfies readonly (readonly [string, (one: Member) => Claim])[]
    ).map(
      ([name, claim]) =>
        [
          name,
          OF_MEMBERS,
          async (peer: Peer, version: number) => {
            const one = await member(peer)
            return fetchAs(peer, version, one, claim(one))
          }
        ] as const
    )
  )
]

const onOtherApis: Case[] = [
  ...casesOf(apis.listGroups, [
    'lists a consumer group by state and type',
    [5, 100],
    async (peer, version) => {
      const { groupId } = await member(peer)
      const listed = async (statesFilter: string[], typesFilter: string[]) => {
        const response = await peer.send(apis.listGroups, version, { statesFilter, typesFilter })
        return response.groups.filter((group) => group.groupId === groupId)
      }
      return inOrder(
        await listed([], ['consumer']),
        await listed(['Stable'], []),
        await listed(['Empty'], ['Consumer'])
      )
    }
  ]),
  ...casesOf(apis.describeGroups, [
    'tells nothing of a consumer group',
    [3, 100],
    async (peer, version) => {
      const { groupId } = await member(peer)
      return peer.send(apis.describeGroups, version, { groups: [groupId], includeAuthorizedOperations: true })
    }
  ]),
  ...casesOf(apis.joinGroup, [
    'refuses a classic member of another type in a consumer group',
    async (peer, version) => {
      const { groupId } = await member(peer)
      const protocols = [{ name: 'range', metadata: Buffer.alloc(0) }]
      const timeouts = { sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 5000 }
      return peer.send(apis.joinGroup, version, {
        groupId,
        ...timeouts,
        memberId: '',
        protocolType: 'connect',
        protocols
      })
    }
  ]),
  ...casesOf(apis.heartbeat, [
    'does not know a member of a consumer group',
    async (peer, version) => {
      const { groupId, memberId } = await member(peer)
      return peer.send(apis.heartbeat, version, { groupId, memberId, generationId: 1 })
    }
  ]),
  ...casesOf(apis.deleteGroups, [
    'deletes a consumer group once it is empty',
    async (peer, version) => {
      const { groupId, memberId } = await member(peer)
      const busy = await peer.send(apis.deleteGroups, version, { groupsNames: [groupId] })
      await heartbeat(peer, 1, { groupId, memberId, ...unchanged, memberEpoch: LEAVES })
      return inOrder(busy, await peer.send(apis.deleteGroups, version, { groupsNames: [groupId] }))
    }
  ]),
  ...casesOf(apis.offsetDelete, [
    'refuses topics that a consumer group subscribes to',
    async (peer, version) => {
      const one = await member(peer)
      await commit(peer, 9, one, {})
      const topics = [{ name: one.topic.name, partitions: [{ partitionIndex: 0 }] }]
      return peer.send(apis.offsetDelete, version, { groupId: one.groupId, topics })
    }
  ])
]

export const consumerGroupCases: Case[] = [...joinCases, ...beatCases, ...describeCases, ...offsetCases, ...onOtherApis]
