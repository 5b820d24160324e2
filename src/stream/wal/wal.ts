/**
 * The write-ahead log: what makes an append durable before it is acknowledged. One log per broker, shared by
 * all of its streams. Two implementations, file and object, pass the one suite in `wal-contract.ts`.
 *
 * Invariant: appends become durable in the order in which they were made. If an append is durable, so is
 * every append before it; after a crash the log holds a prefix of what was appended, and all that was acknowledged.
 */
import type { Entry } from '../entry.ts'

/** A place in the log. Grows with every append, never reused; comparable with `<`. */
export type WalPosition = number

export interface WalRecord {
  readonly streamId: number
  /** Epoch of the stream under which the entry was appended. */
  readonly epoch: number
  readonly entry: Entry
}

export interface ReplayedRecord extends WalRecord {
  /** Position just after the record: trimming to it drops the record. */
  readonly end: WalPosition
}

export interface Wal {
  /**
   * Hands every record that is still in the log to `visit`, in order, then opens the log for appending.
   * Called once, before anything else. A torn tail (a crash in the middle of a write) ends the replay;
   * damage with intact records behind it is Fault `corrupt` with segment and position.
   * Payloads handed to `visit` may be kept.
   */
  replay(visit: (record: ReplayedRecord) => void): Promise<void>
  /**
   * Appends one record. `durable` runs once it and all before it are on stable storage, in append order, with the
   * position just after the record; it must not throw. The payload must not change afterwards.
   * When the log can no longer be written (closed, or the device failed for good), `failed` runs instead.
   */
  append(record: WalRecord, durable: (end: WalPosition) => void, failed: (fault: Error) => void): void
  /**
   * Everything before `position` is no longer needed; space is given back when whole segments or objects fall before it.
   * Its mark must have been saved before.
   */
  trim(position: WalPosition): Promise<void>
  /**
   * Where a replay may begin once everything before `position` is trimmed. It is saved in the same transaction as the
   * commit that allows the trim, and given back to whoever opens the log next; opaque to everybody else.
   */
  mark(position: WalPosition): string
  /** Bytes of the largest payload that an entry may have. */
  readonly payloadBytesMax: number
  /** Bytes that were appended and are not durable yet. */
  readonly pendingBytes: number
  /** Bytes of the log that are in use (appended and not trimmed). */
  readonly bytes: number
  /** Waits for appends under way, then closes. */
  close(): Promise<void>
}
