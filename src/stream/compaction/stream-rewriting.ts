/**
 * What compaction by key needs of the storage engine: to read what objects hold of a stream, and to put something smaller
 * in its place. The engine knows offsets and opaque entries; what a key is, is the caller's business.
 */
import type { Entry } from '../entry.ts'
import type { Note } from '../objects/object-index.ts'

export interface Rewrite {
  readonly streamId: number
  /** Entries that lie completely in [fromOffset, toOffset) are offered to `keep`; others stay as they are. */
  readonly fromOffset: number
  readonly toOffset: number
  /**
   * What takes the entry's place: itself, a smaller one within its offsets (sparse offsets are legal), or nothing.
   * Called in offset order, one at a time.
   */
  readonly keep: (entry: Entry) => Promise<Entry | undefined>
  /** What becomes of a note; called once every entry beside it was offered. Left out, all notes stay. */
  readonly keepNote?: (note: Note) => Buffer | undefined
  /** Becomes the stream's `cleanedOffset` with the last commit. */
  readonly cleanedTo: number
  /** Ends it with Fault `closed`, at the latest after the request that is under way. */
  readonly signal?: AbortSignal
}

export interface StreamRewriting {
  /** Batches of entries that committed objects hold of [fromOffset, toOffset), in offset order. Reads at compaction's priority. */
  scan(streamId: number, fromOffset: number, toOffset: number): AsyncIterable<readonly Entry[]>
  /**
   * Replaces committed entries, in steps that are each atomic for readers and leave memory bounded. False when it was
   * given up because somebody trimmed, deleted or compacted the stream meanwhile; what was committed until then stays.
   */
  rewrite(rewrite: Rewrite): Promise<boolean>
}
