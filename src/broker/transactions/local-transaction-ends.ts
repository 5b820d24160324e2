/**
 * Ends transactions in the partitions that this broker leads: a marker in each, and in `__consumer_offsets` the group
 * coordinator, whose pending offsets the marker decides.
 */
import type { Clock } from '../../runtime/clock.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { codeOf } from '../fault-codes.ts'
import { BatchRefused, type TransactionEnd } from '../record-log.ts'
import { OFFSETS_TOPIC } from '../topic-names.ts'
import type { Topics } from '../topics.ts'
import type { TopicPartition, TransactionEnds } from './transaction-partitions.ts'

export interface LocalTransactionEndsParts {
  readonly clock: Clock
  readonly topics: Pick<Topics, 'partition' | 'get'>
  /** The group coordinator; throws as `RecordLog.appendEnd` does. */
  readonly offsets: { endTransaction(partition: number, end: TransactionEnd): Promise<void> }
}

export class LocalTransactionEnds implements TransactionEnds {
  readonly #parts: LocalTransactionEndsParts

  constructor(parts: LocalTransactionEndsParts) {
    this.#parts = parts
  }

  /** Markers are appended in the order of the calls, before the first `await`. */
  end(end: TransactionEnd, partitions: readonly TopicPartition[]): Promise<readonly number[]> {
    return Promise.all(partitions.map((partition) => this.#end(end, partition)))
  }

  async #end(end: TransactionEnd, { topic, partition }: TopicPartition): Promise<number> {
    const { topics, clock, offsets } = this.#parts
    const led = topics.partition(topic, partition)
    // Only of one that is gone needs nobody to hear; one that another broker leads, or nobody yet, has to be told.
    if (led === undefined) {
      const isKnown = topics.get(topic)?.partitions[partition] !== undefined
      return isKnown ? ErrorCode.NOT_LEADER_OR_FOLLOWER : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    }
    try {
      if (topic === OFFSETS_TOPIC) {
        await offsets.endTransaction(partition, end)
        return ErrorCode.NONE
      }
      const { errorCode, durable } = led.appendEnd(end, clock.now())
      await durable
      return errorCode
    } catch (error) {
      return error instanceof BatchRefused ? error.errorCode : codeOf(error)
    }
  }
}
