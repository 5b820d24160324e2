/** Groups of Kafka Streams (KIP-1071): topologies, tasks, and what members are refused for. */
import { apis } from '../../faults/apis.ts'
import { eventually } from '../waiting.ts'
import { type Case, casesOf } from './case.ts'
import { groupTopic, newMemberId } from './consumer-group-cases.ts'
import { joined } from './group-cases.ts'
import { inOrder, type Peer } from './peer.ts'

const LEAVES = -1

interface TopicInfo {
  readonly name: string
  readonly partitions: number
  readonly replicationFactor: number
  readonly topicConfigs: { key: string; value: string }[]
}

const info = (name: string, partitions = 0): TopicInfo => ({ name, partitions, replicationFactor: 0, topicConfigs: [] })

interface Subtopology {
  readonly subtopologyId: string
  readonly sourceTopics: string[]
  readonly sourceTopicRegex: string[]
  readonly stateChangelogTopics: TopicInfo[]
  readonly repartitionSinkTopics: string[]
  readonly repartitionSourceTopics: TopicInfo[]
  readonly copartitionGroups: {
    sourceTopics: number[]
    sourceTopicRegex: number[]
    repartitionSourceTopics: number[]
  }[]
}

const subtopology = (subtopologyId: string, sourceTopics: string[], parts: Partial<Subtopology> = {}): Subtopology => ({
  subtopologyId,
  sourceTopics,
  sourceTopicRegex: [],
  stateChangelogTopics: [],
  repartitionSinkTopics: [],
  repartitionSourceTopics: [],
  copartitionGroups: [],
  ...parts
})

interface Beat {
  readonly groupId?: string
  readonly memberId?: string
  readonly memberEpoch?: number
  readonly instanceId?: string | null
  readonly rackId?: string | null
  readonly rebalanceTimeoutMs?: number
  readonly topology?: { epoch: number; subtopologies: Subtopology[] } | null
  readonly activeTasks?: { subtopologyId: string; partitions: number[] }[] | null
  readonly standbyTasks?: { subtopologyId: string; partitions: number[] }[] | null
  readonly warmupTasks?: { subtopologyId: string; partitions: number[] }[] | null
  readonly processId?: string | null
  readonly userEndpoint?: { host: string; port: number } | null
  readonly clientTags?: { key: string; value: string }[] | null
  readonly shutdownApplication?: boolean
}

const heartbeat = (peer: Peer, version: number, beat: Beat) =>
  peer.send(apis.streamsGroupHeartbeat, version, {
    groupId: peer.scoped('group'),
    memberId: newMemberId(),
    memberEpoch: 0,
    endpointInformationEpoch: -1,
    rebalanceTimeoutMs: 60_000,
    topology: { epoch: 0, subtopologies: [subtopology('0', [peer.scoped('topic')])] },
    activeTasks: [],
    standbyTasks: [],
    warmupTasks: [],
    processId: 'process-1',
    clientTags: [],
    ...beat
  })

/** The first heartbeat of a member, with one thing in it that is otherwise; its topic has two partitions. */
const joins =
  (beat: Beat | ((peer: Peer) => Beat) = {}) =>
  async (peer: Peer, version: number) => {
    await groupTopic(peer)
    return heartbeat(peer, version, typeof beat === 'function' ? beat(peer) : beat)
  }

interface Member {
  readonly groupId: string
  readonly memberId: string
  readonly memberEpoch: number
}

const unchanged = {
  rebalanceTimeoutMs: -1,
  topology: null,
  activeTasks: null,
  standbyTasks: null,
  warmupTasks: null,
  processId: null,
  clientTags: null
}

const TASKS = [{ subtopologyId: '0', partitions: [0, 1] }]

/** A group with one member that runs both tasks. */
async function member(peer: Peer): Promise<Member> {
  await peer.topic(2)
  const identity = { groupId: peer.scoped('group'), memberId: newMemberId() }
  let answer = await heartbeat(peer, 0, identity)
  let tasks = answer.activeTasks?.[0]?.partitions.length ?? 0
  await eventually('the member has its tasks', async () => {
    if (answer.errorCode !== 0) throw new Error(`StreamsGroupHeartbeat answered ${answer.errorCode}`)
    if (tasks === 2) return true
    answer = await heartbeat(peer, 0, { ...identity, ...unchanged, memberEpoch: answer.memberEpoch })
    tasks = answer.activeTasks?.[0]?.partitions.length ?? tasks
    return tasks === 2
  })
  const { memberEpoch } = answer
  const owned = { activeTasks: TASKS, standbyTasks: [], warmupTasks: [] }
  await heartbeat(peer, 0, { ...identity, ...unchanged, ...owned, memberEpoch })
  return { ...identity, memberEpoch }
}

/** A heartbeat of a stable member, with one thing in it that is otherwise. */
const beats = (change: (one: Member) => Beat) => async (peer: Peer, version: number) => {
  const one = await member(peer)
  const answer = await heartbeat(peer, version, { ...one, ...unchanged, ...change(one) })
  // How often the group was rebalanced until now is a matter of timing.
  return answer.memberEpoch > 0 ? { ...answer, memberEpoch: answer.memberEpoch - one.memberEpoch } : answer
}

const topologyOf = (...subtopologies: Subtopology[]): Beat => ({ topology: { epoch: 0, subtopologies } })

const heartbeatCases: Case[] = casesOf(
  apis.streamsGroupHeartbeat,
  ['joins a group that is new', joins()],
  ['refuses an empty group id', joins({ groupId: '' })],
  ['refuses an empty member id', joins({ memberId: '' })],
  ['takes a member id that is long', joins({ memberId: 'x'.repeat(40) })],
  ['refuses an epoch below the lowest', joins({ memberEpoch: -3 })],
  ['does not know a group whose member has an epoch', joins({ memberEpoch: 5 })],
  ['does not know a group that somebody leaves', joins({ memberEpoch: LEAVES })],
  ['refuses to join without a topology', joins({ topology: null })],
  ['refuses to join without a rebalance timeout', joins({ rebalanceTimeoutMs: -1 })],
  ['refuses to join without active tasks', joins({ activeTasks: null })],
  ['refuses to join without standby tasks', joins({ standbyTasks: null })],
  ['refuses to join with tasks', joins({ activeTasks: TASKS })],
  ['joins without a process', joins({ processId: null })],
  ['joins without tags', joins({ clientTags: null })],
  ['refuses a static member', joins({ instanceId: 'static-1' })],
  ['refuses an empty instance id', joins({ instanceId: '' })],
  ['refuses an empty rack', joins({ rackId: '' })],
  [
    'joins with a rack, tags and an endpoint',
    joins({ rackId: 'a', clientTags: [{ key: 'k', value: 'v' }], userEndpoint: { host: 'h', port: 9 } })
  ],
  ['joins with an empty topology', joins(topologyOf())],
  ['tells that a source topic is missing', joins((peer) => topologyOf(subtopology('0', [peer.scoped('none')])))],
  [
    'refuses a regular expression',
    joins((peer) => topologyOf(subtopology('0', [peer.scoped('topic')], { sourceTopicRegex: ['a.*'] })))
  ],
  [
    'tells which internal topics are missing',
    joins((peer) =>
      topologyOf(
        subtopology('0', [peer.scoped('topic')], { repartitionSinkTopics: [peer.scoped('repartition')] }),
        subtopology('1', [], {
          repartitionSourceTopics: [info(peer.scoped('repartition'))],
          stateChangelogTopics: [info(peer.scoped('changelog'))]
        })
      )
    )
  ],
  [
    'refuses a repartition topic that nobody writes',
    joins((peer) => topologyOf(subtopology('0', [], { repartitionSourceTopics: [info(peer.scoped('repartition'))] })))
  ],
  ['shuts down while joining', joins({ shutdownApplication: true })],
  [
    'refuses a group of the classic protocol',
    async (peer, version) => {
      const { groupId } = await joined(peer)
      return heartbeat(peer, version, { groupId })
    }
  ],
  ['answers a member that has nothing new', beats(() => ({}))],
  ['answers a member that tells its tasks', beats(() => ({ activeTasks: TASKS, standbyTasks: [], warmupTasks: [] }))],
  ['refuses active tasks alone', beats(() => ({ activeTasks: TASKS }))],
  ['fences an epoch long ago', beats(({ memberEpoch }) => ({ memberEpoch: memberEpoch - 2 }))],
  ['refuses a newer epoch', beats(({ memberEpoch }) => ({ memberEpoch: memberEpoch + 5 }))],
  ['does not know a member', beats(() => ({ memberId: newMemberId() }))],
  ['does not know a group', beats(({ groupId }) => ({ groupId: `${groupId}-none` }))],
  ['refuses a topology from a member that has joined', beats(() => topologyOf(subtopology('0', ['other'])))],
  ['lets a member leave', beats(() => ({ memberEpoch: LEAVES }))],
  ['shuts the application down', beats(() => ({ shutdownApplication: true }))],
  [
    'refuses another topology of the same epoch',
    async (peer, version) => {
      const { groupId } = await member(peer)
      const topology = {
        epoch: 0,
        subtopologies: [subtopology('0', [peer.scoped('topic')]), subtopology('1', ['other'])]
      }
      return heartbeat(peer, version, { groupId, topology })
    }
  ],
  [
    'tells the others that the application is shut down',
    async (peer, version) => {
      const one = await member(peer)
      const stopping = await heartbeat(peer, version, { ...one, ...unchanged, shutdownApplication: true })
      const later = await heartbeat(peer, version, { ...one, ...unchanged })
      const other = await heartbeat(peer, version, { groupId: one.groupId })
      return inOrder(stopping.status, later.status, other.status)
    }
  ]
)

async function describe(peer: Peer, version: number, groupIds: string[]) {
  const answer = await peer.send(apis.streamsGroupDescribe, version, { groupIds, includeAuthorizedOperations: true })
  return answer.groups.map(({ groupEpoch, assignmentEpoch, topology, members, ...group }) => ({
    ...group,
    current: assignmentEpoch === groupEpoch,
    topology: topology === null ? null : { topologyEpoch: topology.epoch, subtopologies: topology.subtopologies },
    members: members.map(({ memberEpoch, ...one }) => ({ ...one, current: memberEpoch === groupEpoch }))
  }))
}

const otherCases: Case[] = [
  ...casesOf(
    apis.streamsGroupDescribe,
    [
      'tells of a group, and not of one that is none',
      async (peer, version) => {
        const { groupId } = await member(peer)
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
        const one = await member(peer)
        await heartbeat(peer, 0, { ...one, ...unchanged, memberEpoch: LEAVES })
        return describe(peer, version, [one.groupId])
      }
    ],
    [
      'tells of a group that is not ready',
      async (peer, version) => {
        await heartbeat(peer, 0, topologyOf(subtopology('0', [peer.scoped('none')])))
        return describe(peer, version, [peer.scoped('group')])
      }
    ]
  ),
  ...casesOf(apis.listGroups, [
    'lists a Streams group by state and type',
    [5, 100],
    async (peer, version) => {
      const { groupId } = await member(peer)
      const listed = async (statesFilter: string[], typesFilter: string[]) => {
        const response = await peer.send(apis.listGroups, version, { statesFilter, typesFilter })
        return response.groups.filter((group) => group.groupId === groupId)
      }
      return inOrder(await listed([], ['streams']), await listed(['Stable'], []), await listed(['NotReady'], []))
    }
  ]),
  ...casesOf(apis.deleteGroups, [
    'deletes a Streams group once it is empty',
    async (peer, version) => {
      const one = await member(peer)
      const busy = await peer.send(apis.deleteGroups, version, { groupsNames: [one.groupId] })
      await heartbeat(peer, 0, { ...one, ...unchanged, memberEpoch: LEAVES })
      return inOrder(busy, await peer.send(apis.deleteGroups, version, { groupsNames: [one.groupId] }))
    }
  ])
]

export const streamsGroupCases: Case[] = [...heartbeatCases, ...otherCases]
