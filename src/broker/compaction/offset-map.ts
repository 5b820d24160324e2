/**
 * The last offset of each key, in memory that is fixed from the start: 24 bytes a key, whatever the keys' length.
 *
 * Keys are known by 128 bits of their SHA-256. That nobody can find two keys that share them is what makes it safe to
 * forget the keys: where strangers choose keys, one could otherwise make records of another's vanish. (Kafka's map
 * does the same with MD5.) Open addressing; memory that was never written to costs no RAM.
 */
import { hash } from 'node:crypto'
import { assert } from '../../runtime/fault.ts'

const DIGEST_WORDS = 4
const SLOT_BYTES = DIGEST_WORDS * 4 + 8
/** Kafka's `log.cleaner.io.buffer.load.factor`. */
const LOAD_FACTOR = 0.9

export class OffsetMap {
  /** Keys that fit. */
  readonly capacity: number
  readonly #slots: number
  readonly #digests: Uint32Array
  /** One more than the offset; 0 is a free slot. */
  readonly #offsets: Float64Array
  /** Of the key looked for last. */
  readonly #digest = new Uint32Array(DIGEST_WORDS)
  #size = 0

  /** For up to `keys` keys, as far as `bytesMax` allows. */
  constructor(keys: number, bytesMax: number) {
    const affordable = Math.floor(bytesMax / SLOT_BYTES)
    this.#slots = Math.max(2, Math.min(affordable, Math.ceil(keys / LOAD_FACTOR) + 1))
    this.capacity = Math.floor(this.#slots * LOAD_FACTOR)
    this.#digests = new Uint32Array(this.#slots * DIGEST_WORDS)
    this.#offsets = new Float64Array(this.#slots)
  }

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#slots * SLOT_BYTES
  }

  /** Notes the key's newest offset; false when the map is full and the key is not in it. */
  put(key: Buffer, offset: number): boolean {
    const slot = this.#find(key)
    if (this.#offsets[slot] === 0) {
      if (this.#size >= this.capacity) return false
      this.#digests.set(this.#digest, slot * DIGEST_WORDS)
      this.#size++
    }
    this.#offsets[slot] = offset + 1
    return true
  }

  /** The offset noted last; -1 for a key that is not in the map. */
  get(key: Buffer): number {
    return (this.#offsets[this.#find(key)] ?? 0) - 1
  }

  /** The key's slot, or the free one that it would take: there always is one. */
  #find(key: Buffer): number {
    const digest = this.#digest
    // As a string of bytes: the fastest form in which Node gives a digest out.
    const text = hash('sha256', key, 'binary')
    for (let word = 0; word < DIGEST_WORDS; word++) {
      const at = word * 4
      digest[word] =
        text.charCodeAt(at) |
        (text.charCodeAt(at + 1) << 8) |
        (text.charCodeAt(at + 2) << 16) |
        (text.charCodeAt(at + 3) << 24)
    }
    let slot = (digest[0] as number) % this.#slots
    for (let probes = 0; probes < this.#slots; probes++) {
      if (this.#offsets[slot] === 0 || this.#holds(slot)) return slot
      slot = slot + 1 === this.#slots ? 0 : slot + 1
    }
    assert(false, 'an offset map has no free slot')
  }

  #holds(slot: number): boolean {
    const at = slot * DIGEST_WORDS
    const digest = this.#digest
    return (
      this.#digests[at] === digest[0] &&
      this.#digests[at + 1] === digest[1] &&
      this.#digests[at + 2] === digest[2] &&
      this.#digests[at + 3] === digest[3]
    )
  }
}
