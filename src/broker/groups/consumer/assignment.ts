/** Which partitions of which topics: what assignors work with. Topics are told by id. */

/** Topic id → partitions. */
export type Assignment = ReadonlyMap<string, ReadonlySet<number>>
/** Topic id → partition → the epoch since which the member has it. */
export type EpochAssignment = ReadonlyMap<string, ReadonlyMap<number, number>>
/** Member id → what it is to own. */
export type Assignments = ReadonlyMap<string, Assignment>

export const noPartitions: Assignment = new Map()

export interface AssignmentMember {
  readonly instanceId: string | null
  /** What it subscribes to, of the topics that exist. */
  readonly topicIds: ReadonlySet<string>
  /** What it was to own so far. */
  readonly target: Assignment
}

export interface AssignmentInput {
  readonly members: ReadonlyMap<string, AssignmentMember>
  /** Of every topic that somebody subscribes to. */
  readonly partitionCounts: ReadonlyMap<string, number>
}

/** Pure: the same input gives the same assignments. */
export type Assignor = (input: AssignmentInput) => Assignments

export function countPartitions(assignment: Assignment | EpochAssignment): number {
  let count = 0
  for (const partitions of assignment.values()) count += partitions.size
  return count
}

export function has(assignment: Assignment | EpochAssignment, topicId: string, partition: number): boolean {
  return assignment.get(topicId)?.has(partition) ?? false
}

export function sameAssignment(one: Assignment, other: Assignment): boolean {
  if (one.size !== other.size) return false
  for (const [topicId, partitions] of one) {
    const others = other.get(topicId)
    if (others === undefined || others.size !== partitions.size) return false
    for (const partition of partitions) if (!others.has(partition)) return false
  }
  return true
}

/** Epochs included. */
export function sameEpochAssignment(one: EpochAssignment, other: EpochAssignment): boolean {
  if (one.size !== other.size) return false
  for (const [topicId, partitions] of one) {
    const others = other.get(topicId)
    if (others === undefined || others.size !== partitions.size) return false
    for (const [partition, epoch] of partitions) if (others.get(partition) !== epoch) return false
  }
  return true
}

export function withEpoch(assignment: Assignment, epoch: number): EpochAssignment {
  return new Map([...assignment].map(([id, partitions]) => [id, new Map([...partitions].map((p) => [p, epoch]))]))
}

export function withoutEpochs(assignment: EpochAssignment): Assignment {
  return new Map([...assignment].map(([id, partitions]) => [id, new Set(partitions.keys())]))
}
