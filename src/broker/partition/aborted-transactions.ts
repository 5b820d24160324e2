/**
 * The aborted transactions of a partition, as a read_committed consumer must be told of them (KIP-98), by the offset of
 * their marker: the latest in memory, the others in notes beside what objects hold of the partition.
 *
 * Invariants: every aborted transaction whose marker was uploaded is in the note of that upload, or has nothing left that
 * anybody could read; memory knows all whose marker lies at or behind `#knownFrom`. What is not durable yet may be here
 * already: nobody may read that far.
 */
import { assert } from '../../runtime/fault.ts'
import { MaxTree } from '../../runtime/max-tree.ts'
import type { Stream } from '../../stream/stream.ts'
import { type AbortedTransaction, decodeAbortedNote, encodeAbortedNote } from './aborted-note.ts'

/** Uploaded ones that stay in memory, so that readers near the end need not ask objects. */
const KEPT_MAX = 1_000

/** Where notes are found; of a stream. */
export type NotedStream = Pick<Stream, 'committedOffset' | 'layout' | 'notes'>

export class AbortedTransactions {
  readonly #stream: NotedStream
  /** By last offset, as markers are appended. */
  #all: AbortedTransaction[] = []
  /** First offsets, negated: finds the next transaction that began before an offset without a look at the others. */
  #begins = new MaxTree()
  #knownFrom = 0

  constructor(stream: NotedStream) {
    this.#stream = stream
  }

  /** In memory. */
  get size(): number {
    return this.#all.length
  }

  /**
   * Another object whenever compaction has put something else in the place of what is stored: what was read before that may
   * hold records of a transaction that readers are told of no more.
   */
  get layout(): unknown {
    return this.#stream.layout
  }

  /** Those whose marker lies before `offset` are in notes alone. */
  restore(offset: number): void {
    this.#knownFrom = offset
  }

  add(aborted: AbortedTransaction): void {
    const last = this.#all.at(-1)
    assert(last === undefined || last.lastOffset < aborted.lastOffset, `two markers at ${aborted.lastOffset}`)
    this.#all.push(aborted)
    this.#begins.push(-aborted.firstOffset)
  }

  /**
   * Those with an offset in [fromOffset, toOffset), by first offset; `toOffset` at most the last stable offset. A promise when
   * objects have to be asked: check `layout` then against what it was before the records were read.
   */
  overlapping(
    fromOffset: number,
    toOffset: number
  ): readonly AbortedTransaction[] | Promise<readonly AbortedTransaction[]> {
    const recent = this.#inMemory(fromOffset, toOffset)
    if (fromOffset < this.#knownFrom) return this.#withNoted(fromOffset, toOffset, recent)
    return recent.length < 2 ? recent : recent.sort(byFirstOffset)
  }

  /** What is to be kept beside an upload of [startOffset, endOffset); `stableOffset` as in `AbortedNote`. */
  note(startOffset: number, endOffset: number, stableOffset: number): Buffer | undefined {
    this.#giveUpUploaded()
    const aborted = this.#all.slice(this.#firstEndingFrom(startOffset), this.#firstEndingFrom(endOffset))
    // Whoever finds no note knows: nothing was open at the beginning, and nothing was aborted.
    if (aborted.length === 0 && stableOffset === startOffset) return undefined
    return encodeAbortedNote({ stableOffset, aborted })
  }

  /** Nothing is left of these that anybody could read, and no note tells of them. */
  forget(transactions: readonly AbortedTransaction[]): void {
    if (transactions.length === 0) return
    const gone = markersOf(transactions)
    this.#all = this.#all.filter(({ lastOffset }) => !gone.has(lastOffset))
    this.#begins = new MaxTree()
    for (const { firstOffset } of this.#all) this.#begins.push(-firstOffset)
  }

  /** The partition begins at `offset` now. */
  forgetBefore(offset: number): void {
    this.#drop(this.#firstEndingFrom(offset))
  }

  #inMemory(fromOffset: number, toOffset: number): AbortedTransaction[] {
    const found: AbortedTransaction[] = []
    if (this.#all.length === 0) return found
    for (let at = this.#firstEndingFrom(fromOffset); ; at++) {
      at = this.#begins.firstAtLeast(1 - toOffset, at)
      const aborted = at === -1 ? undefined : this.#all[at]
      if (aborted === undefined) return found
      found.push(aborted)
    }
  }

  async #withNoted(
    fromOffset: number,
    toOffset: number,
    recent: readonly AbortedTransaction[]
  ): Promise<readonly AbortedTransaction[]> {
    const byMarker = new Map(recent.map((one) => [one.lastOffset, one]))
    for await (const aborted of this.#noted(fromOffset, toOffset)) {
      if (aborted.lastOffset >= fromOffset && aborted.firstOffset < toOffset) byMarker.set(aborted.lastOffset, aborted)
    }
    return [...byMarker.values()].sort(byFirstOffset)
  }

  /** Those of the notes from `fromOffset` on, up to where what follows began at or behind `toOffset`. */
  async *#noted(fromOffset: number, toOffset: number): AsyncGenerator<AbortedTransaction> {
    for await (const { startOffset, notes } of this.#stream.notes(fromOffset)) {
      if (startOffset >= toOffset && notes[0]?.offset !== startOffset) return
      for (const { bytes } of notes) {
        const { stableOffset, aborted } = decodeAbortedNote(bytes)
        if (stableOffset >= toOffset) return
        yield* aborted
      }
    }
  }

  #giveUpUploaded(): void {
    const uploaded = this.#firstEndingFrom(this.#stream.committedOffset)
    const count = Math.min(uploaded, this.#all.length - KEPT_MAX)
    const last = this.#all[count - 1]
    if (last === undefined) return
    this.#knownFrom = Math.max(this.#knownFrom, last.lastOffset + 1)
    this.#drop(count)
  }

  #drop(count: number): void {
    if (count === 0) return
    this.#all = this.#all.slice(count)
    this.#begins.dropFirst(count)
  }

  /** Place of the first whose marker is at or behind `offset`. */
  #firstEndingFrom(offset: number): number {
    let low = 0
    let high = this.#all.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#all[middle] as AbortedTransaction).lastOffset < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** What becomes of a note when nothing is left of some transactions. */
export function noteWithout(note: Buffer, transactions: readonly AbortedTransaction[]): Buffer {
  const gone = markersOf(transactions)
  const { stableOffset, aborted } = decodeAbortedNote(note)
  const left = aborted.filter(({ lastOffset }) => !gone.has(lastOffset))
  return left.length === aborted.length ? note : encodeAbortedNote({ stableOffset, aborted: left })
}

function markersOf(transactions: readonly AbortedTransaction[]): ReadonlySet<number> {
  return new Set(transactions.map(({ lastOffset }) => lastOffset))
}

function byFirstOffset(a: AbortedTransaction, b: AbortedTransaction): number {
  return a.firstOffset - b.firstOffset
}
