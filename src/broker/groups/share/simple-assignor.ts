/**
 * Kafka's assignor of share groups, `simple`: every partition is read by as many members as it takes to give each member
 * its share, and by one at least; what members read already stays with them where it can. Pure.
 *
 * With members that all subscribe to the same topics, the partitions of all topics are shared out together; otherwise topic
 * by topic. Which members get the odd ones is ours: Kafka's depends on the order of its hash tables.
 */
import type { TopicPartitions } from './share-group-state.ts'

export interface Subscriber {
  readonly memberId: string
  /** Ids of topics. */
  readonly topicIds: ReadonlySet<string>
  /** What it was to read up to now. */
  readonly current: TopicPartitions
}

/** By member. `assignable`: what may be read of each topic, in rising order; other topics are not shared out. */
export function assignSimply(
  subscribers: readonly Subscriber[],
  assignable: TopicPartitions
): ReadonlyMap<string, TopicPartitions> {
  const given = new Map(subscribers.map(({ memberId }) => [memberId, new Set<string>()]))
  const first = subscribers[0]
  const alike = subscribers.every(({ topicIds }) => first !== undefined && sameSets(topicIds, first.topicIds))
  const topics = [...assignable.keys()]
  for (const group of alike ? [topics] : topics.map((topicId) => [topicId])) {
    const wanting = subscribers.filter(({ topicIds }) => group.some((topicId) => topicIds.has(topicId)))
    const subscribed = group.filter((topicId) => wanting[0]?.topicIds.has(topicId))
    const partitions = subscribed.flatMap((topicId) =>
      (assignable.get(topicId) ?? []).map((p) => partitionKey(topicId, p))
    )
    for (const [memberId, keys] of shareOut(wanting, partitions)) for (const key of keys) given.get(memberId)?.add(key)
  }
  return new Map([...given].map(([memberId, keys]) => [memberId, inOrder(keys, assignable)]))
}

/** Members get as many as each other, but for one; partitions are given to as many members as each other, but for one. */
function shareOut(
  subscribers: readonly Subscriber[],
  partitions: readonly string[]
): ReadonlyMap<string, ReadonlySet<string>> {
  const sharing = partitions.length === 0 ? 0 : Math.ceil(subscribers.length / partitions.length)
  const perMember = (sharing * partitions.length) / subscribers.length
  const readers = new Map(partitions.map((key) => [key, 0]))
  const members = subscribers.map(({ memberId, current }, place) => ({
    memberId,
    wanted: Math.ceil(perMember * (place + 1)) - Math.ceil(perMember * place),
    current: keysOf(current),
    keys: new Set<string>()
  }))
  for (const { wanted, current, keys } of members) {
    for (const key of current) {
      const count = readers.get(key)
      if (count === undefined || count >= sharing || keys.size >= wanted) continue
      readers.set(key, count + 1)
      keys.add(key)
    }
  }
  // Those that have the fewest readers come first, so that none is left without.
  for (const [key, count] of [...readers].sort(([, a], [, b]) => a - b)) {
    const able = members.filter(({ wanted, keys }) => keys.size < wanted && !keys.has(key))
    for (const { keys } of able.slice(0, sharing - count)) keys.add(key)
  }
  return new Map(members.map(({ memberId, keys }) => [memberId, keys]))
}

function sameSets(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((value) => b.has(value))
}

/** Ids of topics have a fixed length. */
function partitionKey(topicId: string, partition: number): string {
  return `${topicId}:${partition}`
}

function keysOf(partitions: TopicPartitions): string[] {
  return [...partitions].flatMap(([topicId, indexes]) => indexes.map((index) => partitionKey(topicId, index)))
}

function inOrder(keys: ReadonlySet<string>, assignable: TopicPartitions): TopicPartitions {
  const mine = [...assignable].map(([topicId, indexes]): [string, readonly number[]] => [
    topicId,
    indexes.filter((index) => keys.has(partitionKey(topicId, index)))
  ])
  return new Map(mine.filter(([, indexes]) => indexes.length > 0))
}
