/**
 * The `uniform` assignor (KIP-848): members get as many partitions as each other, give or take one, and keep what they
 * have as far as that allows. Members that subscribe to different topics are balanced among those of each topic.
 */
import { type Assignment, type AssignmentInput, type Assignments, countPartitions } from './assignment.ts'

export function assignUniformly(input: AssignmentInput): Assignments {
  const [first, ...others] = input.members.values()
  if (first === undefined) return new Map()
  const isHomogeneous = others.every(
    ({ topicIds }) => topicIds.size === first.topicIds.size && [...topicIds].every((id) => first.topicIds.has(id))
  )
  return isHomogeneous ? assignQuotas(input, first.topicIds) : balance(input)
}

type MutableAssignment = Map<string, Set<number>>

function add(assignment: MutableAssignment, topicId: string, partition: number): void {
  const partitions = assignment.get(topicId) ?? new Set()
  assignment.set(topicId, partitions.add(partition))
}

/** What a member has of topics that it still subscribes to and that still have the partition. */
function* kept(input: AssignmentInput, target: Assignment, topicIds: ReadonlySet<string>) {
  for (const [topicId, partitions] of target) {
    const count = topicIds.has(topicId) ? (input.partitionCounts.get(topicId) ?? 0) : 0
    for (const partition of partitions) if (partition < count) yield [topicId, partition] as const
  }
}

/** Everybody subscribes to the same: each has a quota, keeps up to it, and is filled up with what nobody has. */
function assignQuotas(input: AssignmentInput, topicIds: ReadonlySet<string>): Assignments {
  const total = [...topicIds].reduce((sum, id) => sum + (input.partitionCounts.get(id) ?? 0), 0)
  const quota = Math.floor(total / input.members.size)
  const withExtra = total % input.members.size
  const sizes = new Map<string, number>()
  for (const [memberId, { target }] of input.members) sizes.set(memberId, countOf(kept(input, target, topicIds)))
  // One more than the quota goes to those who have more already, then to whoever comes first.
  const byNeed = [...sizes].sort(([, a], [, b]) => Number(b > quota) - Number(a > quota)).map(([memberId]) => memberId)
  const extra = new Set(byNeed.slice(0, withExtra))
  const taken: MutableAssignment = new Map()
  const assignments = new Map<string, MutableAssignment>()
  for (const [memberId, { target }] of input.members) {
    const assignment: MutableAssignment = new Map()
    let room = quota + (extra.has(memberId) ? 1 : 0)
    for (const [topicId, partition] of kept(input, target, topicIds)) {
      if (room === 0) break
      if (taken.get(topicId)?.has(partition)) continue
      room--
      add(assignment, topicId, partition)
      add(taken, topicId, partition)
    }
    assignments.set(memberId, assignment)
  }
  const free = unassigned(input, topicIds, taken)
  for (const [memberId, assignment] of assignments) {
    let room = quota + (extra.has(memberId) ? 1 : 0) - countPartitions(assignment)
    for (; room > 0; room--) {
      const next = free.next()
      if (next.done) break
      add(assignment, ...next.value)
    }
  }
  return assignments
}

function countOf(partitions: Iterable<unknown>): number {
  let count = 0
  for (const _ of partitions) count++
  return count
}

function* unassigned(
  input: AssignmentInput,
  topicIds: Iterable<string>,
  taken: Assignment
): Generator<[topicId: string, partition: number]> {
  for (const topicId of topicIds) {
    const count = input.partitionCounts.get(topicId) ?? 0
    for (let partition = 0; partition < count; partition++) {
      if (!taken.get(topicId)?.has(partition)) yield [topicId, partition]
    }
  }
}

/** A member while it is being balanced. */
interface Share {
  readonly assignment: MutableAssignment
  size: number
}

/** Rounds over all topics after which a balance that is not found yet is left as it is; Kafka's number. */
const ROUNDS_MAX = 16

function balance(input: AssignmentInput): Assignments {
  const shares = new Map<string, Share>()
  const taken: MutableAssignment = new Map()
  const subscribers = new Map<string, Share[]>()
  for (const [memberId, { target, topicIds }] of input.members) {
    const share: Share = { assignment: new Map(), size: 0 }
    shares.set(memberId, share)
    for (const topicId of topicIds) {
      const others = subscribers.get(topicId) ?? []
      others.push(share)
      subscribers.set(topicId, others)
    }
    for (const [topicId, partition] of kept(input, target, topicIds)) {
      if (taken.get(topicId)?.has(partition)) continue
      add(taken, topicId, partition)
      give(share, topicId, partition)
    }
  }
  // Topics with much for few first: the rest evens it out.
  const load = (topicId: string) =>
    (input.partitionCounts.get(topicId) ?? 0) / Math.max(subscribers.get(topicId)?.length ?? 0, 1)
  const topicIds = [...subscribers.keys()].sort((a, b) => load(b) - load(a) || (a < b ? -1 : 1))
  for (const [topicId, partition] of unassigned(input, topicIds, taken)) {
    give(leastLoaded(subscribers.get(topicId) ?? []), topicId, partition)
  }
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const moves = topicIds.reduce((sum, topicId) => sum + evenOut(topicId, subscribers.get(topicId) ?? []), 0)
    if (moves === 0) break
  }
  return new Map([...shares].map(([memberId, { assignment }]) => [memberId, assignment]))
}

/** Moves partitions of a topic from its most to its least loaded subscribers; returns how many. */
function evenOut(topicId: string, subscribers: readonly Share[]): number {
  for (let moves = 0; ; moves++) {
    const least = leastLoaded(subscribers)
    let most: Share | undefined
    for (const share of subscribers) {
      if (share.assignment.has(topicId) && share.size > (most?.size ?? 0)) most = share
    }
    const partition = most?.assignment.get(topicId)?.values().next().value
    if (most === undefined || partition === undefined || most.size - least.size < 2) return moves
    take(most, topicId, partition)
    give(least, topicId, partition)
  }
}

function leastLoaded(shares: readonly Share[]): Share {
  return shares.reduce((least, share) => (share.size < least.size ? share : least))
}

function give(share: Share, topicId: string, partition: number): void {
  add(share.assignment, topicId, partition)
  share.size++
}

function take(share: Share, topicId: string, partition: number): void {
  const partitions = share.assignment.get(topicId)
  partitions?.delete(partition)
  if (partitions?.size === 0) share.assignment.delete(topicId)
  share.size--
}
