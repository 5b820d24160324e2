/**
 * Committed offsets of the groups of one shard, and those that transactions have yet to decide. Holds durable data only:
 * a write is applied after its record is stored, in the order of the log.
 *
 * Invariant: of a partition's commits, the one that stands last in the log counts, also when an earlier one was part of
 * a transaction that ended after it (its place in the log is the one of its record, not of the marker).
 */

export interface CommittedOffset {
  readonly offset: number
  /** -1: unknown. */
  readonly leaderEpoch: number
  readonly metadata: string
  /** Wall time of the commit, milliseconds. */
  readonly commitTimestamp: number
  /** Wall time at which the client wants it gone (OffsetCommit v2–4); -1: the broker decides. */
  readonly expireTimestamp: number
  /** All zeros: committed before topics had ids. */
  readonly topicId: string
}

export interface OffsetWrite {
  readonly groupId: string
  readonly topic: string
  readonly partition: number
  /** Null: deleted. */
  readonly committed: CommittedOffset | null
}

/** `position`: rises with the place in the log. */
interface Placed {
  readonly committed: CommittedOffset
  readonly position: number
}

/** Values by group, topic and partition. */
class PartitionMap<Value> {
  readonly #groups = new Map<string, Map<string, Map<number, Value>>>()

  get(groupId: string, topic: string, partition: number): Value | undefined {
    return this.#groups.get(groupId)?.get(topic)?.get(partition)
  }

  set(groupId: string, topic: string, partition: number, value: Value): void {
    const topics: Map<string, Map<number, Value>> = this.#groups.get(groupId) ?? new Map()
    const partitions: Map<number, Value> = topics.get(topic) ?? new Map()
    partitions.set(partition, value)
    topics.set(topic, partitions)
    this.#groups.set(groupId, topics)
  }

  delete(groupId: string, topic: string, partition: number): void {
    const topics = this.#groups.get(groupId)
    const partitions = topics?.get(topic)
    partitions?.delete(partition)
    if (partitions?.size === 0) topics?.delete(topic)
    if (topics?.size === 0) this.#groups.delete(groupId)
  }

  has(groupId: string): boolean {
    return this.#groups.has(groupId)
  }

  groupIds(): string[] {
    return [...this.#groups.keys()]
  }

  topics(groupId: string): ReadonlyMap<string, ReadonlyMap<number, Value>> {
    return this.#groups.get(groupId) ?? new Map()
  }

  *all(): Generator<[groupId: string, topic: string, partition: number, value: Value]> {
    for (const [groupId, topics] of this.#groups) {
      for (const [topic, partitions] of topics) {
        for (const [partition, value] of partitions) yield [groupId, topic, partition, value]
      }
    }
  }
}

export class OffsetTable {
  readonly #committed = new PartitionMap<Placed>()
  /** By producer id: what becomes of it is known when its transaction ends. */
  readonly #pending = new Map<number, PartitionMap<Placed>>()
  /** The producers with something pending for a partition. */
  readonly #undecided = new PartitionMap<Set<number>>()

  /** A commit outside transactions, or a deletion, which takes pending commits along. */
  apply({ groupId, topic, partition, committed }: OffsetWrite, position: number): void {
    if (committed !== null) {
      this.#committed.set(groupId, topic, partition, { committed, position })
      return
    }
    this.#committed.delete(groupId, topic, partition)
    for (const producer of this.#undecided.get(groupId, topic, partition) ?? []) {
      this.#pending.get(producer)?.delete(groupId, topic, partition)
    }
    this.#undecided.delete(groupId, topic, partition)
  }

  /** A commit as part of a producer's transaction. */
  applyPending(write: OffsetWrite, producerId: number, position: number): void {
    const { groupId, topic, partition, committed } = write
    if (committed === null) return
    const pending = this.#pending.get(producerId) ?? new PartitionMap<Placed>()
    pending.set(groupId, topic, partition, { committed, position })
    this.#pending.set(producerId, pending)
    const producers = this.#undecided.get(groupId, topic, partition) ?? new Set()
    this.#undecided.set(groupId, topic, partition, producers.add(producerId))
  }

  /** The producer's transaction ended: what it had pending is committed, or forgotten. */
  end(producerId: number, committed: boolean): void {
    const pending = this.#pending.get(producerId)
    if (pending === undefined) return
    this.#pending.delete(producerId)
    for (const [groupId, topic, partition, placed] of pending.all()) {
      const producers = this.#undecided.get(groupId, topic, partition)
      producers?.delete(producerId)
      if (producers?.size === 0) this.#undecided.delete(groupId, topic, partition)
      const present = this.#committed.get(groupId, topic, partition)
      if (committed && (present === undefined || present.position < placed.position)) {
        this.#committed.set(groupId, topic, partition, placed)
      }
    }
  }

  /** Whether the group committed anything, decided or not. */
  has(groupId: string): boolean {
    return this.#committed.has(groupId) || this.#undecided.has(groupId)
  }

  /** Whether a transaction that has not ended committed offsets of the group. */
  hasPending(groupId: string): boolean {
    return this.#undecided.has(groupId)
  }

  isPending(groupId: string, topic: string, partition: number): boolean {
    return this.#undecided.get(groupId, topic, partition) !== undefined
  }

  get(groupId: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#committed.get(groupId, topic, partition)?.committed
  }

  /** What a group committed, by topic. */
  topics(groupId: string): Map<string, { partition: number; committed: CommittedOffset }[]> {
    const topics = new Map<string, { partition: number; committed: CommittedOffset }[]>()
    for (const [topic, partitions] of this.#committed.topics(groupId)) {
      topics.set(
        topic,
        [...partitions].map(([partition, { committed }]) => ({ partition, committed }))
      )
    }
    return topics
  }

  /** Writes that delete what a group committed, pending commits included. */
  deletionOf(groupId: string): OffsetWrite[] {
    const topics = new Set([...this.#committed.topics(groupId).keys(), ...this.#undecided.topics(groupId).keys()])
    return [...topics].flatMap((topic) => this.#topicDeletion(groupId, topic, undefined))
  }

  /** Writes that delete what any group committed for a topic, except for the topic with the id `survivor`. */
  deletionOfTopic(topic: string, survivor: string | undefined): OffsetWrite[] {
    const groupIds = new Set([...this.#committed.groupIds(), ...this.#undecided.groupIds()])
    return [...groupIds].flatMap((groupId) => this.#topicDeletion(groupId, topic, survivor))
  }

  #topicDeletion(groupId: string, topic: string, survivor: string | undefined): OffsetWrite[] {
    const partitions = new Set<number>()
    for (const [partition, { committed }] of this.#committed.topics(groupId).get(topic) ?? []) {
      if (survivor === undefined || committed.topicId !== survivor) partitions.add(partition)
    }
    for (const [partition, producers] of this.#undecided.topics(groupId).get(topic) ?? []) {
      const ids = [...producers].map((id) => this.#pending.get(id)?.get(groupId, topic, partition)?.committed.topicId)
      if (survivor === undefined || ids.every((id) => id !== survivor)) partitions.add(partition)
    }
    return [...partitions].map((partition) => ({ groupId, topic, partition, committed: null }))
  }
}
