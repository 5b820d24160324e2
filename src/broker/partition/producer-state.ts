/**
 * What a partition remembers of each idempotent producer, and what that says about its next batch (KIP-98, KIP-360).
 *
 * Pure state: no I/O, no clock. Batches enter it when they are appended, before they are durable, so that pipelined
 * batches are checked against each other; `batches` therefore keeps the last five durable ones and all that are on
 * their way, across epochs: a new epoch that never became durable must leave the old one to the snapshot.
 */
import { incrementSequence } from '../../wire/records/batch-header.ts'

/** Kafka's clients keep at most five batches of a partition in flight. */
const REMEMBERED_BATCHES = 5

export interface ProducedBatch {
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
  readonly lastOffset: number
  /** Milliseconds; the largest of the batch. */
  readonly timestamp: number
}

export interface Producer {
  readonly id: number
  epoch: number
  /** Wall milliseconds of the last append, for expiry. */
  lastAppendMs: number
  /** Oldest first. */
  batches: ProducedBatch[]
}

/** The numbers of a batch that arrives. */
export interface IncomingBatch {
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly lastSequence: number
}

export type Verdict =
  | { readonly kind: 'accept' }
  | { readonly kind: 'duplicate'; readonly original: ProducedBatch }
  | { readonly kind: 'fenced'; readonly message: string }
  | { readonly kind: 'out-of-order'; readonly message: string }

const ACCEPT: Verdict = { kind: 'accept' }

export class ProducerStates {
  readonly #producers = new Map<number, Producer>()

  get size(): number {
    return this.#producers.size
  }

  get(producerId: number): Producer | undefined {
    return this.#producers.get(producerId)
  }

  values(): Iterable<Producer> {
    return this.#producers.values()
  }

  /** Judges a batch; changes nothing. */
  judge(batch: IncomingBatch): Verdict {
    const producer = this.#producers.get(batch.producerId)
    // A producer we do not know, or no longer, may start at any sequence.
    if (producer === undefined) return ACCEPT
    if (batch.producerEpoch < producer.epoch) {
      return {
        kind: 'fenced',
        message: `producer ${batch.producerId} sent epoch ${batch.producerEpoch}, but epoch ${producer.epoch} has begun`
      }
    }
    const last = producer.batches.at(-1)
    if (batch.producerEpoch > producer.epoch) {
      return batch.baseSequence === 0 || last === undefined ? ACCEPT : outOfOrder(batch, 0)
    }
    const original = producer.batches
      .slice(-REMEMBERED_BATCHES)
      .find(
        (b) =>
          b.producerEpoch === batch.producerEpoch &&
          b.baseSequence === batch.baseSequence &&
          b.lastSequence === batch.lastSequence
      )
    if (original !== undefined) return { kind: 'duplicate', original }
    if (last === undefined) return ACCEPT
    const expected = incrementSequence(last.lastSequence, 1)
    return batch.baseSequence === expected ? ACCEPT : outOfOrder(batch, expected)
  }

  /** Notes an accepted batch. `durableOffset`: everything before it is durable already. */
  record(producerId: number, batch: ProducedBatch, nowMs: number, durableOffset: number): void {
    const producer = this.#producers.get(producerId)
    if (producer === undefined) {
      this.#producers.set(producerId, {
        id: producerId,
        epoch: batch.producerEpoch,
        lastAppendMs: nowMs,
        batches: [batch]
      })
      return
    }
    producer.epoch = batch.producerEpoch
    producer.lastAppendMs = nowMs
    producer.batches.push(batch)
    while (
      producer.batches.length > REMEMBERED_BATCHES &&
      isDurable(producer.batches[REMEMBERED_BATCHES], durableOffset)
    ) {
      producer.batches.shift()
    }
  }

  restore(producer: Producer): void {
    this.#producers.set(producer.id, producer)
  }

  /** Forgets producers that appended nothing since `beforeMs`. */
  expire(beforeMs: number): void {
    for (const [id, producer] of this.#producers) {
      if (producer.lastAppendMs < beforeMs) this.#producers.delete(id)
    }
  }

  /** The producers as of `offset`: batches at or after it are left out. */
  asOf(offset: number): Producer[] {
    const producers: Producer[] = []
    for (const producer of this.#producers.values()) {
      const batches = producer.batches.filter((batch) => batch.lastOffset < offset).slice(-REMEMBERED_BATCHES)
      const last = batches.at(-1)
      if (last === undefined) continue
      producers.push({ id: producer.id, epoch: last.producerEpoch, lastAppendMs: producer.lastAppendMs, batches })
    }
    return producers
  }
}

function isDurable(batch: ProducedBatch | undefined, durableOffset: number): boolean {
  return batch !== undefined && batch.lastOffset < durableOffset
}

function outOfOrder(batch: IncomingBatch, expected: number): Verdict {
  return {
    kind: 'out-of-order',
    message: `producer ${batch.producerId} sent sequence ${batch.baseSequence}, expected ${expected}`
  }
}
