/**
 * The share partitions that are in use on this broker, one for each share group and partition, made when a member first
 * reads. Each stands on an open partition of a topic; when that goes, or another broker takes it, so does what stands on it.
 */
import type { Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { GroupSettingsOf } from '../group-settings.ts'
import type { Partition } from '../partition/partition.ts'
import type { Topics } from '../topics.ts'
import { SharePartition } from './share-partition.ts'
import { type ShareTarget, targetKey } from './share-sessions.ts'
import type { ShareStateStore } from './share-state.ts'

export interface SharePartitionsParts {
  readonly clock: Clock
  readonly log: Log
  readonly topics: Topics
  readonly store: ShareStateStore
  readonly groupSettings: GroupSettingsOf
}

export class SharePartitions {
  readonly #parts: SharePartitionsParts
  readonly #groups = new Map<string, Map<string, SharePartition>>()

  constructor(parts: SharePartitionsParts) {
    this.#parts = parts
  }

  /** The share partition in use; undefined when there is none. */
  get(groupId: string, target: ShareTarget): SharePartition | undefined {
    const known = this.#groups.get(groupId)?.get(targetKey(target))
    if (known === undefined || known.partition === this.#partition(target)) return known
    known.fence(CLOSED)
    return undefined
  }

  /** Makes one if there is none. Undefined when this broker does not have the partition. */
  open(groupId: string, target: ShareTarget): SharePartition | undefined {
    const known = this.get(groupId, target)
    if (known !== undefined) return known
    const partition = this.#partition(target)
    if (partition === undefined) return undefined
    const { clock, log, store, groupSettings } = this.#parts
    const key = { groupId, topicId: target.topicId, partition: target.index }
    const opened: SharePartition = new SharePartition({
      key,
      partition,
      clock,
      log,
      store,
      settings: () => groupSettings(groupId),
      onFenced: () => this.#forget(groupId, target, opened)
    })
    const group = this.#groups.get(groupId) ?? new Map<string, SharePartition>()
    this.#groups.set(groupId, group.set(targetKey(target), opened))
    return opened
  }

  /** The partition is no longer here: neither is what stands on it. */
  partitionClosed(partition: Partition): void {
    for (const group of [...this.#groups.values()]) {
      for (const known of [...group.values()]) if (known.partition === partition) known.fence(CLOSED)
    }
  }

  /** The member has gone: others may have what it holds. */
  async release(groupId: string, memberId: string): Promise<void> {
    await Promise.all([...(this.#groups.get(groupId)?.values() ?? [])].map((share) => share.release(memberId)))
  }

  /** Nobody is in the group any more: whoever comes next begins with what is stored. */
  forgetGroup(groupId: string): void {
    for (const known of [...(this.#groups.get(groupId)?.values() ?? [])]) {
      known.fence({ errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER, errorMessage: 'the share group was emptied' })
    }
  }

  close(): void {
    for (const groupId of [...this.#groups.keys()]) this.forgetGroup(groupId)
  }

  #partition({ topicId, index }: ShareTarget): Partition | undefined {
    const { topics } = this.#parts
    const name = topics.byId(topicId)?.name
    return name === undefined ? undefined : topics.partition(name, index)
  }

  #forget(groupId: string, target: ShareTarget, fenced: SharePartition): void {
    const group = this.#groups.get(groupId)
    if (group?.get(targetKey(target)) !== fenced) return
    group.delete(targetKey(target))
    if (group.size === 0) this.#groups.delete(groupId)
  }
}

const CLOSED = { errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER, errorMessage: 'the partition was closed' }
