/**
 * Runs the group state machine for tests, as the shell does but without waiting: performs effects, keeps deadlines in
 * virtual time, and holds the machine to its promises after every step.
 */
import { assert } from '../../runtime/fault.ts'
import { step } from './classic-group.ts'
import {
  type Answer,
  type ClassicGroup,
  checkInvariants,
  type Deadline,
  defaultGroupSettings,
  emptyGroup,
  type GroupEvent,
  type GroupSettings,
  type JoinAnswer,
  type JoinEvent,
  type LeaveAnswer,
  type RequestId,
  type SyncAnswer,
  type SyncEvent
} from './group-state.ts'

interface RunningDeadline {
  readonly at: number
  readonly deadline: Deadline
}

export class SimulatedGroup {
  readonly settings: GroupSettings
  group: ClassicGroup
  now = 0
  /** What the log would hold of the group. */
  persisted: ClassicGroup | undefined
  readonly answers = new Map<RequestId, Answer>()
  readonly asked = new Set<RequestId>()
  readonly #deadlines = new Map<string, RunningDeadline>()
  #nextRequest = 1
  #nextMember = 1

  constructor(settings: Partial<GroupSettings> = {}) {
    this.settings = { ...defaultGroupSettings, ...settings }
    this.group = emptyGroup('fleet', 0)
  }

  get deadlineCount(): number {
    return this.#deadlines.size
  }

  send(event: GroupEvent): void {
    if ('request' in event) this.asked.add(event.request)
    // Heartbeats get no working copy that could be mistaken for the group, and are too many to look at each.
    const before = event.type === 'heartbeat' ? undefined : snapshot(this.group)
    const { group, effects } = step(this.group, event, this.now, this.settings)
    assert(before === undefined || before === snapshot(this.group), 'a step leaves the state it started from alone')
    this.group = group
    checkInvariants(group)
    for (const effect of effects) {
      if (effect.type === 'persist') this.persisted = group
      else if (effect.type === 'setDeadline') {
        this.#deadlines.set(JSON.stringify(effect.deadline), {
          at: this.now + effect.delayMs,
          deadline: effect.deadline
        })
      } else if (effect.type === 'cancelDeadline') this.#deadlines.delete(JSON.stringify(effect.deadline))
      else if (effect.type === 'answer') {
        assert(this.asked.has(effect.request), `request ${effect.request} was asked`)
        assert(!this.answers.has(effect.request), `request ${effect.request} is answered once`)
        this.answers.set(effect.request, effect.answer)
      }
    }
  }

  /** Lets time pass; deadlines fire when they are due, earliest first. */
  advance(ms: number): void {
    const end = this.now + ms
    for (;;) {
      let due: [string, RunningDeadline] | undefined
      for (const entry of this.#deadlines) if (due === undefined || entry[1].at < due[1].at) due = entry
      if (due === undefined || due[1].at > end) break
      this.#deadlines.delete(due[0])
      this.now = Math.max(this.now, due[1].at)
      this.send({ type: 'deadline', deadline: due[1].deadline })
    }
    this.now = end
  }

  join(fields: Partial<JoinEvent> = {}): RequestId {
    const request = this.#nextRequest++
    this.send({
      type: 'join',
      request,
      memberId: '',
      newMemberId: `member-${this.#nextMember++}`,
      instanceId: null,
      clientId: 'client',
      clientHost: '/127.0.0.1',
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.from('topics') }],
      reason: null,
      requiresMemberId: false,
      maySkipAssignment: true,
      ...fields
    })
    return request
  }

  sync(memberId: string, fields: Partial<SyncEvent> = {}): RequestId {
    const request = this.#nextRequest++
    this.send({
      type: 'sync',
      request,
      memberId,
      instanceId: null,
      generation: this.group.generation,
      protocolType: null,
      protocol: null,
      assignments: new Map(),
      ...fields
    })
    return request
  }

  heartbeat(memberId: string, fields: { instanceId?: string; generation?: number } = {}): string {
    const request = this.#nextRequest++
    const { instanceId = null, generation = this.group.generation } = fields
    this.send({ type: 'heartbeat', request, memberId, instanceId, generation })
    const answer = this.answers.get(request)
    assert(answer?.kind === 'heartbeat', 'a heartbeat is answered at once')
    return answer.error
  }

  leave(...members: readonly { memberId: string; instanceId?: string }[]): LeaveAnswer {
    const request = this.#nextRequest++
    const leaving = members.map(({ memberId, instanceId = null }) => ({ memberId, instanceId, reason: 'test' }))
    this.send({ type: 'leave', request, members: leaving })
    const answer = this.answers.get(request)
    assert(answer?.kind === 'leave', 'a leave is answered at once')
    return answer
  }

  joined(request: RequestId): JoinAnswer {
    const answer = this.answers.get(request)
    assert(answer?.kind === 'join', `join ${request} is answered`)
    return answer
  }

  synced(request: RequestId): SyncAnswer {
    const answer = this.answers.get(request)
    assert(answer?.kind === 'sync', `sync ${request} is answered`)
    return answer
  }

  isWaiting(request: RequestId): boolean {
    return !this.answers.has(request)
  }

  /** The coordinator restarts: the group is what the log holds, and whoever waited never hears of it. */
  restart(): void {
    const stored = this.persisted
    for (const request of this.asked) if (this.isWaiting(request)) this.asked.delete(request)
    this.#deadlines.clear()
    this.group =
      stored === undefined
        ? emptyGroup('fleet', this.now)
        : { ...stored, pendingMembers: new Set(), pendingSync: new Set(), initialRebalance: null }
    this.send({ type: 'loaded' })
  }
}

function snapshot(group: ClassicGroup): string {
  const { members, staticMembers, pendingMembers, pendingSync } = group
  return JSON.stringify([group, [...members], [...staticMembers], [...pendingMembers], [...pendingSync]])
}
