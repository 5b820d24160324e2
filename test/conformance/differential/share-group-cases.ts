/** Share groups (KIP-932): their members, where they stand, and what the share coordinator keeps for them. */
import { apis } from '../../faults/apis.ts'
import { eventually } from '../waiting.ts'
import { type Case, casesOf } from './case.ts'
import { newMemberId } from './consumer-group-cases.ts'
import { joined } from './group-cases.ts'
import { type Fixture, inOrder, type Peer } from './peer.ts'

const UNKNOWN_ID = 'AAAAAAAAAAAAAAAAAAAAQQ'
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
  ['joins with an empty subscription', joins({ subscribedTopicNames: [] })],
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
  const one = await shareMember(peer, await peer.filledTopic())
  const { groupId, memberId } = one
  await heartbeat(peer, 1, { groupId, memberId, memberEpoch: LEAVES, subscribedTopicNames: null })
  return one
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
    ['refuses an empty group id', (peer, version) => offsetsOf(peer, version, [{ groupId: '', topics: null }])],
    [
      'refuses a group of the classic protocol',
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
        const { groupId, topic } = await shareMember(peer, await peer.filledTopic())
        const topics = [{ topicName: topic.name, partitions: [{ partitionIndex: 0, startOffset: 1 }] }]
        return peer.send(apis.alterShareGroupOffsets, version, { groupId, topics })
      }
    ],
    [
      'does not know a group',
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

interface AlterChange {
  readonly topicName?: string
  readonly partitionIndex?: number
  readonly startOffset: number
}

interface StateOptions {
  readonly groupId?: string
  readonly topicId?: string
  readonly partition?: number
  readonly stateEpoch?: number
  /** Counted from the first of the partition. */
  readonly leaderEpoch?: number
  readonly startOffset?: number
  readonly stateBatches?: { firstOffset: number; lastOffset: number; deliveryState: number; deliveryCount: number }[]
}

class SharedPartition {
  readonly #peer: Peer
  readonly #topic: Fixture

  constructor(peer: Peer, topic: Fixture) {
    this.#peer = peer
    this.#topic = topic
  }

  initialize(version: number, { stateEpoch = 3, startOffset = 2, ...rest }: StateOptions = {}) {
    return this.#peer.send(apis.initializeShareGroupState, version, this.#about(rest, { stateEpoch, startOffset }))
  }

  /** Kafka's coordinator learns of a new topic a little later than the others. */
  async initialized(): Promise<void> {
    await eventually('the state has begun', async () => {
      const { results } = await this.initialize(0)
      return results[0]?.partitions[0]?.errorCode === 0
    })
  }

  write(version: number, { stateEpoch = 3, startOffset = 4, stateBatches = BATCHES, ...rest }: StateOptions = {}) {
    const state = { stateEpoch, leaderEpoch: this.#epoch(rest), startOffset, deliveryCompleteCount: 1, stateBatches }
    return this.#peer.send(apis.writeShareGroupState, version, this.#about(rest, state))
  }

  read(version: number, options: StateOptions = {}) {
    const asked = this.#about(options, { leaderEpoch: this.#epoch(options) })
    return this.#peer.send(apis.readShareGroupState, version, asked)
  }

  summarize(version: number, options: StateOptions = {}) {
    const asked = this.#about(options, { leaderEpoch: this.#epoch(options) })
    return this.#peer.send(apis.readShareGroupStateSummary, version, asked)
  }

  remove(version: number, options: StateOptions = {}) {
    return this.#peer.send(apis.deleteShareGroupState, version, this.#about(options, {}))
  }

  #epoch({ leaderEpoch = 0 }: StateOptions): number {
    return leaderEpoch < 0 ? leaderEpoch : leaderEpoch + this.#peer.firstLeaderEpoch
  }

  #about<Fields>({ groupId, topicId = this.#topic.id, partition = 0 }: StateOptions, fields: Fields) {
    const topics = [{ topicId, partitions: [{ partition, ...fields }] }]
    return { groupId: groupId ?? this.#peer.scoped('group'), topics }
  }
}

const BATCHES = [
  { firstOffset: 4, lastOffset: 6, deliveryState: 0, deliveryCount: 1 },
  { firstOffset: 7, lastOffset: 9, deliveryState: 2, deliveryCount: 2 }
]

/** Does `act` to a share partition whose state was begun. */
const onState = (act: (one: SharedPartition, version: number) => Promise<unknown>, initialized = true) => {
  return async (peer: Peer, version: number) => {
    const one = new SharedPartition(peer, await peer.topic())
    if (initialized) await one.initialized()
    return act(one, version)
  }
}

/** The ways in which a share partition can be the wrong one. */
const wrong = [
  ['an empty group id', { groupId: '' }],
  ['a group that is not', { groupId: 'no-such-group' }],
  ['a topic that is not', { topicId: UNKNOWN_ID }],
  ['a partition that is not', { partition: 7 }],
  ['a negative partition', { partition: -1 }]
] as const

const stateCases: Case[] = [
  ...casesOf(
    apis.initializeShareGroupState,
    ['begins', onState(async (one, version) => inOrder(await one.initialize(version), await one.read(0)), false)],
    ...wrong.map(
      ([name, options]) =>
        [`answers ${name}`, onState((one, version) => one.initialize(version, options), false)] as const
    ),
    ['begins again', onState(async (one, version) => inOrder(await one.initialize(version), await one.read(0)))],
    [
      'begins at a newer state epoch',
      onState(async (one, version) => inOrder(await one.initialize(version, { stateEpoch: 4 }), await one.read(0)))
    ],
    ['refuses an older state epoch', onState((one, version) => one.initialize(version, { stateEpoch: 2 }))],
    [
      'begins without an offset',
      onState(
        async (one, version) => inOrder(await one.initialize(version, { startOffset: -1 }), await one.read(0)),
        false
      )
    ],
    ['answers a negative state epoch', onState((one, version) => one.initialize(version, { stateEpoch: -1 }), false)]
  ),
  ...casesOf(
    apis.writeShareGroupState,
    [
      'writes',
      onState(async (one, version) => inOrder(await one.write(version), await one.read(0), await one.summarize(1)))
    ],
    ...wrong.map(
      ([name, options]) => [`answers ${name}`, onState((one, version) => one.write(version, options))] as const
    ),
    ['answers what was not begun', onState((one, version) => one.write(version), false)],
    ['refuses an older state epoch', onState((one, version) => one.write(version, { stateEpoch: 2 }))],
    ['answers a newer state epoch', onState((one, version) => one.write(version, { stateEpoch: 9 }))],
    [
      'refuses an older leader epoch',
      onState(async (one, version) => inOrder(await one.write(version, { leaderEpoch: 3 }), await one.write(version)))
    ],
    [
      'combines what is written in turn',
      onState(async (one, version) => {
        await one.write(version)
        const stateBatches = [{ firstOffset: 5, lastOffset: 7, deliveryState: 4, deliveryCount: 3 }]
        const answer = await one.write(version, { startOffset: -1, stateBatches })
        return inOrder(answer, await one.read(0))
      })
    ],
    [
      'forgets what lies before the start',
      onState(async (one, version) => {
        await one.write(version)
        return inOrder(await one.write(version, { startOffset: 8, stateBatches: [] }), await one.read(0))
      })
    ]
  ),
  ...casesOf(
    apis.readShareGroupState,
    ...wrong.map(
      ([name, options]) => [`answers ${name}`, onState((one, version) => one.read(version, options))] as const
    ),
    ['answers what was not begun', onState((one, version) => one.read(version), false)],
    [
      'answers an older leader epoch',
      onState(async (one, version) => inOrder(await one.write(1, { leaderEpoch: 3 }), await one.read(version)))
    ],
    [
      'takes the leader epoch of who reads',
      onState(async (one, version) =>
        inOrder(await one.read(version, { leaderEpoch: 5 }), await one.write(1, { leaderEpoch: 4 }))
      )
    ],
    ['reads without a leader epoch', onState((one, version) => one.read(version, { leaderEpoch: -1 }))]
  ),
  ...casesOf(
    apis.readShareGroupStateSummary,
    ...wrong.map(
      ([name, options]) => [`answers ${name}`, onState((one, version) => one.summarize(version, options))] as const
    ),
    ['answers what was not begun', onState((one, version) => one.summarize(version), false)],
    ['tells what was begun', onState((one, version) => one.summarize(version))],
    [
      'does not mind an older leader epoch',
      onState(async (one, version) => inOrder(await one.write(1, { leaderEpoch: 3 }), await one.summarize(version)))
    ]
  ),
  ...casesOf(
    apis.deleteShareGroupState,
    [
      'deletes',
      onState(async (one, version) => inOrder(await one.remove(version), await one.remove(version), await one.read(0)))
    ],
    ...wrong.map(
      ([name, options]) => [`answers ${name}`, onState((one, version) => one.remove(version, options))] as const
    )
  )
]

export const shareGroupCases: Case[] = [...heartbeatCases, ...describeCases, ...offsetCases]
export const shareStateCases: Case[] = stateCases
