/** Share groups (KIP-932): their members, where they stand, and what the share coordinator keeps for them. */
import { apis } from '../../faults/apis.ts'
import { eventually } from '../waiting.ts'
import { type Case, casesOf } from './case.ts'
import { newMemberId } from './consumer-group-cases.ts'
import { joined } from './group-cases.ts'
import { type Fixture, inOrder, type Peer } from './peer.ts'

const GROUP_RESOURCE = 32
const SET = 0
const LEAVES = -1

interface Beat {
  readonly groupId?: string
  readonly memberId?: string
  readonly memberEpoch?: number
  readonly rackId?: string | null
  readonly subscribedTopicNames?: string[] | null
}

const heartbeat = (peer: Peer, version: number, beat: Beat) =>
  peer.send(apis.shareGroupHeartbeat, version, {
    groupId: peer.scoped('group'),
    memberId: newMemberId(),
    memberEpoch: 0,
    subscribedTopicNames: [peer.scoped('topic')],
    ...beat
  })

export interface ShareMember {
  readonly groupId: string
  readonly memberId: string
  readonly memberEpoch: number
  readonly topic: Fixture
}

/** A share group that reads from the earliest record, with one member that is assigned the topic. */
export async function shareMember(peer: Peer, topic: Fixture, partitions = 1): Promise<ShareMember> {
  const groupId = peer.scoped('group')
  const memberId = newMemberId()
  const configs = [{ name: 'share.auto.offset.reset', configOperation: SET, value: 'earliest' }]
  const resources = [{ resourceType: GROUP_RESOURCE, resourceName: groupId, configs }]
  await peer.send(apis.incrementalAlterConfigs, 1, { resources, validateOnly: false })
  let memberEpoch = 0
  await eventually('the member has its partitions', async () => {
    const answer = await heartbeat(peer, 1, { groupId, memberId, memberEpoch, subscribedTopicNames: [topic.name] })
    if (answer.errorCode !== 0) throw new Error(`ShareGroupHeartbeat answered ${answer.errorCode}`)
    memberEpoch = answer.memberEpoch
    return answer.assignment?.topicPartitions[0]?.partitions.length === partitions
  })
  return { groupId, memberId, memberEpoch, topic }
}

const joins = (beat: Beat | ((peer: Peer) => Beat)) => async (peer: Peer, version: number) => {
  const { memberEpoch: _, ...answer } = await heartbeat(peer, version, typeof beat === 'function' ? beat(peer) : beat)
  return answer
}

/** A heartbeat of a stable member, with one thing in it that is otherwise. */
const beats = (change: (one: ShareMember) => Beat) => async (peer: Peer, version: number) => {
  const one = await shareMember(peer, await peer.topic())
  const { groupId, memberId, memberEpoch } = one
  const answer = await heartbeat(peer, version, {
    groupId,
    memberId,
    memberEpoch,
    subscribedTopicNames: null,
    ...change(one)
  })
  // How often the group was rebalanced until now is a matter of timing.
  return answer.memberEpoch > 0 ? { ...answer, memberEpoch: answer.memberEpoch - memberEpoch } : answer
}

const heartbeatCases: Case[] = casesOf(
  apis.shareGroupHeartbeat,
  ['joins a group that is new', joins({})],
  ['refuses a member without an id', joins({ memberId: '' })],
  ['refuses an empty group id', joins({ groupId: '' })],
  ['refuses an epoch below the lowest', joins({ memberEpoch: -2 })],
  ['does not know a group whose member has an epoch', joins({ memberEpoch: 5 })],
  ['does not know a group that somebody leaves', joins({ memberEpoch: LEAVES })],
  ['refuses to join without a subscription', joins({ subscribedTopicNames: null })],
  ['refuses to join with an empty subscription', joins({ subscribedTopicNames: [] })],
  ['joins with topics that are none', joins((peer) => ({ subscribedTopicNames: [peer.scoped('none')] }))],
  ['refuses an empty rack', joins({ rackId: '' })],
  [
    'refuses a group of the classic protocol',
    async (peer, version) => {
      const { groupId } = await joined(peer)
      return heartbeat(peer, version, { groupId })
    }
  ],
  ['answers a member that has nothing new', beats(() => ({}))],
  [
    'tells everything to a member that tells everything',
    beats(({ topic }) => ({ subscribedTopicNames: [topic.name] }))
  ],
  ['fences an epoch long ago', beats(() => ({ memberEpoch: 1 }))],
  ['refuses a newer epoch', beats(({ memberEpoch }) => ({ memberEpoch: memberEpoch + 5 }))],
  ['does not know a member', beats(() => ({ memberId: newMemberId() }))],
  ['does not know a group', beats(({ groupId }) => ({ groupId: `${groupId}-none` }))],
  ['lets a member join again', beats(({ topic }) => ({ memberEpoch: 0, subscribedTopicNames: [topic.name] }))],
  ['bumps the epoch for another subscription', beats(() => ({ subscribedTopicNames: ['no-such-topic'] }))],
  ['lets a member leave', beats(() => ({ memberEpoch: LEAVES }))]
)

async function describe(peer: Peer, version: number, groupIds: string[]) {
  const answer = await peer.send(apis.shareGroupDescribe, version, { groupIds, includeAuthorizedOperations: true })
  return answer.groups.map(({ groupEpoch, assignmentEpoch, members, ...group }) => ({
    ...group,
    members: members.map(({ memberEpoch, ...one }) => ({ ...one, current: memberEpoch === groupEpoch })),
    current: assignmentEpoch === groupEpoch
  }))
}

const describeCases: Case[] = casesOf(
  apis.shareGroupDescribe,
  [
    'tells of a group, and not of one that is none',
    async (peer, version) => {
      const { groupId } = await shareMember(peer, await peer.topic(2), 2)
      return describe(peer, version, [groupId, `${groupId}-none`, ''])
    }
  ],
  [
    'refuses a group of the classic protocol',
    async (peer, version) => describe(peer, version, [(await joined(peer)).groupId])
  ],
  [
    'tells of an empty group',
    async (peer, version) => {
      const { groupId, memberId } = await shareMember(peer, await peer.topic())
      await heartbeat(peer, 1, { groupId, memberId, memberEpoch: LEAVES, subscribedTopicNames: null })
      return describe(peer, version, [groupId])
    }
  ]
)

/** An empty share group that stands at the earliest record of a topic with twelve. */
async function emptyGroup(peer: Peer): Promise<ShareMember> {
  const one = await shareMember(peer, await peer.readableTopic())
  const { groupId, memberId } = one
  await heartbeat(peer, 1, { groupId, memberId, memberEpoch: LEAVES, subscribedTopicNames: null })
  return one
}

interface AlterChange {
  readonly topicName?: string
  readonly partitionIndex?: number
  readonly startOffset: number
}

type OffsetTopics = { topicName: string; partitions: number[] }[] | null

async function offsetsOf(peer: Peer, version: number, groups: { groupId: string; topics: OffsetTopics }[]) {
  return peer.send(apis.describeShareGroupOffsets, version, { groups })
}

const offsetCases: Case[] = [
  ...casesOf(
    apis.describeShareGroupOffsets,
    [
      'tells where a group stands that has read nothing',
      async (peer, version) => {
        const { groupId, topic } = await emptyGroup(peer)
        return offsetsOf(peer, version, [{ groupId, topics: [{ topicName: topic.name, partitions: [0] }] }])
      }
    ],
    [
      'tells of all topics of a group',
      async (peer, version) => offsetsOf(peer, version, [{ groupId: (await emptyGroup(peer)).groupId, topics: null }])
    ],
    [
      'does not know a topic',
      async (peer, version) => {
        const { groupId } = await emptyGroup(peer)
        return offsetsOf(peer, version, [{ groupId, topics: [{ topicName: peer.scoped('none'), partitions: [0] }] }])
      }
    ],
    [
      'does not know a group, beside one that it knows',
      async (peer, version) => {
        const { groupId, topic } = await emptyGroup(peer)
        const topics = [{ topicName: topic.name, partitions: [0] }]
        return offsetsOf(peer, version, [
          { groupId, topics },
          { groupId: `${groupId}-none`, topics },
          { groupId: `${groupId}-nil`, topics: null }
        ])
      }
    ],
    [
      'tells nothing of an empty group id',
      (peer, version) => offsetsOf(peer, version, [{ groupId: '', topics: null }])
    ],
    [
      'tells nothing of a group of the classic protocol',
      async (peer, version) => {
        const { groupId } = await joined(peer)
        return offsetsOf(peer, version, [{ groupId, topics: null }])
      }
    ]
  ),
  ...casesOf(
    apis.alterShareGroupOffsets,
    ...(
      [
        ['moves an empty group', { startOffset: 5 }],
        ['moves it beyond the end', { startOffset: 500 }],
        ['refuses a negative offset', { startOffset: -5 }],
        ['does not know a partition', { partitionIndex: 7, startOffset: 1 }],
        ['does not know a topic', { topicName: 'no-such-topic', startOffset: 1 }]
      ] as const
    ).map(
      ([name, change]) =>
        [
          name,
          async (peer: Peer, version: number) => {
            const { groupId, topic } = await emptyGroup(peer)
            const { topicName = topic.name, partitionIndex = 0, startOffset } = change as AlterChange
            const topics = [{ topicName, partitions: [{ partitionIndex, startOffset }] }]
            const answer = await peer.send(apis.alterShareGroupOffsets, version, { groupId, topics })
            const told = [{ groupId, topics: [{ topicName: topic.name, partitions: [0] }] }]
            return inOrder(answer, await offsetsOf(peer, 1, told))
          }
        ] as const
    ),
    [
      'refuses to move a group that has members',
      async (peer, version) => {
        const { groupId, topic } = await shareMember(peer, await peer.readableTopic())
        const topics = [{ topicName: topic.name, partitions: [{ partitionIndex: 0, startOffset: 1 }] }]
        return peer.send(apis.alterShareGroupOffsets, version, { groupId, topics })
      }
    ],
    [
      'makes a group that is not there',
      async (peer, version) => {
        const { name: topicName } = await peer.topic()
        const topics = [{ topicName, partitions: [{ partitionIndex: 0, startOffset: 1 }] }]
        const { errorCode, responses } = await peer.send(apis.alterShareGroupOffsets, version, {
          groupId: peer.scoped('none'),
          topics
        })
        return { errorCode, responses }
      }
    ],
    [
      'refuses an empty group id',
      (peer, version) => peer.send(apis.alterShareGroupOffsets, version, { groupId: '', topics: [] })
    ]
  ),
  ...casesOf(
    apis.deleteShareGroupOffsets,
    [
      'forgets a topic, and one that is none',
      async (peer, version) => {
        const { groupId, topic } = await emptyGroup(peer)
        const topics = [{ topicName: topic.name }, { topicName: peer.scoped('none') }]
        const answer = await peer.send(apis.deleteShareGroupOffsets, version, { groupId, topics })
        return inOrder(answer, await offsetsOf(peer, 1, [{ groupId, topics: null }]))
      }
    ],
    [
      'forgets a topic that the group never read',
      async (peer, version) => {
        const { groupId } = await emptyGroup(peer)
        const { name: topicName } = await peer.topic(1, {}, 'other')
        return peer.send(apis.deleteShareGroupOffsets, version, { groupId, topics: [{ topicName }] })
      }
    ],
    [
      'refuses while the group has members',
      async (peer, version) => {
        const { groupId, topic } = await shareMember(peer, await peer.topic())
        return peer.send(apis.deleteShareGroupOffsets, version, { groupId, topics: [{ topicName: topic.name }] })
      }
    ],
    [
      'does not know a group',
      async (peer, version) => {
        const { name: topicName } = await peer.topic()
        return peer.send(apis.deleteShareGroupOffsets, version, {
          groupId: peer.scoped('none'),
          topics: [{ topicName }]
        })
      }
    ],
    [
      'refuses an empty group id',
      (peer, version) => peer.send(apis.deleteShareGroupOffsets, version, { groupId: '', topics: [] })
    ]
  ),
  ...casesOf(apis.deleteGroups, [
    'deletes a share group once it is empty',
    async (peer, version) => {
      const { groupId, memberId } = await shareMember(peer, await peer.topic())
      const busy = await peer.send(apis.deleteGroups, version, { groupsNames: [groupId] })
      await heartbeat(peer, 1, { groupId, memberId, memberEpoch: LEAVES, subscribedTopicNames: null })
      return inOrder(busy, await peer.send(apis.deleteGroups, version, { groupsNames: [groupId] }))
    }
  ]),
  ...casesOf(apis.listGroups, [
    'lists a share group by state and type',
    [5, 100],
    async (peer, version) => {
      const { groupId } = await shareMember(peer, await peer.topic())
      const listed = async (statesFilter: string[], typesFilter: string[]) => {
        const response = await peer.send(apis.listGroups, version, { statesFilter, typesFilter })
        return response.groups.filter((group) => group.groupId === groupId)
      }
      return inOrder(await listed([], ['share']), await listed(['Stable'], []), await listed([], ['Consumer']))
    }
  ])
]

export const shareGroupCases: Case[] = [...heartbeatCases, ...describeCases, ...offsetCases]
