/**
 * Who reads streams in order, and how far ahead of them it pays to read: a window that doubles with each read that
 * continues the one before, and starts anew when blocks that were read ahead leave the cache unread. Pure.
 *
 * A first read opens no window, so that single reads from anywhere cost nothing more. Readers are bounded in number; one
 * that was forgotten starts anew.
 */

/** The first window, about one block. */
const FIRST_WINDOW_BYTES = 512 * 1024
/** Readers that are remembered; one takes about 200 bytes. */
const READERS_MAX = 4096

/** Everybody who reads a stream at the same place. */
export class SequentialReader {
  readonly streamId: number
  /** Where the next read begins if it goes on in order. */
  nextOffset: number
  /** Bytes to have ready beyond what is asked for; 0 for none. */
  windowBytes = 0
  /** Blocks up to here were asked for; lower than the reader's place when nothing is ahead. */
  aheadOffset = 0
  /** Bytes that were asked for ahead and not read yet. */
  unreadBytes = 0
  /** Somebody is looking for blocks to read ahead. */
  looking = false

  constructor(streamId: number, nextOffset: number) {
    this.streamId = streamId
    this.nextOffset = nextOffset
  }

  /** More is fetched in large pieces, when half of the window was used up. */
  get wantsMore(): boolean {
    return !this.looking && this.windowBytes > 0 && this.unreadBytes <= this.windowBytes / 2
  }

  ahead(bytes: number): void {
    this.unreadBytes += bytes
  }

  used(bytes: number): void {
    this.unreadBytes -= bytes
  }

  /** Read ahead in vain: the window was too large for the memory that there is. It starts anew. */
  lost(bytes: number): void {
    this.unreadBytes -= bytes
    this.windowBytes = 0
    this.aheadOffset = 0
  }
}

export class SequentialReaders {
  readonly #windowBytesMax: number
  /** By stream and next offset, in order of use, oldest first. */
  readonly #readers = new Map<string, SequentialReader>()

  /** `windowBytesMax`: 0 turns read-ahead off. */
  constructor(windowBytesMax: number) {
    this.#windowBytesMax = windowBytesMax
  }

  get size(): number {
    return this.#readers.size
  }

  /** Whoever is expected at this place, or somebody new. */
  at(streamId: number, offset: number): SequentialReader {
    return this.#readers.get(keyOf(streamId, offset)) ?? new SequentialReader(streamId, offset)
  }

  /** A read from `fromOffset` came as far as `nextOffset`. Of several that shared `reader`, the first moves it. */
  advance(reader: SequentialReader, fromOffset: number, nextOffset: number): void {
    if (reader.nextOffset !== fromOffset) return
    const key = keyOf(reader.streamId, fromOffset)
    if (this.#readers.get(key) === reader) this.#readers.delete(key)
    if (nextOffset > fromOffset) {
      const doubled = reader.windowBytes === 0 ? FIRST_WINDOW_BYTES : reader.windowBytes * 2
      reader.windowBytes = Math.min(doubled, this.#windowBytesMax)
      reader.nextOffset = nextOffset
    }
    this.#remember(reader)
  }

  #remember(reader: SequentialReader): void {
    const key = keyOf(reader.streamId, reader.nextOffset)
    const other = this.#readers.get(key)
    const kept = other !== undefined && other.windowBytes > reader.windowBytes ? other : reader
    this.#readers.delete(key)
    this.#readers.set(key, kept)
    if (this.#readers.size <= READERS_MAX) return
    const [oldest] = this.#readers.keys()
    if (oldest !== undefined) this.#readers.delete(oldest)
  }
}

function keyOf(streamId: number, offset: number): string {
  return `${streamId}/${offset}`
}
