/**
 * Object storage as Longhaul needs it. Keys are `/`-separated ASCII paths without `.` or `..` segments (`object-key.ts`).
 * Every implementation passes the one contract suite in `object-store-contract.ts`.
 *
 * All methods throw `Fault`: `missing`, `conflict` (the key exists and `ifAbsent` was asked for),
 * `unavailable` (may be tried again; the effect may or may not have happened), `invalid` (bad key or range, or refused by
 * the store: what to change stands in the message), `closed`.
 */

export interface ObjectInfo {
  readonly key: string
  /** Bytes. */
  readonly size: number
}

/** Bytes [start, end) of an object. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export interface PutOptions {
  /**
   * Succeeds only when no object has this key (HTTP `If-None-Match: *`); otherwise Fault `conflict`. No store repeats such
   * a put by itself: after `unavailable` the object may be there, and whoever asks again may get `conflict` for its own
   * bytes. Reading the object back tells.
   */
  readonly ifAbsent?: boolean
}

/** What an object is composed of: bytes at hand, or a part of another object of the same store. */
export type Piece = { readonly parts: readonly Buffer[] } | { readonly key: string; readonly range: ByteRange }

export interface ObjectStore {
  /** Stores the concatenation of `parts` under `key`; durable and visible to every reader when it resolves, never half visible. */
  put(key: string, parts: readonly Buffer[], options?: PutOptions): Promise<void>
  /**
   * Stores the concatenation of `pieces`, as `put` does. Parts of other objects are copied by the store itself where it
   * can (S3: UploadPartCopy, from 5 MiB on). Pieces are taken one by one as they are written, so that memory stays
   * bounded however large the object is; when taking one throws, nothing is stored and the error passes on.
   * Fault `missing` or `invalid` when a source does not have what a piece names.
   */
  compose(key: string, pieces: AsyncIterable<Piece>, options?: PutOptions): Promise<ObjectInfo>
  /** The whole object, or exactly the bytes of `range`; one that is empty or ends beyond the object is Fault `invalid`. */
  get(key: string, range?: ByteRange): Promise<Buffer>
  head(key: string): Promise<ObjectInfo>
  /** Objects whose key starts with `prefix`, in key order. */
  list(prefix: string): AsyncIterable<ObjectInfo>
  /** Removes the objects; a key that does not exist counts as removed. */
  delete(keys: readonly string[]): Promise<void>
  close(): Promise<void>
}
