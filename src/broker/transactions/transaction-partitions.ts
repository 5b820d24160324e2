/**
 * What a transaction coordinator and the leaders of the partitions that a transaction writes to ask of each other. Both
 * may be this broker, or another one.
 */
import type { LogProducer, TransactionEnd } from '../record-log.ts'

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface VerificationRequest {
  readonly transactionalId: string
  readonly producer: LogProducer
  readonly partitions: readonly TopicPartition[]
  /** Adds the partitions to the transaction, for clients that leave it to the leader (Produce v12, TxnOffsetCommit v5). */
  readonly add: boolean
}

/** The coordinator, as a leader asks it before it takes the first batch of a transaction (KIP-890). */
export interface TransactionVerification {
  /** One error code per partition, in their order; NONE when the partition is part of the producer's open transaction. */
  verify(request: VerificationRequest): Promise<readonly number[]>
}

/** The leaders of partitions, as the coordinator tells them how a transaction ended. */
export interface TransactionEnds {
  /** One error code per partition, in their order; NONE once the marker is durable and applied. */
  end(end: TransactionEnd, partitions: readonly TopicPartition[]): Promise<readonly number[]>
}
