/**
 * A consumer group and its members for tests, without a shard: changes are made at once, deadlines run in virtual time, and
 * after every change the group is held to its promises.
 */
import assert from 'node:assert/strict'
import { DEFAULT_GROUP_SETTINGS } from '../../group-settings.ts'
import type { LogRecord } from '../../record-log.ts'
import type { DeadlineChange, GroupChange } from '../hosted-group.ts'
import type { TopicDirectory } from '../topic-directory.ts'
import { type Assignment, noPartitions } from './assignment.ts'
import type { ConsumerEnvironment, MigrationPolicy } from './consumer-environment.ts'
import { type ConsumerGroup, type ConsumerMember, LEAVE_EPOCH, STATIC_LEAVE_EPOCH } from './consumer-group.ts'
import { decideHeartbeat, type Heartbeat, type HeartbeatAnswer } from './consumer-heartbeat.ts'
import { ConsumerRules } from './consumer-rules.ts'
import { TopicPattern } from './topic-pattern.ts'

/** Topics by name, each with its number of partitions. */
class SimulatedTopics implements TopicDirectory {
  readonly #topics = new Map<string, { id: string; partitions: number }>()
  #revision = 0

  set(name: string, partitions: number): void {
    this.#revision++
    const id = this.#topics.get(name)?.id ?? `${name}${this.#revision}`.padEnd(22, 'A')
    this.#topics.set(name, { id, partitions })
  }

  delete(name: string): void {
    this.#revision++
    this.#topics.delete(name)
  }

  topicExists(topic: string, partition: number): boolean {
    return partition < (this.partitionCount(topic) ?? 0)
  }

  topicName(id: string): string | undefined {
    return [...this.#topics].find(([, topic]) => topic.id === id)?.[0]
  }

  topicId(topic: string): string | undefined {
    return this.#topics.get(topic)?.id
  }

  partitionCount(topic: string): number | undefined {
    return this.#topics.get(topic)?.partitions
  }

  names(): Iterable<string> {
    return this.#topics.keys()
  }

  revision(): number {
    return this.#revision
  }
}

export class SimulatedConsumerGroup {
  readonly topics = new SimulatedTopics()
  readonly env: ConsumerEnvironment
  readonly rules: ConsumerRules
  state: ConsumerGroup | undefined
  readonly log: LogRecord[] = []
  now = 1_000_000
  readonly #deadlines = new Map<string, number>()
  /** The highest epoch of each member so far. */
  readonly #epochs = new Map<string, number>()

  constructor(options: { maxSize?: number; migrationPolicy?: MigrationPolicy; assignmentIntervalMs?: number } = {}) {
    const { maxSize = 1_000, migrationPolicy = 'bidirectional', assignmentIntervalMs = 0 } = options
    const sessions = { minSessionTimeoutMs: 1, maxSessionTimeoutMs: 1_000_000 }
    this.env = {
      topics: this.topics,
      settings: { maxSize, classicMaxSize: 1_000, migrationPolicy, ...sessions },
      settingsOf: () => ({ ...DEFAULT_GROUP_SETTINGS, consumerAssignmentIntervalMs: assignmentIntervalMs }),
      patterns: {
        matched: (regex) => {
          const pattern = new TopicPattern(regex)
          const topics = [...this.topics.names()].filter((name) => pattern.matches(name)).sort()
          return { topics, version: this.topics.revision() }
        },
        problem: (regex) => {
          try {
            new TopicPattern(regex)
            return undefined
          } catch (error) {
            return String(error)
          }
        }
      }
    }
    this.rules = new ConsumerRules(this.env)
  }

  heartbeat(fields: Partial<Heartbeat> & { memberId: string; memberEpoch: number }): HeartbeatAnswer {
    const beat: Heartbeat = {
      groupId: 'fleet',
      instanceId: null,
      rackId: null,
      clientId: 'truck',
      clientHost: '/127.0.0.1',
      rebalanceTimeoutMs: -1,
      topicNames: null,
      topicRegex: null,
      assignor: null,
      owned: null,
      ...fields
    }
    const change = decideHeartbeat(this.env, this.state, beat, this.now)
    this.apply(change)
    return change.answer
  }

  apply<Answer>(change: GroupChange<ConsumerGroup, Answer>): void {
    if (change.records.length > 0) {
      const replayed = this.#replay(this.state, change.records)
      assert.deepEqual(comparable(replayed), comparable(change.state), 'the records make the state')
      this.log.push(...change.records)
      this.state = change.state
    }
    this.#set(change.deadlines)
    this.check()
  }

  #set(changes: readonly DeadlineChange[]): void {
    for (const { name, afterMs, ifAbsent } of changes) {
      if (afterMs === null) this.#deadlines.delete(name)
      else if (!(ifAbsent === true && this.#deadlines.has(name))) this.#deadlines.set(name, this.now + afterMs)
    }
  }

  #replay(state: ConsumerGroup | undefined, records: readonly LogRecord[]): ConsumerGroup | undefined {
    return records.reduce<ConsumerGroup | undefined>((before, record) => this.rules.replay(before, record), state)
  }

  /** The coordinator restarts: the group is what its records say. */
  restart(): void {
    this.state = this.#replay(undefined, this.log)
    this.#deadlines.clear()
    if (this.state !== undefined) this.#set(this.rules.loaded(this.state))
  }

  /** Lets time pass; deadlines fire when they are due, earliest first. */
  advance(ms: number): void {
    const end = this.now + ms
    for (;;) {
      const [next] = [...this.#deadlines].sort(([, a], [, b]) => a - b)
      if (next === undefined || next[1] > end) break
      this.now = next[1]
      this.#deadlines.delete(next[0])
      if (this.state !== undefined) this.apply(this.rules.expire(this.state, next[0], this.now))
    }
    this.now = end
  }

  member(memberId: string): ConsumerMember {
    const member = this.state?.members.get(memberId)
    assert.ok(member !== undefined, `${memberId} is a member`)
    return member
  }

  /** What a topic's partitions are assigned as: `1, 2`. */
  assigned(memberId: string, topic = 'cars'): number[] {
    const id = this.topics.topicId(topic) ?? ''
    return [...(this.member(memberId).assigned.get(id)?.keys() ?? [])].sort((a, b) => a - b)
  }

  get stateName(): string {
    return this.state === undefined ? 'none' : this.rules.stateName(this.state)
  }

  /** Throws when the group breaks a promise. */
  check(): void {
    if (this.state === undefined) return
    const owners = new Map<string, string>()
    for (const member of this.state.members.values()) {
      for (const owned of [member.assigned, member.pendingRevocation]) {
        for (const [topicId, partitions] of owned) {
          for (const partition of partitions.keys()) {
            const name = `${topicId}-${partition}`
            const other = owners.get(name)
            assert.equal(other, undefined, `${name} is owned by ${other} and ${member.memberId}`)
            owners.set(name, member.memberId)
          }
        }
      }
      const before = this.#epochs.get(member.memberId) ?? 0
      const hasLeft = member.epoch === STATIC_LEAVE_EPOCH
      assert.ok(hasLeft || member.epoch >= before, `the epoch of ${member.memberId} never goes back`)
      assert.ok(member.epoch <= this.state.epoch, 'no member is ahead of its group')
      this.#epochs.set(member.memberId, Math.max(member.epoch, before))
    }
    for (const id of [...this.#epochs.keys()]) if (!this.state.members.has(id)) this.#epochs.delete(id)
    for (const memberId of this.state.targets.keys())
      assert.ok(this.state.members.has(memberId), 'targets have members')
  }
}

/** A consumer that behaves as clients of KIP-848 do: it stops working on what it is not assigned before it says so. */
export class SimulatedConsumer {
  readonly memberId: string
  readonly instanceId: string | null
  subscription: { topicNames: readonly string[] } | { topicRegex: string }
  epoch = 0
  /** What it works on. */
  owned: Assignment = noPartitions
  /** What it was told to work on; undefined: nothing new. */
  told: Assignment | undefined
  readonly #group: SimulatedConsumerGroup
  #full = true

  constructor(
    group: SimulatedConsumerGroup,
    memberId: string,
    subscription: SimulatedConsumer['subscription'] = { topicNames: ['cars'] },
    instanceId: string | null = null
  ) {
    this.#group = group
    this.memberId = memberId
    this.subscription = subscription
    this.instanceId = instanceId
  }

  /** One heartbeat; true when it was not refused. One that is fenced gives everything up and joins anew next time. */
  beat(): boolean {
    const isFull = this.#full
    const answer = this.#group.heartbeat({
      memberId: this.memberId,
      instanceId: this.instanceId,
      memberEpoch: this.epoch,
      owned: this.owned,
      ...(isFull ? { rebalanceTimeoutMs: 60_000, topicNames: [], topicRegex: '', ...this.subscription } : {})
    })
    if (answer.error !== 'NONE') {
      this.epoch = 0
      this.owned = noPartitions
      this.told = undefined
      this.#full = true
      return false
    }
    this.#full = false
    this.epoch = answer.memberEpoch
    if (answer.assignment !== null) this.told = answer.assignment
    return true
  }

  subscribe(subscription: SimulatedConsumer['subscription']): void {
    this.subscription = subscription
    this.#full = true
  }

  /** Does what it was told: gives up at once, and takes over what is new. */
  follow(): void {
    if (this.told === undefined) return
    this.owned = this.told
    this.told = undefined
  }

  leave(): void {
    const memberEpoch = this.instanceId === null ? LEAVE_EPOCH : STATIC_LEAVE_EPOCH
    this.#group.heartbeat({ memberId: this.memberId, instanceId: this.instanceId, memberEpoch })
    this.epoch = 0
    this.owned = noPartitions
    this.told = undefined
    this.#full = true
  }
}

/** Beats everybody until nothing changes; asserts that this comes soon. */
export function converge(group: SimulatedConsumerGroup, consumers: readonly SimulatedConsumer[], rounds = 20): void {
  for (let round = 0; round < rounds; round++) {
    for (const consumer of consumers) {
      consumer.beat()
      consumer.follow()
    }
    group.advance(1_000)
  }
  assert.ok(consumers.length === 0 || group.stateName === 'Stable', `the group is ${group.stateName}`)
}

/** Without what is the same thing in another shape. */
function comparable(state: ConsumerGroup | undefined): unknown {
  if (state === undefined) return undefined
  // The version of the directory is not stored.
  const regexes = new Map([...state.regexes].map(([regex, resolved]) => [regex, { ...resolved, version: -1 }]))
  return { ...state, regexes }
}
