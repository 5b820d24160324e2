/**
 * What the leader of partitions asks the transaction coordinator before it takes the first batch of a transaction
 * (KIP-890): for one produce request, in one question for all its partitions that ask in the same moment.
 *
 * Client versions from Produce v12 on leave it to the leader to add partitions to their transaction; older ones have added
 * them before.
 */
import { type Clock, sleep } from '../../runtime/clock.ts'
import { isFault } from '../../runtime/fault.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { LogProducer } from '../record-log.ts'
import type { TopicPartition, TransactionVerification } from './transaction-partitions.ts'

/** The first Produce version of transactions that bump their epoch with every end. */
const ADDING_VERSION = 12
/** The first Produce version whose clients know TRANSACTION_ABORTABLE. */
const ABORTABLE_VERSION = 11
/** Kafka's defaults of `add.partitions.to.txn.retry.backoff.ms` and `….max.ms`. */
const RETRY_MS = 20
const RETRY_MS_MAX = 100

export interface VerificationRefusal {
  readonly errorCode: number
  readonly message: string | null
}

interface Question {
  readonly partition: TopicPartition
  readonly answer: (code: number) => void
  readonly failed: (error: unknown) => void
}

export class ProduceVerification {
  readonly #coordinator: TransactionVerification
  readonly #clock: Clock
  readonly #transactionalId: string
  readonly #apiVersion: number
  #asking: { readonly producer: LogProducer; readonly questions: Question[] } | undefined

  constructor(coordinator: TransactionVerification, clock: Clock, transactionalId: string, apiVersion: number) {
    this.#coordinator = coordinator
    this.#clock = clock
    this.#transactionalId = transactionalId
    this.#apiVersion = apiVersion
  }

  /** Whether the client's transactions bump the producer's epoch. */
  get bumpsEpoch(): boolean {
    return this.#apiVersion >= ADDING_VERSION
  }

  /** Resolves with why the partition may not be written to, or with undefined. All questions are about one producer. */
  async ask(producer: LogProducer, partition: TopicPartition): Promise<VerificationRefusal | undefined> {
    const code = await new Promise<number>((answer, failed) => {
      if (this.#asking === undefined) {
        this.#asking = { producer, questions: [] }
        // After everybody who asks in this moment.
        void Promise.resolve().then(() => this.#send())
      }
      this.#asking.questions.push({ partition, answer, failed })
    })
    return code === ErrorCode.NONE ? undefined : this.#translate(code)
  }

  async #send(): Promise<void> {
    const asking = this.#asking
    if (asking === undefined) return
    this.#asking = undefined
    const { producer, questions } = asking
    try {
      const codes = await this.#verify(
        producer,
        questions.map(({ partition }) => partition)
      )
      for (const [place, { answer }] of questions.entries()) answer(codes[place] ?? ErrorCode.UNKNOWN_SERVER_ERROR)
    } catch (error) {
      for (const { answer, failed } of questions) {
        if (isFault(error)) answer(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        else failed(error)
      }
    }
  }

  /** The end of the transaction before is usually a matter of milliseconds: cheaper to wait for than to send again. */
  async #verify(producer: LogProducer, partitions: readonly TopicPartition[]): Promise<readonly number[]> {
    const { bumpsEpoch: add } = this
    const giveUp = this.#clock.monotonic() + RETRY_MS_MAX
    for (;;) {
      const codes = await this.#coordinator.verify({
        transactionalId: this.#transactionalId,
        producer,
        partitions,
        add
      })
      const again = add && codes.includes(ErrorCode.CONCURRENT_TRANSACTIONS) && this.#clock.monotonic() < giveUp
      if (!again) return codes
      await sleep(this.#clock, RETRY_MS)
    }
  }

  /** Clients of old know few errors of Produce after which they send again; NOT_ENOUGH_REPLICAS is one. */
  #translate(code: number): VerificationRefusal {
    switch (code) {
      case ErrorCode.NETWORK_EXCEPTION:
      case ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
      case ErrorCode.COORDINATOR_NOT_AVAILABLE:
      case ErrorCode.NOT_COORDINATOR:
        return notYet(code)
      case ErrorCode.CONCURRENT_TRANSACTIONS:
        return this.bumpsEpoch ? { errorCode: code, message: null } : notYet(code)
      case ErrorCode.PRODUCER_FENCED:
        return { errorCode: ErrorCode.INVALID_PRODUCER_EPOCH, message: null }
      case ErrorCode.INVALID_TXN_STATE:
        return NOT_ADDED
      case ErrorCode.TRANSACTION_ABORTABLE:
        return this.#apiVersion >= ABORTABLE_VERSION ? { errorCode: code, message: null } : NOT_ADDED
      default:
        return { errorCode: code, message: null }
    }
  }
}

const NOT_ADDED: VerificationRefusal = {
  errorCode: ErrorCode.INVALID_TXN_STATE,
  message: 'the partition is not part of the transaction: add it first, or begin a transaction'
}

function notYet(code: number): VerificationRefusal {
  const message = `the transaction coordinator could not confirm the transaction (error ${code}); send the batch again`
  return { errorCode: ErrorCode.NOT_ENOUGH_REPLICAS, message }
}
