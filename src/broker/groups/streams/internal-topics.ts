/**
 * Creates the repartition and changelog topics that Streams groups need, in the background: the heartbeat that found them
 * missing is answered at once, a later one finds them. What failed is told to the members, and tried again after a
 * while. Holds one entry per failed topic, until then.
 */
import type { Clock } from '../../../runtime/clock.ts'
import { ErrorCode, errorName } from '../../../wire/error-codes.ts'
import type { InternalTopic } from './streams-topology.ts'

export interface TopicCreation {
  readonly name: string
  readonly numPartitions: number
  readonly replicationFactor: number
  readonly configs: readonly { readonly name: string; readonly value: string }[]
}

/** Answers for each topic. */
export type CreateTopics = (topics: readonly TopicCreation[]) => Promise<readonly CreationOutcome[]>

export interface CreationOutcome {
  readonly name: string
  readonly errorCode: number
  readonly errorMessage?: string | null | undefined
}

export class InternalTopics {
  readonly #clock: Clock
  readonly #creating = new Set<string>()
  readonly #failures = new Map<string, { readonly reason: string; readonly retryAt: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Begins to create those that nobody is creating and that did not fail within `retryMs`. Resolves when it is done. */
  async create(topics: readonly InternalTopic[], create: CreateTopics, retryMs: number): Promise<void> {
    this.#forgetOldFailures()
    const wanted = topics.filter(({ name }) => !this.#creating.has(name) && !this.#failures.has(name))
    if (wanted.length === 0) return
    for (const { name } of wanted) this.#creating.add(name)
    const retryAt = this.#clock.monotonic() + retryMs
    try {
      for (const { name, errorCode, errorMessage } of await create(wanted.map(creationOf))) {
        if (errorCode === ErrorCode.NONE || errorCode === ErrorCode.TOPIC_ALREADY_EXISTS) continue
        this.#failures.set(name, { reason: errorMessage ?? errorName(errorCode), retryAt })
      }
    } catch (error) {
      for (const { name } of wanted) this.#failures.set(name, { reason: String(error), retryAt })
    } finally {
      for (const { name } of wanted) this.#creating.delete(name)
    }
  }

  /** Why some of the topics could not be created; undefined when that is not known of any. */
  failure(topics: readonly InternalTopic[]): string | undefined {
    this.#forgetOldFailures()
    const failed = topics.flatMap(({ name }) => {
      const failure = this.#failures.get(name)
      return failure === undefined ? [] : [`${name} (${failure.reason})`]
    })
    if (failed.length === 0) return undefined
    const shown = failed.slice(0, SHOWN_MAX).join(', ')
    return failed.length > SHOWN_MAX ? `${shown} and ${failed.length - SHOWN_MAX} more` : shown
  }

  #forgetOldFailures(): void {
    const now = this.#clock.monotonic()
    for (const [name, { retryAt }] of this.#failures) if (retryAt <= now) this.#failures.delete(name)
  }
}

const SHOWN_MAX = 3

function creationOf({ name, partitions, replicationFactor, topicConfigs }: InternalTopic): TopicCreation {
  const configs = topicConfigs.map(({ key, value }) => ({ name: key, value }))
  // 0: whatever is the default.
  return { name, numPartitions: partitions, replicationFactor: replicationFactor || -1, configs }
}
