/**
 * Puts together what is asked of a broker in the same moment: one request for all of it. Pure bookkeeping: what a request
 * looks like, and how its answer is taken apart, is told by whoever asks.
 */

interface Batch<Item, Answer> {
  readonly items: Item[]
  readonly promised: Promise<readonly Answer[]>
}

export class BatchedCalls<Item, Answer> {
  readonly #call: (nodeId: number, items: readonly Item[]) => Promise<readonly Answer[]>
  readonly #itemsMax: number
  readonly #batches = new Map<string, Batch<Item, Answer>>()

  /** `call`: answers in the order of the items, all of them. */
  constructor(call: (nodeId: number, items: readonly Item[]) => Promise<readonly Answer[]>, itemsMax = 1_000) {
    this.#call = call
    this.#itemsMax = itemsMax
  }

  /** `lane`: what is in different ones is never put together. Fails as the call does. */
  async ask(nodeId: number, item: Item, lane = ''): Promise<Answer> {
    const key = `${nodeId}/${lane}`
    const batch = this.#batches.get(key) ?? this.#begin(nodeId, key)
    const place = batch.items.push(item) - 1
    if (batch.items.length >= this.#itemsMax) this.#batches.delete(key)
    return (await batch.promised)[place] as Answer
  }

  #begin(nodeId: number, key: string): Batch<Item, Answer> {
    const items: Item[] = []
    // After everybody who asks in this moment.
    const promised = Promise.resolve().then(() => {
      if (this.#batches.get(key) === batch) this.#batches.delete(key)
      return this.#call(nodeId, items)
    })
    const batch = { items, promised }
    this.#batches.set(key, batch)
    return batch
  }
}
