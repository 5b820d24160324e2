/**
 * What one stream must hold, kept outside of the engine: every entry that was appended, in order, and what became of it.
 *
 * An entry is pending until it is acknowledged. A crash may take pending entries from the end, never acknowledged ones and
 * never what anybody could read. What it leaves stays, so that no offset ever shows two payloads, until it is trimmed or
 * left out by compaction.
 * Methods return complaints; none means that all is well.
 */
import { crc32c } from '@node-rs/crc32'
import type { Entry } from '../../../src/stream/entry.ts'

export interface TopicTruth {
  readonly name: string
  /** Object-store profile that its objects must be in. */
  readonly profile: string
  /** Entries of its streams are left out of objects now and then, as compaction by key does. */
  readonly isCompacted: boolean
  /** Undefined until somebody was told that it exists. */
  id: string | undefined
  /** `asked`: somebody asked for its deletion, and was not answered yet. */
  deletion: 'none' | 'asked' | 'done'
}

export interface Appended {
  readonly entry: Entry
  /** Entries of the stream before this one, since it was created. */
  readonly before: number
  acknowledged: boolean
  /** Whether compaction by key was asked to leave it out, and has said that it did. */
  removal: 'none' | 'asked' | 'done'
}

export class StreamTruth {
  readonly streamId: number
  readonly topic: TopicTruth
  /** From the first that may be read, by offset. */
  #entries: Appended[] = []
  #nextOffset = 0
  #count = 0
  /** Up to where it was certainly trimmed, and up to where it may have been. */
  #trimmedTo = 0
  #trimmedAtMost = 0
  /** Offset up to which somebody could read. */
  #shownTo = 0

  constructor(streamId: number, topic: TopicTruth) {
    this.streamId = streamId
    this.topic = topic
  }

  get entries(): readonly Appended[] {
    return this.#entries
  }

  get trimmedTo(): number {
    return this.#trimmedTo
  }

  append(entry: Entry): Appended {
    const appended = { entry, before: this.#count, acknowledged: false, removal: 'none' as const }
    this.#entries.push(appended)
    this.#nextOffset = entry.lastOffset + 1
    this.#count++
    return appended
  }

  /** Called with what a process, dead or alive, was told: `appended` may be gone already. */
  acknowledge(appended: Appended): string[] {
    appended.acknowledged = true
    const { baseOffset, lastOffset } = appended.entry
    if (lastOffset < this.#trimmedTo || this.at(baseOffset) === appended) return []
    return [`stream ${this.streamId} acknowledged offset ${baseOffset}, which the log's new owner does not have`]
  }

  trimming(offset: number): void {
    this.#trimmedAtMost = Math.max(this.#trimmedAtMost, offset)
  }

  trimmed(offset: number): void {
    this.#trimmedTo = Math.max(this.#trimmedTo, offset)
    const kept = this.#entries.findIndex(({ entry }) => entry.lastOffset >= offset)
    this.#entries = kept === -1 ? [] : this.#entries.slice(kept)
  }

  /** A process has the stream open with these offsets. */
  shown(startOffset: number, endOffset: number): string[] {
    this.#shownTo = Math.max(this.#shownTo, endOffset)
    const name = `stream ${this.streamId}`
    if (startOffset < this.#trimmedTo)
      return [`${name} starts at ${startOffset}, but was trimmed to ${this.#trimmedTo}`]
    if (startOffset > this.#trimmedAtMost)
      return [`${name} starts at ${startOffset}, nobody trimmed beyond ${this.#trimmedAtMost}`]
    if (endOffset > this.#nextOffset) return [`${name} ends at ${endOffset}, only ${this.#nextOffset} was appended`]
    return []
  }

  /** A new process has read the log back: what lies behind `endOffset` is lost. */
  recovered(endOffset: number): string[] {
    const name = `stream ${this.streamId}`
    const complaints: string[] = []
    if (endOffset < this.#shownTo)
      complaints.push(`${name} could be read to ${this.#shownTo}, and ends at ${endOffset} now`)
    const cut = this.#entries.findIndex(({ entry }) => entry.lastOffset >= endOffset)
    if (cut === -1)
      return endOffset === this.#nextOffset || complaints.length > 0
        ? complaints
        : [`${name} ends at ${endOffset}, not ${this.#nextOffset}`]
    const lost = this.#entries.slice(cut)
    const [first] = lost
    const acknowledged = lost.filter((appended) => appended.acknowledged)
    const [worst] = acknowledged
    if (worst !== undefined) {
      complaints.push(
        `${name} lost ${acknowledged.length} acknowledged entries from offset ${worst.entry.baseOffset} on`
      )
    }
    if (first !== undefined && first.entry.baseOffset < endOffset)
      complaints.push(`${name} ends at ${endOffset}, inside an entry`)
    this.#entries = this.#entries.slice(0, cut)
    this.#count = first?.before ?? this.#count
    this.#nextOffset = endOffset
    return complaints
  }

  /** The entry that covers `offset`. */
  at(offset: number): Appended | undefined {
    const found = this.#entries[this.#indexOf(offset)]
    return found !== undefined && found.entry.baseOffset <= offset ? found : undefined
  }

  /** Entries [0, offset) since the stream was created. */
  countBefore(offset: number): number {
    return this.#entries[this.#indexOf(offset)]?.before ?? this.#count
  }

  /** Compaction by key may leave these out from now on. */
  removing(entries: readonly Appended[]): void {
    for (const appended of entries) if (appended.removal === 'none') appended.removal = 'asked'
  }

  /** What a read from `fromOffset` gave: the entry that holds it, and what follows, with nothing left out that must be there. */
  judgeRead(fromOffset: number, found: readonly Entry[]): string[] {
    const name = `stream ${this.streamId}`
    let next = fromOffset
    for (const [at, entry] of found.entries()) {
      const isOrdered = at === 0 ? entry.lastOffset >= fromOffset : entry.baseOffset >= next
      if (!isOrdered) return [`${name} gives offset ${entry.baseOffset} to a reader of ${next}`]
      const complaints = this.judgeNothing(next, entry.baseOffset)
      if (complaints.length > 0) return complaints
      next = entry.lastOffset + 1
      this.#shownTo = Math.max(this.#shownTo, next)
      if (entry.lastOffset < this.#trimmedTo) continue
      const expected = this.at(entry.baseOffset)
      if (expected === undefined) return [`${name} shows offset ${entry.baseOffset}, which was never appended`]
      if (!isSame(expected.entry, entry))
        return [`${name} shows other bytes or offsets at ${entry.baseOffset} than were appended`]
    }
    return []
  }

  /** A reader was shown nothing in [fromOffset, toOffset). */
  judgeNothing(fromOffset: number, toOffset: number): string[] {
    for (let at = this.#indexOf(fromOffset); at < this.#entries.length; at++) {
      const appended = this.#entries[at]
      if (appended === undefined || appended.entry.baseOffset >= toOffset) return []
      if (appended.removal !== 'none') continue
      return [`stream ${this.streamId} does not show ${appended.entry.baseOffset} to a reader of ${fromOffset}`]
    }
    return []
  }

  /** First entry that must be there, ends at or after `fromOffset` and reaches `timestamp`. */
  findTimestamp(timestamp: number, fromOffset: number): Entry | undefined {
    for (let at = this.#indexOf(fromOffset); at < this.#entries.length; at++) {
      const appended = this.#entries[at]
      if (appended?.removal === 'none' && appended.entry.maxTimestamp >= timestamp) return appended.entry
    }
    return undefined
  }

  /** Index of the first entry that ends at or after `offset`. */
  #indexOf(offset: number): number {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#entries[middle]?.entry.lastOffset ?? 0) < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

function isSame(a: Entry, b: Entry): boolean {
  return (
    a.baseOffset === b.baseOffset &&
    a.lastOffset === b.lastOffset &&
    a.maxTimestamp === b.maxTimestamp &&
    a.payload.equals(b.payload)
  )
}

/** How an entry stands in the history. */
export function written(streamId: number, { baseOffset, lastOffset, payload }: Entry): string {
  return `s${streamId} [${baseOffset}, ${lastOffset}] ${payload.length} B ${crc32c(payload).toString(16)}`
}
