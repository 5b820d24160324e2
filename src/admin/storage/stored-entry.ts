/** An entry with the place where it was found, or why a place could not be read. */
import type { Entry } from '../../stream/entry.ts'

export interface StoredEntry {
  readonly streamId: number
  readonly entry: Entry
  /** Object key or segment, and the byte where its block or it begins. */
  readonly place: string
}

export interface UnreadablePlace {
  readonly place: string
  readonly problem: string
  /** Offset of the stream from which reading goes on, where that is known. */
  readonly nextOffset: number | undefined
}

export type EntryOrProblem = StoredEntry | UnreadablePlace
