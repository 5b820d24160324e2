/**
 * Wraps an object store and counts what it is asked for: the calls, and the bytes that they moved. Plain integers, read
 * when somebody wants them. Calls count when they begin, bytes when they succeed.
 *
 * A call is not always one request: retries and parts of large objects are requests too. Where the store counts those
 * itself (S3), they stand in `requests`; they are what a bill is made of.
 */
import type { ByteRange, ObjectInfo, ObjectStore, Piece, PutOptions } from './object-store.ts'
import { KEYS_PER_REQUEST } from './s3-settings.ts'

export interface ObjectStoreStats {
  readonly puts: number
  readonly putBytes: number
  readonly composes: number
  /** Bytes of composed objects that the caller handed in, and those copied from other objects. */
  readonly composedBytes: number
  readonly copiedBytes: number
  readonly gets: number
  readonly getBytes: number
  readonly heads: number
  /** Pages of up to 1000 objects. */
  readonly lists: number
  /** Requests of up to 1000 keys. */
  readonly deletes: number
  readonly deletedKeys: number
  /** Calls of any kind that failed. */
  readonly failures: number
  /** Requests on the wire by kind, when the store counts them. */
  readonly requests: Readonly<Record<string, number>> | undefined
}

export interface MeteredObjectStoreOptions {
  readonly store: ObjectStore
  readonly requests?: () => Readonly<Record<string, number>>
}

export class MeteredObjectStore implements ObjectStore {
  readonly #store: ObjectStore
  readonly #requests: (() => Readonly<Record<string, number>>) | undefined
  readonly #counts = {
    puts: 0,
    putBytes: 0,
    composes: 0,
    composedBytes: 0,
    copiedBytes: 0,
    gets: 0,
    getBytes: 0,
    heads: 0,
    lists: 0,
    deletes: 0,
    deletedKeys: 0,
    failures: 0
  }

  constructor(options: MeteredObjectStoreOptions) {
    this.#store = options.store
    this.#requests = options.requests
  }

  /** A copy: it does not change any more. */
  stats(): ObjectStoreStats {
    return { ...this.#counts, requests: this.#requests && { ...this.#requests() } }
  }

  async put(key: string, parts: readonly Buffer[], options?: PutOptions): Promise<void> {
    this.#counts.puts++
    await this.#watched(this.#store.put(key, parts, options))
    this.#counts.putBytes += bytesOf(parts)
  }

  async compose(key: string, pieces: AsyncIterable<Piece>, options?: PutOptions): Promise<ObjectInfo> {
    this.#counts.composes++
    let composedBytes = 0
    let copiedBytes = 0
    async function* counted(): AsyncGenerator<Piece> {
      for await (const piece of pieces) {
        if ('key' in piece) copiedBytes += piece.range.end - piece.range.start
        else composedBytes += bytesOf(piece.parts)
        yield piece
      }
    }
    const made = await this.#watched(this.#store.compose(key, counted(), options))
    this.#counts.composedBytes += composedBytes
    this.#counts.copiedBytes += copiedBytes
    return made
  }

  async get(key: string, range?: ByteRange): Promise<Buffer> {
    this.#counts.gets++
    const bytes = await this.#watched(this.#store.get(key, range))
    this.#counts.getBytes += bytes.length
    return bytes
  }

  head(key: string): Promise<ObjectInfo> {
    this.#counts.heads++
    return this.#watched(this.#store.head(key))
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    this.#counts.lists++
    let objects = 0
    try {
      for await (const object of this.#store.list(prefix)) {
        if (objects > 0 && objects % KEYS_PER_REQUEST === 0) this.#counts.lists++
        objects++
        yield object
      }
    } catch (error) {
      this.#counts.failures++
      throw error
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    this.#counts.deletes += Math.ceil(keys.length / KEYS_PER_REQUEST)
    await this.#watched(this.#store.delete(keys))
    this.#counts.deletedKeys += keys.length
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  async #watched<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      this.#counts.failures++
      throw error
    }
  }
}

function bytesOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0)
}
