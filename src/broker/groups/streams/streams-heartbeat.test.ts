import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errorName } from '../../../wire/error-codes.ts'
import { requestProblem } from './heartbeat-request.ts'
import {
  GROUP,
  heartbeatRequest,
  internalTopic,
  joinRequest,
  SimulatedGroup,
  SimulatedMember,
  subtopology,
  wordCount
} from './simulated-application.ts'
import { stateName, streamsGroupRules } from './streams-group-rules.ts'
import type { StreamsGroup } from './streams-group-state.ts'
import { StatusCode } from './topology-configuration.ts'

/** A group whose topics are all there, of two partitions each. */
function readyGroup(settings: ConstructorParameters<typeof SimulatedGroup>[0] = {}): SimulatedGroup {
  const group = new SimulatedGroup({ streamsInitialRebalanceDelayMs: 0, streamsAssignmentIntervalMs: 0, ...settings })
  for (const topic of ['lines', 'words', 'counts']) group.createTopic(topic, 2)
  return group
}

function stateOf(group: SimulatedGroup): StreamsGroup {
  assert.ok(group.group !== undefined)
  return group.group
}

function refusal(group: SimulatedGroup, request: Parameters<SimulatedGroup['send']>[0]): string {
  return errorName(group.send(request).response.errorCode)
}

const codes = (answer: { status: readonly { statusCode: number }[] | null }) =>
  (answer.status ?? []).map(({ statusCode }) => statusCode)

const tasks = (subtopologyId: string, ...partitions: number[]) => ({ subtopologyId, partitions })
const allTasks = [tasks('0', 0, 1), tasks('1', 0, 1)]

describe('a heartbeat to a Streams group', () => {
  it('joins, and gives the only member all tasks in the first epoch after the empty group’s', () => {
    const answer = readyGroup().accepted(joinRequest())
    assert.equal(answer.memberEpoch, 2)
    assert.deepEqual(answer.activeTasks, allTasks)
    assert.deepEqual([answer.standbyTasks, answer.warmupTasks, answer.status], [[], [], []])
    assert.equal(answer.heartbeatIntervalMs, 5_000)
  })

  it('tells tasks again only when they change', () => {
    const group = readyGroup()
    group.accepted(joinRequest())
    const answer = group.accepted(heartbeatRequest({ memberEpoch: 2 }))
    assert.equal(answer.activeTasks, undefined)
    assert.equal(answer.memberEpoch, 2)
  })

  it('stores nothing when nothing changes', () => {
    const group = readyGroup()
    group.accepted(joinRequest())
    const stored = group.log.length
    group.accepted(heartbeatRequest({ memberEpoch: 2 }))
    assert.equal(group.log.length, stored)
  })

  it('moves a task only after its owner gave it up', () => {
    const group = readyGroup()
    const [a, b] = [new SimulatedMember(group, 'a', 'A'), new SimulatedMember(group, 'b', 'B')]
    a.heartbeat()
    assert.equal(a.active.size, 4)
    b.heartbeat()
    assert.equal(b.active.size, 0, 'nothing is free yet')
    assert.equal(stateName(stateOf(group)), 'Reconciling')
    a.heartbeat()
    assert.equal(a.active.size, 2, 'the owner is told to give up')
    b.heartbeat()
    assert.equal(b.active.size, 0, 'the owner has not said that it did')
    a.heartbeat()
    b.heartbeat()
    assert.equal(b.active.size, 2)
    assert.equal(stateName(stateOf(group)), 'Stable')
    assert.equal(a.epoch, b.epoch)
  })

  it('removes a member that does not say in time that it gave tasks up', () => {
    const group = readyGroup()
    const [a, b] = [new SimulatedMember(group, 'a', 'A'), new SimulatedMember(group, 'b', 'B')]
    a.heartbeat()
    b.heartbeat()
    a.heartbeat()
    for (let i = 0; i < 7; i++) {
      group.advance(10_000)
      group.send(heartbeatRequest({ memberId: 'a', memberEpoch: a.epoch }))
      b.heartbeat()
    }
    assert.deepEqual([...stateOf(group).members.keys()], ['b'])
    assert.equal(b.active.size, 4)
    assert.equal(errorName(a.heartbeat().errorCode), 'UNKNOWN_MEMBER_ID')
  })

  it('removes a member that is silent for its session', () => {
    const group = readyGroup()
    const [a, b] = [new SimulatedMember(group, 'a', 'A'), new SimulatedMember(group, 'b', 'B')]
    a.heartbeat()
    b.heartbeat()
    group.advance(44_000)
    b.heartbeat()
    group.advance(2_000)
    assert.deepEqual([...stateOf(group).members.keys()], ['b'])
    b.heartbeat()
    assert.equal(b.active.size, 4)
  })

  it('leaves with epoch -1, whatever the epoch, and frees the tasks', () => {
    const group = readyGroup()
    group.accepted(joinRequest())
    const answer = group.accepted(heartbeatRequest({ memberEpoch: -1 }))
    assert.deepEqual([answer.memberId, answer.memberEpoch], ['a', -1])
    assert.equal(stateName(stateOf(group)), 'Empty')
    assert.deepEqual(group.accepted(joinRequest({ memberId: 'b' })).activeTasks, allTasks)
  })

  it('is refused from a member or a group that is not known', () => {
    const group = readyGroup()
    assert.equal(refusal(group, heartbeatRequest({ memberEpoch: 1 })), 'GROUP_ID_NOT_FOUND')
    assert.equal(refusal(group, heartbeatRequest({ memberEpoch: -1 })), 'GROUP_ID_NOT_FOUND')
    assert.equal(group.group, undefined, 'nothing begins with a refusal')
    group.accepted(joinRequest())
    assert.equal(refusal(group, heartbeatRequest({ memberId: 'b', memberEpoch: 1 })), 'UNKNOWN_MEMBER_ID')
    assert.equal(refusal(group, heartbeatRequest({ memberId: 'b', memberEpoch: -1 })), 'UNKNOWN_MEMBER_ID')
  })

  it('of another epoch is fenced, except the last one with nothing that is not the member’s', () => {
    const group = readyGroup()
    group.accepted(joinRequest())
    assert.equal(refusal(group, heartbeatRequest({ memberEpoch: 3 })), 'FENCED_MEMBER_EPOCH')
    assert.equal(refusal(group, heartbeatRequest({ memberEpoch: 1 })), 'FENCED_MEMBER_EPOCH')
    group.createTopic('lines', 3)
    const own = { standbyTasks: [], warmupTasks: [] }
    group.settings = { ...group.settings, streamsNumStandbyReplicas: 1 }
    group.topics.set('lines', { id: 'lines', partitions: 2 })
    assert.equal(group.accepted(heartbeatRequest({ memberEpoch: 2, activeTasks: allTasks, ...own })).memberEpoch, 3)
    assert.equal(group.accepted(heartbeatRequest({ memberEpoch: 2, activeTasks: allTasks, ...own })).memberEpoch, 3)
    assert.equal(refusal(group, heartbeatRequest({ memberEpoch: 2 })), 'FENCED_MEMBER_EPOCH')
  })

  it('that reports a task which the topology does not have is refused', () => {
    const group = readyGroup()
    group.accepted(joinRequest())
    const own = { activeTasks: [tasks('0', 7)], standbyTasks: [], warmupTasks: [] }
    assert.equal(refusal(group, heartbeatRequest({ memberEpoch: 2, ...own })), 'INVALID_REQUEST')
  })

  it('does not join a group that is full, but rejoins it', () => {
    const group = readyGroup()
    Object.assign(group.environment, { membersMax: 1 })
    group.accepted(joinRequest())
    assert.equal(refusal(group, joinRequest({ memberId: 'b' })), 'GROUP_MAX_SIZE_REACHED')
    group.accepted(joinRequest())
  })
})

describe('the first assignment of a Streams group', () => {
  it('waits so that others can join', () => {
    const group = readyGroup({ streamsInitialRebalanceDelayMs: 3_000 })
    const [a, b] = [new SimulatedMember(group, 'a', 'A'), new SimulatedMember(group, 'b', 'B')]
    assert.deepEqual(codes(a.heartbeat()), [StatusCode.ASSIGNMENT_DELAYED])
    assert.equal(a.epoch, 1)
    group.advance(1_000)
    assert.deepEqual(codes(b.heartbeat()), [StatusCode.ASSIGNMENT_DELAYED])
    group.advance(2_000)
    assert.deepEqual([codes(a.heartbeat()), codes(b.heartbeat())], [[], []])
    assert.deepEqual([a.active.size, b.active.size], [2, 2])
  })

  it('follows at once when the coordinator moved meanwhile', () => {
    const group = readyGroup({ streamsInitialRebalanceDelayMs: 3_000 })
    const member = new SimulatedMember(group, 'a', 'A')
    member.heartbeat()
    group.reload()
    member.heartbeat()
    assert.equal(member.active.size, 4)
  })
})

describe('the next assignment', () => {
  it('waits for the assignment interval', () => {
    const group = readyGroup({ streamsAssignmentIntervalMs: 1_000 })
    group.accepted(joinRequest())
    const delayed = group.accepted(joinRequest({ memberId: 'b' }))
    assert.deepEqual(codes(delayed), [StatusCode.ASSIGNMENT_DELAYED])
    group.advance(1_000)
    assert.deepEqual(codes(group.accepted(heartbeatRequest({ memberId: 'b', memberEpoch: delayed.memberEpoch }))), [])
  })

  it('is made when the number of standbys changes', () => {
    const group = readyGroup()
    const [a, b] = [new SimulatedMember(group, 'a', 'A'), new SimulatedMember(group, 'b', 'B')]
    for (let i = 0; i < 3; i++) for (const member of [a, b]) member.heartbeat()
    group.settings = { ...group.settings, streamsNumStandbyReplicas: 1 }
    for (let i = 0; i < 3; i++) for (const member of [a, b]) member.heartbeat()
    assert.deepEqual(
      [...a.standby].sort(),
      [...b.active].filter((task) => task.startsWith('1_')).sort(),
      'standbys of the tasks with state that the other has'
    )
    assert.equal(a.standby.size + b.standby.size, 2)
  })
})

describe('the topics of a Streams group', () => {
  it('are reported missing, then created, then read', () => {
    const group = new SimulatedGroup({ streamsInitialRebalanceDelayMs: 0, streamsAssignmentIntervalMs: 0 })
    const without = group.accepted(joinRequest())
    assert.deepEqual(codes(without), [StatusCode.MISSING_SOURCE_TOPICS])
    assert.deepEqual(without.activeTasks, [])
    assert.equal(stateName(stateOf(group)), 'NotReady')
    group.createTopic('lines', 2)
    const { response, missing } = group.send(heartbeatRequest({ memberEpoch: without.memberEpoch }))
    assert.deepEqual(codes(response), [StatusCode.MISSING_INTERNAL_TOPICS])
    assert.deepEqual(
      missing.map(({ name, partitions }) => [name, partitions]),
      [
        ['words', 2],
        ['counts', 2]
      ]
    )
    for (const { name, partitions } of missing) group.createTopic(name, partitions)
    const ready = group.accepted(heartbeatRequest({ memberEpoch: response.memberEpoch }))
    assert.deepEqual(ready.activeTasks, allTasks)
    assert.equal(stateName(stateOf(group)), 'Stable')
  })

  it('take all tasks away while one is missing', () => {
    const group = readyGroup()
    const member = new SimulatedMember(group, 'a', 'A')
    member.heartbeat()
    group.topics.delete('counts')
    assert.deepEqual(codes(member.heartbeat()), [StatusCode.MISSING_INTERNAL_TOPICS])
    assert.equal(member.active.size, 0)
  })

  it('that grow or are made anew begin a new epoch', () => {
    const group = readyGroup()
    const member = new SimulatedMember(group, 'a', 'A')
    member.heartbeat()
    const before = stateOf(group).epoch
    group.topics.set('lines', { id: 'another', partitions: 2 })
    member.heartbeat()
    assert.equal(stateOf(group).epoch, before + 1)
  })
})

describe('the topology of a Streams group', () => {
  it('is that of its first member; an older one is told that it is stale', () => {
    const group = readyGroup()
    group.accepted(joinRequest({ topology: { ...wordCount, epoch: 3 } }))
    const stale = group.accepted(joinRequest({ memberId: 'b', topology: wordCount }))
    assert.deepEqual(codes(stale), [StatusCode.STALE_TOPOLOGY])
  })

  it('cannot be changed or updated', () => {
    const group = readyGroup()
    group.accepted(joinRequest())
    const changed = { epoch: 0, subtopologies: [subtopology('0', { sourceTopics: ['lines'] })] }
    assert.equal(refusal(group, joinRequest({ memberId: 'b', topology: changed })), 'INVALID_REQUEST')
    assert.equal(
      refusal(group, joinRequest({ memberId: 'b', topology: { ...wordCount, epoch: 1 } })),
      'INVALID_REQUEST'
    )
    assert.deepEqual([...stateOf(group).members.keys()], ['a'])
  })

  it('is the same in another order of its subtopologies', () => {
    const group = readyGroup()
    group.accepted(joinRequest())
    const reordered = { epoch: 0, subtopologies: [...wordCount.subtopologies].reverse() }
    group.accepted(joinRequest({ memberId: 'b', topology: reordered }))
  })

  it('that can never run is refused', () => {
    const circle = {
      epoch: 0,
      subtopologies: [subtopology('0', { repartitionSourceTopics: [internalTopic('x')], repartitionSinkTopics: ['x'] })]
    }
    assert.equal(refusal(readyGroup(), joinRequest({ topology: circle })), 'STREAMS_INVALID_TOPOLOGY')
  })
})

describe('a shutdown of the application', () => {
  it('is told to all members until nobody is left', () => {
    const group = readyGroup()
    group.accepted(joinRequest())
    group.accepted(joinRequest({ memberId: 'b' }))
    group.accepted(heartbeatRequest({ memberId: 'a', memberEpoch: -1, shutdownApplication: true }))
    const told = group.send(
      heartbeatRequest({ memberId: 'b', memberEpoch: stateOf(group).members.get('b')?.epoch ?? 0 })
    )
    assert.ok(codes({ status: told.response.status ?? [] }).includes(StatusCode.SHUTDOWN_APPLICATION))
    group.accepted(heartbeatRequest({ memberId: 'b', memberEpoch: -1 }))
    assert.deepEqual(codes(group.accepted(joinRequest({ memberId: 'c' }))), [])
  })
})

describe('endpoints of interactive queries', () => {
  it('are told with the partitions behind them when the member’s knowledge is old', () => {
    const group = readyGroup()
    const userEndpoint = { host: 'localhost', port: 7070 }
    group.accepted(joinRequest({ userEndpoint }))
    const rejoined = group.accepted(joinRequest({ userEndpoint }))
    assert.equal(rejoined.endpointInformationEpoch, 1)
    const partitions = [0, 1]
    assert.deepEqual(rejoined.partitionsByUserEndpoint, [
      {
        userEndpoint,
        activePartitions: [
          { topic: 'lines', partitions },
          { topic: 'words', partitions }
        ],
        standbyPartitions: []
      }
    ])
    const known = group.accepted(heartbeatRequest({ memberEpoch: 2, endpointInformationEpoch: 1 }))
    assert.equal(known.partitionsByUserEndpoint, null)
  })

  it('are told once for all members of an instance', () => {
    const group = readyGroup()
    const userEndpoint = { host: 'localhost', port: 7070 }
    group.accepted(joinRequest({ userEndpoint }))
    const second = group.accepted(joinRequest({ memberId: 'b', userEndpoint }))
    assert.deepEqual(
      second.partitionsByUserEndpoint?.map((entry) => entry.userEndpoint),
      [userEndpoint]
    )
  })
})

describe('what cannot be a heartbeat', () => {
  const cases: readonly [string, Parameters<typeof joinRequest>[0], string?][] = [
    ['an empty member id', { memberId: ' ' }],
    ['an empty group id', { groupId: '' }],
    ['an empty rack', { rackId: '' }],
    ['a static member', { instanceId: 'one' }],
    ['task offsets', { taskOffsets: [] }],
    ['task end offsets', { taskEndOffsets: [] }],
    ['warmup tasks', { memberEpoch: 1, topology: null, warmupTasks: [tasks('0', 0)] }],
    ['no rebalance timeout at the join', { rebalanceTimeoutMs: -1 }],
    ['tasks at the join', { activeTasks: allTasks }],
    ['no tasks at all at the join', { activeTasks: null, standbyTasks: null, warmupTasks: null }],
    ['no topology at the join', { topology: null }],
    ['a topology later', { memberEpoch: 1 }],
    ['one kind of tasks without the others', { memberEpoch: 1, topology: null, warmupTasks: null }],
    ['a static member’s way to leave', { memberEpoch: -2, topology: null }],
    ['an epoch that means nothing', { memberEpoch: -3, topology: null }]
  ]
  for (const [what, fields] of cases) {
    it(`has ${what}`, () => {
      assert.equal(requestProblem(joinRequest(fields))?.error, 'INVALID_REQUEST')
    })
  }

  const oneSubtopology = (fields: Parameters<typeof subtopology>[1]) =>
    joinRequest({ topology: { epoch: 0, subtopologies: [subtopology('0', fields)] } })

  it('has source topics by regular expression', () => {
    assert.equal(requestProblem(oneSubtopology({ sourceTopicRegex: ['.*'] }))?.error, 'INVALID_REQUEST')
  })

  it('has a topology with topics of the broker, with names that cannot be, or a counted changelog', () => {
    for (const fields of [
      { sourceTopics: ['__consumer_offsets'] },
      { sourceTopics: ['no spaces'] },
      { sourceTopics: ['lines'], stateChangelogTopics: [internalTopic('counts', 3)] }
    ]) {
      assert.equal(requestProblem(oneSubtopology(fields))?.error, 'STREAMS_INVALID_TOPOLOGY')
    }
  })

  it('is not a proper join, report or leave', () => {
    const report = { activeTasks: [], standbyTasks: [], warmupTasks: [] }
    for (const request of [
      joinRequest(),
      heartbeatRequest({ memberEpoch: 4, ...report }),
      heartbeatRequest({ memberEpoch: -1 })
    ]) {
      assert.equal(requestProblem(request), undefined)
    }
  })
})

describe('offsets of a Streams group', () => {
  const claim = { memberId: 'a', instanceId: null, epoch: 2, transactional: false, apiVersion: 9 }
  const topicId = 'lines-0'

  it('are committed in the member’s epoch, and in an older one for tasks it had then', () => {
    const group = readyGroup()
    const rules = streamsGroupRules(group.environment)
    const [a, b] = [new SimulatedMember(group, 'a', 'A'), new SimulatedMember(group, 'b', 'B')]
    a.heartbeat()
    assert.deepEqual(rules.commitVerdict(stateOf(group), claim), { error: 'NONE' })
    assert.equal(rules.commitVerdict(stateOf(group), { ...claim, epoch: 3 }).error, 'STALE_MEMBER_EPOCH')
    assert.equal(rules.commitVerdict(stateOf(group), { ...claim, memberId: 'x' }).error, 'UNKNOWN_MEMBER_ID')
    assert.equal(rules.commitVerdict(stateOf(group), { ...claim, apiVersion: 8 }).error, 'UNSUPPORTED_VERSION')
    for (let i = 0; i < 3; i++) for (const member of [b, a]) member.heartbeat()
    const { error, partition } = rules.commitVerdict(stateOf(group), claim)
    assert.equal(error, 'NONE')
    assert.ok(partition !== undefined, 'each partition is judged')
    const verdicts = [0, 1].map((index) => partition(topicId, index))
    assert.deepEqual(
      verdicts,
      [0, 1].map((index) => (a.active.has(`0_${index}`) ? 'NONE' : 'STALE_MEMBER_EPOCH'))
    )
    assert.deepEqual(new Set(verdicts), new Set(['NONE', 'STALE_MEMBER_EPOCH']))
    assert.equal(partition('nowhere', 0), 'STALE_MEMBER_EPOCH')
  })

  it('are committed by anybody while the group is empty', () => {
    const group = readyGroup()
    group.accepted(joinRequest())
    const rules = streamsGroupRules(group.environment)
    const simple = { ...claim, memberId: '', epoch: -1 }
    assert.equal(rules.commitVerdict(stateOf(group), simple).error, 'UNKNOWN_MEMBER_ID')
    assert.equal(rules.commitVerdict(stateOf(group), { ...simple, transactional: true }).error, 'NONE')
    group.accepted(heartbeatRequest({ memberEpoch: -1 }))
    assert.equal(rules.commitVerdict(stateOf(group), simple).error, 'NONE')
  })

  it('are read by whoever does not claim to be a member, and by members in their epoch', () => {
    const group = readyGroup()
    group.accepted(joinRequest())
    const rules = streamsGroupRules(group.environment)
    assert.equal(rules.fetchError(stateOf(group), null, -1), 'NONE')
    assert.equal(rules.fetchError(stateOf(group), 'a', 2), 'NONE')
    assert.equal(rules.fetchError(stateOf(group), 'a', 1), 'STALE_MEMBER_EPOCH')
    assert.equal(rules.fetchError(stateOf(group), 'b', 2), 'UNKNOWN_MEMBER_ID')
  })

  it('must stay while somebody reads their topic', () => {
    const group = readyGroup()
    group.accepted(joinRequest())
    const rules = streamsGroupRules(group.environment)
    const subscribed = (topic: string) => rules.isSubscribed(stateOf(group), topic)
    assert.deepEqual(['lines', 'words', 'counts'].map(subscribed), [true, true, false])
    group.accepted(heartbeatRequest({ memberEpoch: -1 }))
    assert.equal(subscribed('lines'), false)
  })
})

describe('the log of a Streams group', () => {
  it('tells the group as it is, and ends with its tombstones', () => {
    const group = readyGroup({ streamsNumStandbyReplicas: 1 })
    const userEndpoint = { host: 'localhost', port: 7070 }
    group.accepted(joinRequest({ userEndpoint, rackId: 'one', clientTags: [{ key: 'zone', value: 'east' }] }))
    group.accepted(joinRequest({ memberId: 'b' }))
    assert.deepEqual(group.replayed(), { ...stateOf(group), endpointEpoch: 0 })
    const rules = streamsGroupRules(group.environment)
    for (const record of group.log) assert.equal(rules.groupOf(record), GROUP)
    group.log.push(...rules.tombstones(stateOf(group)))
    assert.equal(group.replayed(), undefined)
  })

  it('tells the same group after compaction', () => {
    const group = readyGroup()
    group.accepted(joinRequest())
    group.accepted(joinRequest({ memberId: 'b' }))
    group.accepted(heartbeatRequest({ memberId: 'b', memberEpoch: -1 }))
    group.accepted(heartbeatRequest({ memberEpoch: 2 }))
    const last = new Map(group.log.map((record) => [record.key.toString('hex'), record]))
    const whole = group.replayed()
    group.log.splice(0, group.log.length, ...group.log.filter((record) => [...last.values()].includes(record)))
    assert.deepEqual(group.replayed(), whole)
  })

  it('leaves records of other protocols alone', () => {
    const rules = streamsGroupRules(readyGroup().environment)
    assert.equal(rules.groupOf({ key: Buffer.from('000300056162636465', 'hex'), value: null }), undefined)
  })
})
