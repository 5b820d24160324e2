/**
 * The working copy of a group during one step, and the effects gathered on the way. Lives for one call of `step`;
 * the group it was made from is never changed.
 */

import type {
  ClassicGroup,
  Deadline,
  Effect,
  GroupError,
  GroupSettings,
  GroupState,
  InitialRebalance,
  JoinAnswer,
  Member,
  RequestId,
  Step
} from './group-state.ts'
import { subscribedTopics } from './subscription.ts'

export const noAssignment = Buffer.alloc(0)
const joinDeadline: Deadline = { kind: 'join' }
const syncDeadline: Deadline = { kind: 'sync' }

export class Draft implements ClassicGroup {
  readonly groupId: string
  readonly settings: GroupSettings
  state: GroupState
  stateSince: number
  generation: number
  protocolType: string | null
  protocol: string | null
  leader: string | null
  readonly members: Map<string, Member>
  readonly staticMembers: Map<string, string>
  readonly pendingMembers: Set<string>
  readonly pendingSync: Set<string>
  initialRebalance: InitialRebalance | null
  subscribedTopics: ReadonlySet<string> | null
  readonly #now: number
  readonly #effects: Effect[] = []

  constructor(group: ClassicGroup, now: number, settings: GroupSettings) {
    this.groupId = group.groupId
    this.settings = settings
    this.state = group.state
    this.stateSince = group.stateSince
    this.generation = group.generation
    this.protocolType = group.protocolType
    this.protocol = group.protocol
    this.leader = group.leader
    this.members = new Map(group.members)
    this.staticMembers = new Map(group.staticMembers)
    this.pendingMembers = new Set(group.pendingMembers)
    this.pendingSync = new Set(group.pendingSync)
    this.initialRebalance = group.initialRebalance
    this.subscribedTopics = group.subscribedTopics
    this.#now = now
  }

  finish(): Step {
    const group: ClassicGroup = {
      groupId: this.groupId,
      state: this.state,
      stateSince: this.stateSince,
      generation: this.generation,
      protocolType: this.protocolType,
      protocol: this.protocol,
      leader: this.leader,
      members: this.members,
      staticMembers: this.staticMembers,
      pendingMembers: this.pendingMembers,
      pendingSync: this.pendingSync,
      initialRebalance: this.initialRebalance,
      subscribedTopics: this.subscribedTopics
    }
    return { group, effects: this.#effects }
  }

  moveTo(state: GroupState): void {
    this.state = state
    this.stateSince = this.#now
  }

  /** Chooses the protocol of the new generation, or none when nobody is left. */
  startGeneration(): void {
    this.generation = this.generation === 0x7fff_ffff ? 1 : this.generation + 1
    this.protocol = this.members.size === 0 ? null : this.chosenProtocol()
    this.subscribedTopics = subscribedTopics(this)
    this.initialRebalance = null
    this.pendingSync.clear()
  }

  /** See `chosenProtocol`. */
  chosenProtocol(): string | null {
    return chosenProtocol([...this.members.values()])
  }

  /** Whether a member that offers these protocols can work with those already here. */
  supports(protocolType: string, names: readonly string[]): boolean {
    if (this.state === 'Empty') return protocolType !== '' && names.length > 0
    if (protocolType !== this.protocolType) return false
    const members = [...this.members.values()]
    return names.some((name) => members.every((member) => member.protocols.some((one) => one.name === name)))
  }

  add(member: Member, protocolType: string): void {
    if (this.members.size === 0) this.protocolType = protocolType
    this.leader ??= member.memberId
    this.members.set(member.memberId, member)
    if (member.instanceId !== null) this.staticMembers.set(member.instanceId, member.memberId)
    this.pendingMembers.delete(member.memberId)
  }

  update(member: Member, changes: Partial<Member>): Member {
    const updated = { ...member, ...changes }
    this.members.set(member.memberId, updated)
    return updated
  }

  /** Removes a member or a pending member. One that still waits hears that it is unknown, and joins anew if it lives. */
  remove(memberId: string): void {
    const member = this.members.get(memberId)
    if (member !== undefined) {
      this.answerJoin(member, this.joinRefusal('', 'UNKNOWN_MEMBER_ID'))
      this.answerSync(member, 'UNKNOWN_MEMBER_ID')
      this.members.delete(memberId)
      if (member.instanceId !== null) this.staticMembers.delete(member.instanceId)
      if (this.leader === memberId) this.leader = this.members.keys().next().value ?? null
    }
    this.pendingMembers.delete(memberId)
    this.pendingSync.delete(memberId)
    this.cancelSession(memberId)
  }

  get allJoined(): boolean {
    if (this.pendingMembers.size > 0) return false
    for (const member of this.members.values()) if (member.awaitingJoin === null) return false
    return true
  }

  /** The longest that any member asks for; milliseconds. */
  get rebalanceTimeoutMs(): number {
    let longest = 0
    for (const member of this.members.values()) longest = Math.max(longest, member.rebalanceTimeoutMs)
    return longest
  }

  answer(request: RequestId, answer: Extract<Effect, { type: 'answer' }>['answer']): void {
    this.#effects.push({ type: 'answer', request, answer })
  }

  /** Answers the join that `member` waits for, if it does. Returns the member as it is now. */
  answerJoin(member: Member, answer: JoinAnswer): Member {
    if (member.awaitingJoin === null) return member
    this.answer(member.awaitingJoin, answer)
    return this.update(member, { awaitingJoin: null })
  }

  /** Answers the sync that `member` waits for, if it does, and starts its session anew: while it waited none ran. */
  answerSync(member: Member, error: GroupError): Member {
    if (member.awaitingSync === null) return member
    this.answer(member.awaitingSync, this.syncAnswer(error, member.assignment))
    this.startSession(member.memberId, member.sessionTimeoutMs)
    return this.update(member, { awaitingSync: null })
  }

  syncAnswer(error: GroupError, assignment: Buffer): Extract<Effect, { type: 'answer' }>['answer'] {
    if (error !== 'NONE') return { kind: 'sync', error, protocolType: null, protocol: null, assignment: noAssignment }
    return { kind: 'sync', error, protocolType: this.protocolType, protocol: this.protocol, assignment }
  }

  joinRefusal(memberId: string, error: GroupError): JoinAnswer {
    const nothing = { generation: -1, protocolType: null, protocol: null, leader: '', skipAssignment: false }
    return { kind: 'join', error, memberId, members: [], ...nothing }
  }

  /** What a member of the current generation is told; the leader alone hears of the others. */
  joinAnswer(memberId: string): JoinAnswer {
    return {
      kind: 'join',
      error: 'NONE',
      memberId,
      generation: this.generation,
      protocolType: this.protocolType,
      protocol: this.protocol,
      leader: this.leader ?? '',
      skipAssignment: false,
      members: memberId === this.leader ? this.#roster() : []
    }
  }

  #roster(): JoinAnswer['members'] {
    return [...this.members.values()].map((member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      metadata: member.protocols.find((protocol) => protocol.name === this.protocol)?.metadata ?? noAssignment
    }))
  }

  persist(): void {
    this.#effects.push({ type: 'persist' })
  }

  startSession(memberId: string, delayMs: number): void {
    this.#effects.push({ type: 'setDeadline', deadline: { kind: 'session', memberId }, delayMs })
  }

  cancelSession(memberId: string): void {
    this.#effects.push({ type: 'cancelDeadline', deadline: { kind: 'session', memberId } })
  }

  setDeadline(kind: 'join' | 'sync', delayMs: number): void {
    this.#effects.push({ type: 'setDeadline', deadline: kind === 'join' ? joinDeadline : syncDeadline, delayMs })
  }

  cancelDeadline(kind: 'join' | 'sync'): void {
    this.#effects.push({ type: 'cancelDeadline', deadline: kind === 'join' ? joinDeadline : syncDeadline })
  }

  log(message: string): void {
    this.#effects.push({ type: 'log', message })
  }
}

/** The protocol that all members support and most prefer; among equals, the one that the first of them prefers. */
export function chosenProtocol(members: readonly Pick<Member, 'protocols'>[]): string | null {
  const votes = new Map<string, number>()
  const shared = new Set(members[0]?.protocols.map((protocol) => protocol.name))
  for (const member of members) {
    const names = new Set(member.protocols.map((protocol) => protocol.name))
    for (const name of shared) if (!names.has(name)) shared.delete(name)
  }
  for (const member of members) {
    const vote = member.protocols.find((protocol) => shared.has(protocol.name))
    if (vote !== undefined) votes.set(vote.name, (votes.get(vote.name) ?? 0) + 1)
  }
  let chosen: string | null = null
  for (const [name, count] of votes) if (chosen === null || count > (votes.get(chosen) ?? 0)) chosen = name
  return chosen
}
