/**
 * Brings what a member has towards its target, one safe step at a time (KIP-1071). First it gives up what it is not to
 * have, and says so; then it gets what nobody else has any more.
 *
 * Invariant: no active task is assigned while any member has it, assigned or pending revocation; and no process gets a
 * task that it has already, whatever the kind: its state directory has room for one.
 */
import type { StreamsGroup, StreamsMember } from './streams-group-state.ts'
import { type HeldTasks, holdsNothing, noHeldTasks, type TargetTasks, type TaskId } from './tasks.ts'

/** What members have at the moment, by process. */
interface Owners {
  /** Any process has it as its active task. */
  readonly active: ReadonlySet<TaskId>
  /** The member's process has it, as whatever. */
  readonly own: ReadonlySet<TaskId>
}

export interface Target {
  readonly epoch: number
  readonly tasks: TargetTasks
}

export function isReconciled(member: StreamsMember, epoch: number): boolean {
  return member.state === 'STABLE' && member.epoch === epoch
}

/**
 * The member's next step. `group`: as it was before this request, to tell who has which tasks. `reported`: what the
 * member says it has, or undefined when it does not say. `FENCED`: it must give up everything and join anew.
 */
export function reconcile(
  group: StreamsGroup,
  member: StreamsMember,
  target: Target,
  reported: TargetTasks | undefined
): StreamsMember | 'FENCED' {
  switch (member.state) {
    case 'STABLE':
      if (member.epoch === target.epoch) return member
      return next(group, member, member.epoch, target, reported)
    case 'UNREVOKED_TASKS':
      if (reported === undefined || hasAny(reported, member.pendingRevocation)) return member
      return next(group, member, member.epoch + 1, target, reported)
    case 'UNRELEASED_TASKS':
      return next(group, member, member.epoch, target, reported)
    case 'UNKNOWN':
      if (reported === undefined || reported.active.size + reported.standby.size + reported.warmup.size > 0)
        return 'FENCED'
      return next(group, member, target.epoch, target, reported)
  }
}

function next(
  group: StreamsGroup,
  member: StreamsMember,
  epoch: number,
  target: Target,
  reported: TargetTasks | undefined
): StreamsMember {
  const owners = ownersOf(group, member.metadata.processId)
  const kept = keep(member.assigned, target.tasks, true)
  const revoked = keep(member.assigned, target.tasks, false)
  const previousEpoch = member.epoch
  if (!holdsNothing(revoked) && (reported === undefined || hasAny(reported, revoked))) {
    return { ...member, state: 'UNREVOKED_TASKS', epoch, previousEpoch, assigned: kept, pendingRevocation: revoked }
  }
  const wanted = (kind: keyof TargetTasks) => [...target.tasks[kind]].filter((task) => !kept[kind].has(task))
  const free = (kind: keyof TargetTasks) => wanted(kind).filter((task) => isReleased(owners, kind, task))
  const assigned: HeldTasks = {
    active: new Map([...kept.active, ...free('active').map((task) => [task, target.epoch] as const)]),
    standby: new Set([...kept.standby, ...free('standby')]),
    warmup: new Set([...kept.warmup, ...free('warmup')])
  }
  const complete = (['active', 'standby', 'warmup'] as const).every(
    (kind) => assigned[kind].size === target.tasks[kind].size
  )
  const state = complete ? 'STABLE' : 'UNRELEASED_TASKS'
  return { ...member, state, epoch: target.epoch, previousEpoch, assigned, pendingRevocation: noHeldTasks }
}

/** The tasks that are in the target, or those that are not. */
function keep(held: HeldTasks, target: TargetTasks, inTarget: boolean): HeldTasks {
  return {
    active: new Map([...held.active].filter(([task]) => target.active.has(task) === inTarget)),
    standby: new Set([...held.standby].filter((task) => target.standby.has(task) === inTarget)),
    warmup: new Set([...held.warmup].filter((task) => target.warmup.has(task) === inTarget))
  }
}

function hasAny(reported: TargetTasks, held: HeldTasks): boolean {
  return (['active', 'standby', 'warmup'] as const).some((kind) =>
    [...held[kind].keys()].some((task) => reported[kind].has(task))
  )
}

function isReleased(owners: Owners, kind: keyof TargetTasks, task: TaskId): boolean {
  return !owners.own.has(task) && (kind !== 'active' || !owners.active.has(task))
}

function ownersOf(group: StreamsGroup, processId: string): Owners {
  const active = new Set<TaskId>()
  const own = new Set<TaskId>()
  for (const { metadata, assigned, pendingRevocation } of group.members.values()) {
    for (const held of [assigned, pendingRevocation]) {
      for (const task of held.active.keys()) active.add(task)
      if (metadata.processId !== processId) continue
      for (const tasks of [held.active, held.standby, held.warmup]) for (const task of tasks.keys()) own.add(task)
    }
  }
  return { active, own }
}
