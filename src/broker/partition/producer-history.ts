/**
 * One producer in one partition: what holds now, and as much of what held before as a snapshot may still ask for.
 *
 * A term is a time in which neither epoch nor transaction nor coordinator changed; ordinary batches do not begin one.
 * Batches are kept across terms: a new epoch that never became durable must leave the old one to the snapshot.
 */

/** Kafka's clients keep at most five batches of a partition in flight. */
const REMEMBERED_BATCHES = 5

export interface ProducedBatch {
  readonly producerEpoch: number
  /** -1 of batches that coordinators write. */
  readonly baseSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
  readonly lastOffset: number
  /** Milliseconds; the largest of the batch. */
  readonly timestamp: number
}

/** A marker that ended, or did not find, a transaction. */
export interface ProducedEnd {
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
  readonly offset: number
  /** Milliseconds. */
  readonly timestamp: number
}

interface Term {
  /** Of the batch or marker that began it. */
  readonly atOffset: number
  readonly epoch: number
  /** Of the last marker; -1 when there was none. */
  readonly coordinatorEpoch: number
  /** First offset of the open transaction. */
  readonly transactionStart: number | undefined
  readonly lastMarker: Marker | undefined
}

export interface Marker {
  readonly offset: number
  /** Milliseconds. */
  readonly timestamp: number
}

/** A producer at one moment. */
export interface ProducerSnapshot {
  readonly id: number
  readonly epoch: number
  /** Wall milliseconds of the last append, for expiry. */
  readonly lastAppendMs: number
  readonly coordinatorEpoch: number
  readonly transactionStart: number | undefined
  readonly lastMarker: Marker | undefined
  /** At most the last five of this epoch, oldest first. */
  readonly batches: readonly ProducedBatch[]
}

/** Nothing was appended yet. */
const BEFORE: Term = {
  atOffset: -1,
  epoch: -1,
  coordinatorEpoch: -1,
  transactionStart: undefined,
  lastMarker: undefined
}

export class ProducerHistory {
  readonly id: number
  /** Wall milliseconds of the last append, for expiry. */
  lastAppendMs: number
  /** Oldest first: the last that is durable, and all that are not. */
  readonly #terms: Term[] = []
  /** Oldest first: the last five durable ones, and all that are not. */
  readonly #batches: ProducedBatch[] = []
  #now: Term = BEFORE

  constructor(id: number, lastAppendMs: number) {
    this.id = id
    this.lastAppendMs = lastAppendMs
  }

  static restore(snapshot: ProducerSnapshot): ProducerHistory {
    const { id, lastAppendMs, epoch, coordinatorEpoch, transactionStart, lastMarker, batches } = snapshot
    const producer = new ProducerHistory(id, lastAppendMs)
    producer.#begin({ ...BEFORE, epoch, coordinatorEpoch, transactionStart, lastMarker }, 0)
    producer.#batches.push(...batches)
    return producer
  }

  get epoch(): number {
    return this.#now.epoch
  }

  get coordinatorEpoch(): number {
    return this.#now.coordinatorEpoch
  }

  get transactionStart(): number | undefined {
    return this.#now.transactionStart
  }

  /** The last batch of this epoch. */
  get lastBatch(): ProducedBatch | undefined {
    const last = this.#batches.at(-1)
    return last?.producerEpoch === this.#now.epoch ? last : undefined
  }

  /** The same batch, if it is one of the last five of this epoch. */
  findDuplicate(producerEpoch: number, baseSequence: number, lastSequence: number): ProducedBatch | undefined {
    if (producerEpoch !== this.#now.epoch) return undefined
    for (let back = 1; back <= REMEMBERED_BATCHES; back++) {
      const batch = this.#batches[this.#batches.length - back]
      if (batch === undefined || batch.producerEpoch !== producerEpoch) return undefined
      if (batch.baseSequence === baseSequence && batch.lastSequence === lastSequence) return batch
    }
    return undefined
  }

  /** Whether the batch begins a transaction. */
  noteBatch(batch: ProducedBatch, transactional: boolean, nowMs: number, durableOffset: number): boolean {
    const { epoch, transactionStart } = this.#now
    const begins = transactional && transactionStart === undefined
    if (begins || batch.producerEpoch !== epoch) {
      const term = { ...this.#now, atOffset: batch.baseOffset, epoch: batch.producerEpoch }
      this.#begin(begins ? { ...term, transactionStart: batch.baseOffset } : term, durableOffset)
    }
    this.lastAppendMs = nowMs
    this.#batches.push(batch)
    while (this.#batches.length > REMEMBERED_BATCHES) {
      const sixthLast = this.#batches[REMEMBERED_BATCHES]
      if (sixthLast === undefined || sixthLast.lastOffset >= durableOffset) break
      this.#batches.shift()
    }
    return begins
  }

  noteEnd(
    { producerEpoch, coordinatorEpoch, offset, timestamp }: ProducedEnd,
    nowMs: number,
    durableOffset: number
  ): void {
    this.lastAppendMs = nowMs
    const ended = { transactionStart: undefined, lastMarker: { offset, timestamp } }
    this.#begin({ ...ended, atOffset: offset, epoch: producerEpoch, coordinatorEpoch }, durableOffset)
  }

  /** Whether a transaction is open, or its end not durable. */
  hasTransaction(durableOffset: number): boolean {
    if (this.#now.transactionStart !== undefined) return true
    return this.#termAsOf(durableOffset)?.transactionStart !== undefined
  }

  /** Undefined when nothing was appended before `offset`. */
  asOf(offset: number): ProducerSnapshot | undefined {
    const term = this.#termAsOf(offset)
    if (term === undefined) return undefined
    const { id, lastAppendMs } = this
    const { epoch, coordinatorEpoch, transactionStart, lastMarker } = term
    const batches = this.#batches
      .filter((batch) => batch.lastOffset < offset && batch.producerEpoch === epoch)
      .slice(-REMEMBERED_BATCHES)
    return { id, epoch, lastAppendMs, coordinatorEpoch, transactionStart, lastMarker, batches }
  }

  #begin(term: Term, durableOffset: number): void {
    this.#now = term
    this.#terms.push(term)
    while ((this.#terms[1]?.atOffset ?? durableOffset) < durableOffset) this.#terms.shift()
  }

  #termAsOf(offset: number): Term | undefined {
    return this.#terms.findLast(({ atOffset }) => atOffset < offset)
  }
}
