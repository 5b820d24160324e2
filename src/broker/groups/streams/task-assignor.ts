/**
 * Who is to have which tasks: the results of Kafka's sticky task assignor. Tasks stay with the member that had them,
 * active tasks prefer members that had them as standby, the rest goes to the processes with the least load per member,
 * and no process has a task twice. No member gets more than its share before all have theirs.
 *
 * Deterministic: equal loads are decided by the order of member ids. Warmup tasks are never given: Kafka 4.3 does not
 * either. It knows nothing of what members have at the moment, only what they were last told to have.
 */
import { assert } from '../../../runtime/fault.ts'
import { noTargetTasks, partitionOf, subtopologyOf, type TargetTasks, type TaskId, taskId } from './tasks.ts'

export interface AssignedMember {
  readonly memberId: string
  /** Members of one process share its memory and disk. */
  readonly processId: string
  /** Its last target. */
  readonly previous: TargetTasks
}

export interface AssignedSubtopology {
  readonly subtopologyId: string
  readonly taskCount: number
  readonly stateful: boolean
}

interface Worker {
  readonly memberId: string
  readonly process: Process
  readonly active: Set<TaskId>
  readonly standby: Set<TaskId>
  /** Of both kinds. */
  count: number
}

interface Process {
  readonly workers: Worker[]
  readonly tasks: Set<TaskId>
}

/** How many tasks a member may have: those that are left, shared by the members that have not reached their share. */
class Quota {
  perMember: number
  #tasks: number
  #members: number

  constructor(tasks: number, members: number) {
    this.#tasks = tasks
    this.#members = members
    this.perMember = share(tasks, members)
  }

  /** A member has `count` tasks now. */
  note(count: number): void {
    if (count !== this.perMember) return
    this.#members--
    this.#tasks -= count
    this.perMember = share(this.#tasks, this.#members)
  }
}

function share(tasks: number, members: number): number {
  return members === 0 ? 0 : Math.ceil(tasks / members)
}

/** The target of every member. There must be one member at least. */
export function assignTasks(
  members: readonly AssignedMember[],
  subtopologies: readonly AssignedSubtopology[],
  standbyReplicas: number
): Map<string, TargetTasks> {
  const assignment = new Assignment(members, subtopologies, standbyReplicas)
  assignment.assignActive(subtopologies.flatMap(allTasks))
  if (standbyReplicas > 0) assignment.assignStandby(subtopologies.filter((s) => s.stateful).flatMap(allTasks))
  return assignment.result()
}

function allTasks({ subtopologyId, taskCount }: AssignedSubtopology): TaskId[] {
  return Array.from({ length: taskCount }, (_, partition) => taskId(subtopologyId, partition))
}

class Assignment {
  readonly #workers: Worker[] = []
  readonly #processes: Process[]
  readonly #standbyReplicas: number
  readonly #activeQuota: Quota
  readonly #totalQuota: Quota
  readonly #activeBefore = new Map<TaskId, Worker>()
  readonly #standbyBefore = new Map<TaskId, Worker[]>()

  constructor(
    members: readonly AssignedMember[],
    subtopologies: readonly AssignedSubtopology[],
    standbyReplicas: number
  ) {
    const processes = new Map<string, Process>()
    for (const member of [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1))) {
      const process = processes.get(member.processId) ?? { workers: [], tasks: new Set() }
      processes.set(member.processId, process)
      this.#add(member, process)
    }
    this.#processes = [...processes.values()]
    this.#standbyReplicas = standbyReplicas
    const count = (some: readonly AssignedSubtopology[]) => some.reduce((sum, { taskCount }) => sum + taskCount, 0)
    const active = count(subtopologies)
    const standby = count(subtopologies.filter(({ stateful }) => stateful)) * standbyReplicas
    this.#activeQuota = new Quota(active, members.length)
    this.#totalQuota = new Quota(active + standby, members.length)
  }

  #add({ memberId, previous }: AssignedMember, process: Process): void {
    const worker = { memberId, process, active: new Set<TaskId>(), standby: new Set<TaskId>(), count: 0 }
    process.workers.push(worker)
    this.#workers.push(worker)
    for (const task of previous.active) this.#activeBefore.set(task, worker)
    for (const task of previous.standby) {
      this.#standbyBefore.set(task, [...(this.#standbyBefore.get(task) ?? []), worker])
    }
  }

  assignActive(tasks: readonly TaskId[]): void {
    // By partition first: equal partitions of different subtopologies are likely to have been together.
    const ordered = [...tasks].sort(byPartition)
    const moved = ordered.filter((task) => !this.#keepActive(task, this.#activeBefore.get(task)))
    const rest = moved.filter((task) => !this.#keepActive(task, leastLoaded(this.#standbyBefore.get(task) ?? [])))
    for (const task of rest.sort(bySubtopology)) {
      const process = leastLoadedProcess(this.#processes)
      assert(process !== undefined, 'there is a member to take the task')
      this.#give(leastLoaded(process.workers), task, 'active')
    }
  }

  #keepActive(task: TaskId, worker: Worker | undefined): boolean {
    if (worker === undefined || worker.count >= this.#activeQuota.perMember) return false
    this.#give(worker, task, 'active')
    return true
  }

  assignStandby(tasks: readonly TaskId[]): void {
    const rest: TaskId[] = []
    for (const task of [...tasks].sort(byPartition).reverse()) {
      let open = this.#standbyReplicas
      while (open > 0 && this.#keepStandby(task)) open--
      for (; open > 0; open--) rest.push(task)
    }
    for (const task of rest.sort(bySubtopology).reverse()) {
      // With fewer processes than replicas some of these go without.
      const process = leastLoadedProcess(this.#processes.filter(({ tasks }) => !tasks.has(task)))
      if (process !== undefined) this.#give(leastLoaded(process.workers), task, 'standby')
    }
  }

  /** With whom had it before, active or standby. */
  #keepStandby(task: TaskId): boolean {
    const standby = (this.#standbyBefore.get(task) ?? []).filter(({ process }) => !process.tasks.has(task))
    for (const worker of [this.#activeBefore.get(task), leastLoaded(standby)]) {
      if (worker === undefined || worker.process.tasks.has(task) || worker.count >= this.#totalQuota.perMember) continue
      this.#give(worker, task, 'standby')
      return true
    }
    return false
  }

  #give(worker: Worker | undefined, task: TaskId, kind: 'active' | 'standby'): void {
    assert(worker !== undefined, 'every process has members')
    worker[kind].add(task)
    worker.process.tasks.add(task)
    worker.count++
    if (kind === 'active') this.#activeQuota.note(worker.count)
    this.#totalQuota.note(worker.count)
  }

  result(): Map<string, TargetTasks> {
    return new Map(
      this.#workers.map(({ memberId, active, standby }) => [memberId, { ...noTargetTasks, active, standby }])
    )
  }
}

function load({ workers, tasks }: Process): number {
  return tasks.size / workers.length
}

function leastLoadedProcess(processes: readonly Process[]): Process | undefined {
  return processes.reduce<Process | undefined>((a, b) => (a !== undefined && load(a) <= load(b) ? a : b), undefined)
}

/** Of the least loaded process, if they are of several. */
function leastLoaded(workers: readonly Worker[]): Worker | undefined {
  return workers.reduce<Worker | undefined>((a, b) => (a !== undefined && compareLoad(a, b) <= 0 ? a : b), undefined)
}

function compareLoad(a: Worker, b: Worker): number {
  return load(a.process) - load(b.process) || a.count - b.count
}

function byPartition(a: TaskId, b: TaskId): number {
  return partitionOf(a) - partitionOf(b) || compareSubtopologies(a, b)
}

function bySubtopology(a: TaskId, b: TaskId): number {
  return compareSubtopologies(a, b) || partitionOf(a) - partitionOf(b)
}

function compareSubtopologies(a: TaskId, b: TaskId): number {
  const [left, right] = [subtopologyOf(a), subtopologyOf(b)]
  if (left === right) return 0
  return left < right ? -1 : 1
}
