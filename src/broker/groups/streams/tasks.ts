/**
 * Tasks of a Streams application: one for each partition of each subtopology, named as Kafka Streams names them, `0_2`.
 * Nothing here knows who has them.
 */

/** `<subtopology>_<partition>`. */
export type TaskId = string

/** Tasks as requests, answers and records list them. */
export interface TaskIds {
  readonly subtopologyId: string
  readonly partitions: readonly number[]
}

/** What a member is to have. */
export interface TargetTasks {
  readonly active: ReadonlySet<TaskId>
  readonly standby: ReadonlySet<TaskId>
  readonly warmup: ReadonlySet<TaskId>
}

/** What a member has. Active tasks carry the epoch in which the member got them: offsets of older epochs are refused. */
export interface HeldTasks {
  readonly active: ReadonlyMap<TaskId, number>
  readonly standby: ReadonlySet<TaskId>
  readonly warmup: ReadonlySet<TaskId>
}

export const noTargetTasks: TargetTasks = { active: new Set(), standby: new Set(), warmup: new Set() }
export const noHeldTasks: HeldTasks = { active: new Map(), standby: new Set(), warmup: new Set() }

export function taskId(subtopologyId: string, partition: number): TaskId {
  return `${subtopologyId}_${partition}`
}

export function subtopologyOf(task: TaskId): string {
  return task.slice(0, task.lastIndexOf('_'))
}

export function partitionOf(task: TaskId): number {
  return Number(task.slice(task.lastIndexOf('_') + 1))
}

export function tasksOf(listed: readonly TaskIds[]): Set<TaskId> {
  return new Set(listed.flatMap(({ subtopologyId, partitions }) => partitions.map((p) => taskId(subtopologyId, p))))
}

/** By subtopology and partition. */
export function listTasks(tasks: Iterable<TaskId>): { subtopologyId: string; partitions: number[] }[] {
  const partitions = new Map<string, number[]>()
  for (const task of tasks) {
    const subtopologyId = subtopologyOf(task)
    const listed = partitions.get(subtopologyId)
    if (listed === undefined) partitions.set(subtopologyId, [partitionOf(task)])
    else listed.push(partitionOf(task))
  }
  return [...partitions.keys()].sort().map((subtopologyId) => ({
    subtopologyId,
    partitions: (partitions.get(subtopologyId) ?? []).sort((a, b) => a - b)
  }))
}

function sameTasks(a: ReadonlySet<TaskId>, b: ReadonlySet<TaskId>): boolean {
  return a.size === b.size && [...a].every((task) => b.has(task))
}

export function sameTargets(a: TargetTasks, b: TargetTasks): boolean {
  return sameTasks(a.active, b.active) && sameTasks(a.standby, b.standby) && sameTasks(a.warmup, b.warmup)
}

export function sameHeld(a: HeldTasks, b: HeldTasks): boolean {
  if (!sameTasks(a.standby, b.standby) || !sameTasks(a.warmup, b.warmup)) return false
  return a.active.size === b.active.size && [...a.active].every(([task, epoch]) => b.active.get(task) === epoch)
}

export function holdsNothing({ active, standby, warmup }: HeldTasks): boolean {
  return active.size === 0 && standby.size === 0 && warmup.size === 0
}
