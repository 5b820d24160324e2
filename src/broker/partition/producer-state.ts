/**
 * What a partition remembers of each producer with an id: its last batches, its epoch, its transaction.
 *
 * Pure state: no I/O, no clock. Batches and markers enter it when they are appended, before they are durable, so that
 * pipelined batches are judged by each other. It therefore keeps, beside what holds now, the last of what is durable: a
 * snapshot may not know of anything that a crash can take back.
 */
import { type ProducedBatch, type ProducedEnd, ProducerHistory, type ProducerSnapshot } from './producer-history.ts'

export class ProducerStates {
  readonly #producers = new Map<number, ProducerHistory>()

  get size(): number {
    return this.#producers.size
  }

  get(producerId: number): ProducerHistory | undefined {
    return this.#producers.get(producerId)
  }

  /** Notes a batch that is appended. `durableOffset`: everything before it is durable already. Whether it begins a transaction. */
  noteBatch(
    producerId: number,
    batch: ProducedBatch,
    transactional: boolean,
    nowMs: number,
    durableOffset: number
  ): boolean {
    return this.#open(producerId, nowMs).noteBatch(batch, transactional, nowMs, durableOffset)
  }

  /** Notes a marker that is appended. */
  noteEnd(producerId: number, end: ProducedEnd, nowMs: number, durableOffset: number): void {
    this.#open(producerId, nowMs).noteEnd(end, nowMs, durableOffset)
  }

  restore(snapshot: ProducerSnapshot): void {
    this.#producers.set(snapshot.id, ProducerHistory.restore(snapshot))
  }

  /** Forgets producers that appended nothing since `beforeMs`; not those with a transaction, open or not durably ended. */
  expire(beforeMs: number, durableOffset: number): void {
    for (const [id, producer] of this.#producers) {
      if (producer.lastAppendMs < beforeMs && !producer.hasTransaction(durableOffset)) this.#producers.delete(id)
    }
  }

  /** The producers as of `offset`, which is durable: what was appended at or after it is left out. */
  asOf(offset: number): ProducerSnapshot[] {
    const snapshots: ProducerSnapshot[] = []
    for (const producer of this.#producers.values()) {
      const snapshot = producer.asOf(offset)
      if (snapshot !== undefined) snapshots.push(snapshot)
    }
    return snapshots
  }

  #open(producerId: number, nowMs: number): ProducerHistory {
    let producer = this.#producers.get(producerId)
    if (producer === undefined) {
      producer = new ProducerHistory(producerId, nowMs)
      this.#producers.set(producerId, producer)
    }
    return producer
  }
}
