/**
 * The unit that streams hold: an opaque payload that covers the offsets [baseOffset, lastOffset].
 * Offsets may be sparse between entries, never overlapping, always rising.
 */
export interface Entry {
  readonly baseOffset: number
  /** Offset of the last position inside the entry, inclusive. */
  readonly lastOffset: number
  /** Milliseconds since the epoch; -1 when the payload carries none. */
  readonly maxTimestamp: number
  readonly payload: Buffer
}
