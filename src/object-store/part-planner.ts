/**
 * Plans the parts of a multipart upload from the pieces of an object: which ranges the store copies by itself, and which
 * bytes are gathered and uploaded. Pure: it moves no byte.
 *
 * Invariants: the parts, one after the other, are the pieces, one after the other; every part but the last has
 * `partBytesMin` bytes or more (S3 refuses smaller ones); what is planned and not handed out stays below `partBytes`
 * of bytes at hand plus one small range.
 */
import type { ByteRange, Piece } from './object-store.ts'

/** Bytes at hand, or bytes that must be read first. */
export type Source = Buffer | StoredRange

export interface StoredRange {
  readonly key: string
  readonly range: ByteRange
}

export type PlannedPart =
  | { readonly kind: 'upload'; readonly sources: readonly Source[]; readonly size: number }
  | { readonly kind: 'copy'; readonly source: StoredRange; readonly size: number }

export interface PartLimits {
  readonly partBytesMin: number
  /** Size at which gathered bytes become a part; at least `partBytesMin`. */
  readonly partBytes: number
  /** At least twice `partBytesMin`. */
  readonly copyBytesMax: number
}

/** The parts that the pieces make, each as soon as it is known. Errors of `pieces` pass through. */
export async function* planParts(pieces: AsyncIterable<Piece>, limits: PartLimits): AsyncGenerator<PlannedPart> {
  const planner = new PartPlanner(limits)
  for await (const piece of pieces) yield* planner.add(piece)
  yield* planner.finish()
}

class PartPlanner {
  readonly #limits: PartLimits
  #gathered: Source[] = []
  #gatheredBytes = 0

  constructor(limits: PartLimits) {
    this.#limits = limits
  }

  *add(piece: Piece): Generator<PlannedPart> {
    if ('key' in piece) yield* this.#addRange(piece)
    else for (const part of piece.parts) yield* this.#addBytes(part)
  }

  /** What is left, of any size: only the last part may be small. */
  *finish(): Generator<PlannedPart> {
    if (this.#gatheredBytes > 0) yield this.#flush()
  }

  *#addBytes(bytes: Buffer): Generator<PlannedPart> {
    for (let rest = bytes; rest.length > 0; ) {
      const room = this.#limits.partBytes - this.#gatheredBytes
      const taken = rest.subarray(0, room)
      rest = rest.subarray(taken.length)
      this.#gather(taken, taken.length)
      if (this.#gatheredBytes >= this.#limits.partBytes) yield this.#flush()
    }
  }

  *#addRange({ key, range }: StoredRange): Generator<PlannedPart> {
    const { partBytesMin, partBytes } = this.#limits
    // Gathered bytes that are too few for a part of their own borrow from the head of the range.
    const borrowed = this.#gatheredBytes === 0 ? 0 : Math.max(0, partBytesMin - this.#gatheredBytes)
    const middle = range.start + borrowed
    // Not `<`: Amazon copies ranges only of objects that are larger than the smallest part.
    if (range.end - middle <= partBytesMin) {
      this.#gather({ key, range }, range.end - range.start)
      if (this.#gatheredBytes >= partBytes) yield this.#flush()
      return
    }
    if (borrowed > 0) this.#gather({ key, range: { start: range.start, end: middle } }, borrowed)
    if (this.#gatheredBytes > 0) yield this.#flush()
    yield* this.#copies({ key, range: { start: middle, end: range.end } })
  }

  /** Equal shares, so that none is too small. */
  *#copies({ key, range }: StoredRange): Generator<PlannedPart> {
    const bytes = range.end - range.start
    const share = Math.ceil(bytes / Math.ceil(bytes / this.#limits.copyBytesMax))
    for (let start = range.start; start < range.end; start += share) {
      const end = Math.min(start + share, range.end)
      yield { kind: 'copy', source: { key, range: { start, end } }, size: end - start }
    }
  }

  #gather(source: Source, bytes: number): void {
    this.#gatheredBytes += bytes
    const last = this.#gathered.at(-1)
    const joined = last === undefined ? undefined : joinedRange(last, source)
    if (joined === undefined) this.#gathered.push(source)
    else this.#gathered[this.#gathered.length - 1] = joined
  }

  #flush(): PlannedPart {
    const part: PlannedPart = { kind: 'upload', sources: this.#gathered, size: this.#gatheredBytes }
    this.#gathered = []
    this.#gatheredBytes = 0
    return part
  }
}

/** Neighbours in the same object are read with one request. */
function joinedRange(first: Source, second: Source): StoredRange | undefined {
  if (Buffer.isBuffer(first) || Buffer.isBuffer(second)) return undefined
  if (first.key !== second.key || first.range.end !== second.range.start) return undefined
  return { key: first.key, range: { start: first.range.start, end: second.range.end } }
}
