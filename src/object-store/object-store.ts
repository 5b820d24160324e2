/**
 * Object storage as Longhaul needs it. Keys are `/`-separated ASCII paths without `.` or `..` segments (`object-key.ts`).
 * Every implementation passes the one contract suite in `object-store-contract.ts`.
 *
 * All methods throw `Fault`: `missing`, `conflict` (the key exists and `ifAbsent` was asked for),
 * `unavailable` (may be tried again; the effect may or may not have happened), `invalid` (bad key or range).
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
  /** Succeeds only when no object has this key (HTTP `If-None-Match: *`); otherwise Fault `conflict`. */
  readonly ifAbsent?: boolean
}

export interface ObjectStore {
  /** Stores the concatenation of `parts` under `key`; durable and visible to every reader when it resolves, never half visible. */
  put(key: string, parts: readonly Buffer[], options?: PutOptions): Promise<void>
  /** The whole object, or exactly the bytes of `range`; one that is empty or ends beyond the object is Fault `invalid`. */
  get(key: string, range?: ByteRange): Promise<Buffer>
  head(key: string): Promise<ObjectInfo>
  /** Objects whose key starts with `prefix`, in key order. */
  list(prefix: string): AsyncIterable<ObjectInfo>
  /** Removes the objects; a key that does not exist counts as removed. */
  delete(keys: readonly string[]): Promise<void>
  close(): Promise<void>
}
