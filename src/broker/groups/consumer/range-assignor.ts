/**
 * The `range` assignor (KIP-848): of each topic every subscriber gets one run of partitions, in the order of the members.
 * Topics with as many partitions are assigned alike, so that what has the same key meets in one member.
 */
import type { AssignmentInput, AssignmentMember, Assignments } from './assignment.ts'

export function assignRanges(input: AssignmentInput): Assignments {
  const members = [...input.members].sort(byInstanceThenId)
  const subscribers = new Map<string, number>()
  for (const [, { topicIds }] of members) {
    for (const topicId of topicIds) subscribers.set(topicId, (subscribers.get(topicId) ?? 0) + 1)
  }
  /** Subscribers of each topic that have had their run. */
  const served = new Map<string, number>()
  return new Map(
    members.map(([memberId, { topicIds }]) => {
      const assignment = new Map<string, Set<number>>()
      for (const topicId of topicIds) {
        const place = served.get(topicId) ?? 0
        served.set(topicId, place + 1)
        const run = runOf(input.partitionCounts.get(topicId) ?? 0, subscribers.get(topicId) ?? 1, place)
        if (run.size > 0) assignment.set(topicId, run)
      }
      return [memberId, assignment]
    })
  )
}

/** The first members get one more when it does not come out even. */
function runOf(partitions: number, members: number, place: number): Set<number> {
  const size = Math.floor(partitions / members)
  const withExtra = partitions % members
  const start = place * size + Math.min(place, withExtra)
  return new Set(Array.from({ length: size + (place < withExtra ? 1 : 0) }, (_, i) => start + i))
}

/** Static members first: their place stays when others come and go. */
function byInstanceThenId([a, one]: [string, AssignmentMember], [b, other]: [string, AssignmentMember]): number {
  if (one.instanceId !== null && other.instanceId !== null) return compare(one.instanceId, other.instanceId)
  if (one.instanceId !== null) return -1
  return other.instanceId !== null ? 1 : compare(a, b)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
