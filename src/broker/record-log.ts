/**
 * An internal topic as the log of a coordinator: records appended to, and read back from, the partitions of it that this
 * broker leads. What a coordinator knows is what its log says.
 */
import { Fault } from '../runtime/fault.ts'

export interface LogRecord {
  readonly key: Buffer
  /** Null: a tombstone, the key is gone. */
  readonly value: Buffer | null
}

export interface LogProducer {
  readonly id: number
  readonly epoch: number
}

/** Ends the transaction of a producer in one partition. */
export interface TransactionEnd {
  readonly producer: LogProducer
  readonly committed: boolean
  readonly coordinatorEpoch: number
  /**
   * Of the transaction: from 2 on its end has a larger epoch than all that was written in it (KIP-890), which the leader
   * insists on. Default 0.
   */
  readonly transactionVersion?: number
}

/** Told of everything in a log, oldest first. Buffers may be kept. */
export interface LogVisitor {
  /**
   * `transaction`: written as part of that producer's transaction, and undecided until it ends; undefined: outside any.
   * `offset`: of the batch that holds them.
   */
  records(records: readonly LogRecord[], transaction: LogProducer | undefined, offset: number): void
  end(transactionEnd: Pick<TransactionEnd, 'producer' | 'committed'>): void
}

/**
 * The log took nothing of a batch that belongs to a transaction, because its producer may not write it (it is fenced, for
 * instance); everything else goes on.
 */
export class BatchRefused extends Fault {
  readonly errorCode: number

  constructor(errorCode: number, message: string) {
    super('invalid', message)
    this.errorCode = errorCode
  }
}

/** One partition of the internal topic, led by this broker. */
export interface RecordLog {
  /** Grows whenever a broker takes the partition over. */
  readonly leaderEpoch: number
  /**
   * Appends the records in one batch. Resolves when they are durable, in the order of the calls. Throws `Fault`
   * (`fenced` and `closed`: another broker leads now; others: for now), after which nothing is known to be stored; or
   * `BatchRefused`, if part of a transaction.
   */
  append(records: readonly LogRecord[], transaction?: LogProducer): Promise<void>
  /** Ends a transaction; otherwise as `append`. */
  appendEnd(transactionEnd: TransactionEnd): Promise<void>
  /** Hands over everything that was appended, also by others before, once it is durable. Throws as `append`. */
  readAll(visitor: LogVisitor): Promise<void>
}

/** A log whose old records lose their meaning as new ones come: instead of being compacted, it is cut off at the front. */
export interface PrunableRecordLog extends RecordLog {
  /** Offset that the first record of the next append gets. */
  readonly nextOffset: number
  /** Drops everything before `offset`, or some of it. */
  prune(offset: number): Promise<void>
}

export interface RecordLogs {
  /** Number of partitions of the topic; never changes once it is there. 0: the topic is not there yet. */
  partitionCount(): Promise<number>
  /** Undefined when this broker does not lead the partition. */
  open(partition: number): Promise<RecordLog | undefined>
  /** False while this broker may not speak for the partition, although it may have it open: somebody else may lead it. */
  serves(partition: number): boolean
}

export interface PrunableRecordLogs extends RecordLogs {
  open(partition: number): Promise<PrunableRecordLog | undefined>
}

/** The partition that holds a key, by the rule that every Kafka client and tool assumes (Java's String.hashCode). */
export function coordinatorPartition(key: string, partitionCount: number): number {
  let hash = 0
  for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0
  // Utils.abs: the one integer without a positive counterpart becomes zero.
  return (hash === -0x8000_0000 ? 0 : Math.abs(hash)) % partitionCount
}
