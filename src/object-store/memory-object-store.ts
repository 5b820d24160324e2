/**
 * An object store in memory: for tests and simulations. Behaves like the durable ones, bytes are copied in and out,
 * so that a caller who changes a buffer later harms nobody. Forgets everything when dropped.
 */
import { Fault } from '../runtime/fault.ts'
import { rangeBeyondEnd, requireKey, requirePrefix, requireRange } from './object-key.ts'
import type { ByteRange, ObjectInfo, ObjectStore, Piece, PutOptions } from './object-store.ts'

export class MemoryObjectStore implements ObjectStore {
  readonly #objects = new Map<string, Buffer>()
  #closed = false

  async put(key: string, parts: readonly Buffer[], options: PutOptions = {}): Promise<void> {
    this.#requireOpen()
    requireKey(key)
    if (options.ifAbsent && this.#objects.has(key)) throw new Fault('conflict', `object ${key} exists already`)
    this.#objects.set(key, Buffer.concat(parts))
  }

  async compose(key: string, pieces: AsyncIterable<Piece>, options: PutOptions = {}): Promise<ObjectInfo> {
    this.#requireOpen()
    requireKey(key)
    const parts: Buffer[] = []
    for await (const piece of pieces) {
      if ('key' in piece) parts.push(await this.get(piece.key, piece.range))
      else parts.push(...piece.parts)
    }
    await this.put(key, parts, options)
    return { key, size: parts.reduce((sum, part) => sum + part.length, 0) }
  }

  async get(key: string, range?: ByteRange): Promise<Buffer> {
    const bytes = this.#find(key)
    if (range === undefined) return Buffer.from(bytes)
    requireRange(key, range)
    if (range.end > bytes.length) throw rangeBeyondEnd(key, range, bytes.length)
    return Buffer.from(bytes.subarray(range.start, range.end))
  }

  async head(key: string): Promise<ObjectInfo> {
    return { key, size: this.#find(key).length }
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    this.#requireOpen()
    requirePrefix(prefix)
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix)).sort()
    for (const key of keys) {
      const bytes = this.#objects.get(key)
      if (bytes !== undefined) yield { key, size: bytes.length }
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    this.#requireOpen()
    for (const key of keys) requireKey(key)
    for (const key of keys) this.#objects.delete(key)
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #find(key: string): Buffer {
    this.#requireOpen()
    requireKey(key)
    const bytes = this.#objects.get(key)
    if (bytes === undefined) throw new Fault('missing', `object ${key} does not exist`)
    return bytes
  }

  #requireOpen(): void {
    if (this.#closed) throw new Fault('closed', 'the object store is closed')
  }
}
