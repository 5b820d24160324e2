/** What the group coordinator needs from the broker: the internal topic that holds groups and offsets. */

export interface LogRecord {
  readonly key: Buffer
  /** Null: a tombstone, the key is gone. */
  readonly value: Buffer | null
}

/** One partition of `__consumer_offsets` that this broker leads. */
export interface GroupLog {
  /**
   * Appends the records in one batch. Resolves when they are durable, in the order of the calls. Throws `Fault`
   * (`fenced` and `closed`: another broker leads now; others: for now), after which nothing is known to be stored.
   */
  append(records: readonly LogRecord[]): Promise<void>
  /** Hands over every record that is durable, oldest first. Buffers may be kept. */
  readAll(visit: (key: Buffer, value: Buffer | null) => void): Promise<void>
}

export interface GroupLogs {
  /** Number of partitions of `__consumer_offsets`; must not change once groups exist. 0: the topic is not there yet. */
  partitionCount(): Promise<number>
  /** Undefined when this broker does not lead the partition. */
  open(partition: number): Promise<GroupLog | undefined>
}

/** The partition that holds a group, by the rule that every Kafka client and tool assumes (Java's String.hashCode). */
export function groupPartition(groupId: string, partitionCount: number): number {
  let hash = 0
  for (let i = 0; i < groupId.length; i++) hash = (Math.imul(hash, 31) + groupId.charCodeAt(i)) | 0
  // Utils.abs: the one integer without a positive counterpart becomes zero.
  return (hash === -0x8000_0000 ? 0 : Math.abs(hash)) % partitionCount
}
