/**
 * A Streams application against the rules of its group, for tests: members that do what the Java client does, a log of
 * everything stored, deadlines in virtual time, and topics that can be changed. No shard, no wire.
 */
import assert from 'node:assert/strict'
import type { StreamsGroupHeartbeatRequest } from '../../../wire/messages/streams-group-heartbeat.ts'
import { DEFAULT_GROUP_SETTINGS, type GroupSettings } from '../../group-settings.ts'
import type { LogRecord } from '../../record-log.ts'
import type { GroupChange } from '../hosted-group.ts'
import type { StreamsEnvironment } from './streams-environment.ts'
import { streamsGroupRules } from './streams-group-rules.ts'
import type { StreamsGroup } from './streams-group-state.ts'
import { type HeartbeatAnswer, heartbeat } from './streams-heartbeat.ts'
import type { StreamsTopology, Subtopology } from './streams-topology.ts'
import { listTasks, type TaskId, tasksOf } from './tasks.ts'

export const GROUP = 'fleet'

type Answer = HeartbeatAnswer['response']

export function subtopology(subtopologyId: string, fields: Partial<Subtopology> = {}): Subtopology {
  return {
    subtopologyId,
    sourceTopics: [],
    sourceTopicRegex: [],
    stateChangelogTopics: [],
    repartitionSinkTopics: [],
    repartitionSourceTopics: [],
    copartitionGroups: [],
    ...fields
  }
}

export function internalTopic(name: string, partitions = 0) {
  return { name, partitions, replicationFactor: 0, topicConfigs: [{ key: 'cleanup.policy', value: 'compact' }] }
}

/** Words are split, repartitioned, and counted. */
export const wordCount: StreamsTopology = {
  epoch: 0,
  subtopologies: [
    subtopology('0', { sourceTopics: ['lines'], repartitionSinkTopics: ['words'] }),
    subtopology('1', {
      repartitionSourceTopics: [internalTopic('words')],
      stateChangelogTopics: [internalTopic('counts')]
    })
  ]
}

/** A heartbeat that says nothing but who sends it. */
export function heartbeatRequest(fields: Partial<StreamsGroupHeartbeatRequest>): StreamsGroupHeartbeatRequest {
  return {
    groupId: GROUP,
    memberId: 'a',
    memberEpoch: 0,
    endpointInformationEpoch: 0,
    instanceId: null,
    rackId: null,
    rebalanceTimeoutMs: -1,
    topology: null,
    activeTasks: null,
    standbyTasks: null,
    warmupTasks: null,
    processId: null,
    userEndpoint: null,
    clientTags: null,
    taskOffsets: null,
    taskEndOffsets: null,
    shutdownApplication: false,
    ...fields
  }
}

export function joinRequest(fields: Partial<StreamsGroupHeartbeatRequest> = {}): StreamsGroupHeartbeatRequest {
  const nothing = { activeTasks: [], standbyTasks: [], warmupTasks: [] }
  const memberId = fields.memberId ?? 'a'
  const about = { rebalanceTimeoutMs: 60_000, topology: wordCount, processId: `process-${memberId}` }
  return heartbeatRequest({ memberId, ...about, ...nothing, ...fields })
}

export class SimulatedGroup {
  group: StreamsGroup | undefined
  now = 1_000_000
  readonly log: LogRecord[] = []
  readonly topics = new Map<string, { id: string; partitions: number }>()
  readonly environment: StreamsEnvironment
  settings: GroupSettings
  readonly deadlines = new Map<string, number>()
  readonly #rules

  constructor(settings: Partial<GroupSettings> = {}) {
    this.settings = { ...DEFAULT_GROUP_SETTINGS, ...settings }
    this.environment = {
      settings: () => this.settings,
      membersMax: 1000,
      topics: {
        topicId: (topic) => this.topics.get(topic)?.id,
        topicName: (id) => [...this.topics].find(([, topic]) => topic.id === id)?.[0],
        partitionCount: (topic) => this.topics.get(topic)?.partitions
      }
    }
    this.#rules = streamsGroupRules(this.environment)
  }

  createTopic(name: string, partitions: number): void {
    this.topics.set(name, { id: `${name}-${this.topics.size}`, partitions })
  }

  send(request: StreamsGroupHeartbeatRequest): HeartbeatAnswer {
    const client = { clientId: 'client', clientHost: '/127.0.0.1' }
    return this.#take(heartbeat(this.group, request, client, this.environment, this.now))
  }

  /** The answer, which must not be an error. */
  accepted(request: StreamsGroupHeartbeatRequest): Answer {
    const { response } = this.send(request)
    assert.equal(response.errorCode, 0, response.errorMessage ?? '')
    return response
  }

  advance(ms: number): void {
    const until = this.now + ms
    for (;;) {
      const due = [...this.deadlines].filter(([, at]) => at <= until).sort((a, b) => a[1] - b[1])[0]
      if (due === undefined) break
      this.now = Math.max(this.now, due[1])
      this.deadlines.delete(due[0])
      if (this.group !== undefined) this.#take(this.#rules.expire(this.group, due[0], this.now))
    }
    this.now = until
  }

  /** The coordinator moves: what its successor reads is what was stored. */
  reload(): void {
    this.group = this.replayed()
    this.deadlines.clear()
    if (this.group === undefined) return
    for (const { name, afterMs } of this.#rules.loaded(this.group, this.now)) {
      if (afterMs !== null) this.deadlines.set(name, this.now + afterMs)
    }
  }

  /** The group that the log tells. */
  replayed(): StreamsGroup | undefined {
    return this.log.reduce<StreamsGroup | undefined>((group, record) => this.#rules.replay(group, record), undefined)
  }

  #take<Given>({ state, records, deadlines, answer }: GroupChange<StreamsGroup, Given>): Given {
    this.group = state
    this.log.push(...records)
    for (const { name, afterMs } of deadlines) {
      if (afterMs === null) this.deadlines.delete(name)
      else this.deadlines.set(name, this.now + afterMs)
    }
    return answer
  }
}

/** A stream thread. Gives tasks up when it is told so, and says so with its next heartbeat. */
export class SimulatedMember {
  readonly memberId: string
  readonly processId: string
  epoch = 0
  active = new Set<TaskId>()
  standby = new Set<TaskId>()
  readonly #group: SimulatedGroup

  constructor(group: SimulatedGroup, memberId: string, processId: string) {
    this.#group = group
    this.memberId = memberId
    this.processId = processId
  }

  /** `answerLost`: the broker did it, the member does not know. */
  heartbeat(answerLost = false): Answer {
    const { memberId, processId } = this
    const request =
      this.epoch === 0
        ? joinRequest({ memberId, processId })
        : heartbeatRequest({
            memberId,
            memberEpoch: this.epoch,
            activeTasks: listTasks(this.active),
            standbyTasks: listTasks(this.standby),
            warmupTasks: []
          })
    const { response } = this.#group.send(request)
    if (answerLost) return response
    if (response.errorCode !== 0) {
      this.epoch = 0
      this.active.clear()
      this.standby.clear()
      return response
    }
    assert.ok(response.memberEpoch >= this.epoch, 'epochs of a member never go back')
    this.epoch = response.memberEpoch
    if (response.activeTasks != null) this.active = tasksOf(response.activeTasks)
    if (response.standbyTasks != null) this.standby = tasksOf(response.standbyTasks)
    return response
  }

  leave(): void {
    this.#group.send(heartbeatRequest({ memberId: this.memberId, memberEpoch: -1 }))
  }
}
