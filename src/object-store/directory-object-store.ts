/**
 * An object store in a directory: a key is the path of a file below it.
 *
 * Invariants: a file under its key is complete and durable before anybody can see it (written under a name of
 * `~incoming`, synced, then renamed or linked); `ifAbsent` is atomic between processes, because link(2) is.
 * Several processes may share the directory.
 *
 * One limit that S3 does not have: a key cannot also be the folder of another (`a` and `a/b`): Fault `invalid`.
 */
import { constants } from 'node:fs'
import { type FileHandle, link, mkdir, open, readdir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Clock } from '../runtime/clock.ts'
import { assert, Fault, type FaultKind } from '../runtime/fault.ts'
import { type Random, uuid } from '../runtime/random.ts'
import { rangeBeyondEnd, requireKey, requirePrefix, requireRange } from './object-key.ts'
import type { ByteRange, ObjectInfo, ObjectStore, Piece, PutOptions } from './object-store.ts'

/** `~` is illegal in keys, so no object can ever lie in here. */
const INCOMING = '~incoming'
/** A file in `~incoming` this old belongs to a writer that died. Far longer than any put takes. */
const LEFTOVER_AGE_MS = 15 * 60_000
/** The most buffers that one writev(2) takes (IOV_MAX on Linux and macOS). */
const BUFFERS_PER_WRITE = 1024
/** Copies go through memory in pieces of this size. */
const COPY_BYTES = 1024 * 1024
/** How often a put starts again because concurrent deletes removed its folder, empty until then. */
const FOLDER_ATTEMPTS = 10

type FaultKinds = Readonly<Record<string, readonly [FaultKind, string]>>
const NO_OBJECT = ['missing', 'it does not exist'] as const
const READ_FAULTS: FaultKinds = { ENOENT: NO_OBJECT, ENOTDIR: NO_OBJECT, EISDIR: NO_OBJECT }
const FOLDER_CLASH = ['invalid', 'a key cannot also be the folder of another key'] as const
const PUT_FAULTS: FaultKinds = {
  EEXIST: FOLDER_CLASH,
  ENOTDIR: FOLDER_CLASH,
  EISDIR: FOLDER_CLASH,
  ENOTEMPTY: FOLDER_CLASH,
  ENAMETOOLONG: ['invalid', 'the path is too long for this file system']
}

export interface DirectoryObjectStoreOptions {
  /** Created when it does not exist. */
  readonly root: string
  readonly clock: Clock
  readonly random: Random
}

export class DirectoryObjectStore implements ObjectStore {
  readonly #root: string
  readonly #random: Random
  /** Folders whose own entries, up to the root, are known to be on disk. */
  readonly #durableFolders = new Set<string>()
  #closed = false

  /** Opens the store and removes what crashed writers left behind. */
  static async open(options: DirectoryObjectStoreOptions): Promise<DirectoryObjectStore> {
    const root = resolve(options.root)
    return faulted(`open the object store in ${root}`, {}, async () => {
      await mkdir(join(root, INCOMING), { recursive: true })
      await syncFolder(root)
      await removeLeftovers(join(root, INCOMING), options.clock.now() - LEFTOVER_AGE_MS)
      return new DirectoryObjectStore(root, options.random)
    })
  }

  /** Opens the store to read it: makes and removes nothing. Fault `missing` when there is no such folder. */
  static async openToRead(
    options: Pick<DirectoryObjectStoreOptions, 'root' | 'random'>
  ): Promise<DirectoryObjectStore> {
    const root = resolve(options.root)
    return faulted(`open the object store in ${root}`, { ENOENT: ['missing', 'there is no such folder'] }, async () => {
      await readdir(root)
      return new DirectoryObjectStore(root, options.random)
    })
  }

  private constructor(root: string, random: Random) {
    this.#root = root
    this.#random = random
  }

  async put(key: string, parts: readonly Buffer[], options: PutOptions = {}): Promise<void> {
    await this.#store(key, options, (incoming) => writeAll(incoming, parts))
  }

  async compose(key: string, pieces: AsyncIterable<Piece>, options: PutOptions = {}): Promise<ObjectInfo> {
    let size = 0
    await this.#store(key, options, async (incoming) => {
      for await (const piece of passingErrors(pieces)) {
        if ('key' in piece) size += await this.#copy(piece.key, piece.range, incoming)
        else size += await writeAll(incoming, piece.parts)
      }
    })
    return { key, size }
  }

  async get(key: string, range?: ByteRange): Promise<Buffer> {
    this.#requireOpen()
    const path = this.#path(key)
    if (range !== undefined) requireRange(key, range)
    return faulted(`get object ${key}`, READ_FAULTS, async () => {
      return withRange(key, path, range, (file, { start, end }) => readExactly(file, start, end - start))
    })
  }

  async head(key: string): Promise<ObjectInfo> {
    this.#requireOpen()
    const path = this.#path(key)
    return faulted(`head of object ${key}`, READ_FAULTS, async () => {
      const found = await stat(path)
      if (!found.isFile()) throw new Fault('missing', `object ${key} does not exist`)
      return { key, size: found.size }
    })
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    this.#requireOpen()
    requirePrefix(prefix)
    yield* this.#walk('', prefix)
  }

  async delete(keys: readonly string[]): Promise<void> {
    this.#requireOpen()
    const paths = keys.map((key) => this.#path(key))
    await faulted(`delete ${keys.length} objects`, {}, async () => {
      for (const path of paths) await ignoring(['ENOENT', 'ENOTDIR', 'EISDIR'], unlink(path))
      // Synced, because an object that came back after a power failure would never be deleted again.
      for (const folder of new Set(paths.map((path) => dirname(path)))) {
        await ignoring(['ENOENT', 'ENOTDIR'], syncFolder(folder))
        await this.#removeEmptyFolders(folder)
      }
    })
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  /** `write` fills the file that becomes the object; when it throws, there is none. */
  async #store(key: string, options: PutOptions, write: (incoming: FileHandle) => Promise<unknown>): Promise<void> {
    this.#requireOpen()
    const path = this.#path(key)
    await faulted(`put object ${key}`, PUT_FAULTS, async () => {
      // A cheap look first: a writer that lost the race should not write megabytes to learn it.
      if (options.ifAbsent && (await exists(path))) throw new Fault('conflict', `object ${key} exists already`)
      const incoming = join(this.#root, INCOMING, uuid(this.#random))
      try {
        await writeDurably(incoming, write)
        await this.#publish(incoming, path, options.ifAbsent ?? false)
      } finally {
        await rm(incoming, { force: true })
      }
    })
  }

  async #copy(key: string, range: ByteRange, target: FileHandle): Promise<number> {
    const path = this.#path(key)
    requireRange(key, range)
    return faulted(`copy object ${key}`, READ_FAULTS, () =>
      withRange(key, path, range, async (file, { start, end }) => {
        for (let at = start; at < end; at += COPY_BYTES) {
          await writeAll(target, [await readExactly(file, at, Math.min(COPY_BYTES, end - at))])
        }
        return end - start
      })
    )
  }

  async #publish(incoming: string, path: string, ifAbsent: boolean): Promise<void> {
    const folder = dirname(path)
    for (let attempt = 1; ; attempt++) {
      try {
        const created = await mkdir(folder, { recursive: true })
        if (created !== undefined) this.#durableFolders.clear()
        await (ifAbsent ? linkAbsent(incoming, path) : rename(incoming, path))
        break
      } catch (error) {
        // A concurrent delete removed the folder, empty until now.
        if (codeOf(error) !== 'ENOENT' || attempt === FOLDER_ATTEMPTS) throw error
      }
    }
    // Absent only when the object was deleted again meanwhile: then there is nothing left to make durable.
    await ignoring(['ENOENT'], this.#makeDurable(folder))
  }

  /** Syncs the entries of `folder`, and those of the folders above it up to the root unless that is known. */
  async #makeDurable(folder: string): Promise<void> {
    await syncFolder(folder)
    if (folder === this.#root || this.#durableFolders.has(folder)) return
    for (let above = folder; above !== this.#root; ) {
      above = dirname(above)
      await syncFolder(above)
    }
    this.#durableFolders.add(folder)
  }

  async #removeEmptyFolders(folder: string): Promise<void> {
    for (let empty = folder; empty !== this.#root; empty = dirname(empty)) {
      try {
        await rmdir(empty)
      } catch (error) {
        if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(codeOf(error))) return
        if (codeOf(error) !== 'ENOENT') throw error
      }
    }
  }

  /** Objects below `folder` ('' or ending in '/') in key order, looking only where `prefix` can match. */
  async *#walk(folder: string, prefix: string): AsyncIterable<ObjectInfo> {
    for (const name of await this.#namesIn(folder)) {
      const key = folder + name
      if (name.endsWith('/')) {
        if (key.startsWith(prefix) || prefix.startsWith(key)) yield* this.#walk(key, prefix)
      } else if (key.startsWith(prefix)) {
        const found = await this.#sizeOf(key)
        if (found !== undefined) yield { key, size: found }
      }
    }
  }

  /** Folders carry their `/` while they are sorted: `a-b` comes before `a/b` in key order. */
  async #namesIn(folder: string): Promise<string[]> {
    return faulted(`list objects in ${folder}`, {}, async () => {
      try {
        const found = await readdir(join(this.#root, folder), { withFileTypes: true })
        return found
          .filter((entry) => !entry.name.includes('~'))
          .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
          .sort()
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return []
        throw error
      }
    })
  }

  async #sizeOf(key: string): Promise<number | undefined> {
    try {
      return (await this.head(key)).size
    } catch (error) {
      // Deleted while the list was under way.
      if (error instanceof Fault && error.kind === 'missing') return undefined
      throw error
    }
  }

  #path(key: string): string {
    requireKey(key)
    const path = join(this.#root, key)
    assert(path.startsWith(`${this.#root}/`), `key ${key} leaves the object store`)
    return path
  }

  #requireOpen(): void {
    if (this.#closed) throw new Fault('closed', 'the object store is closed')
  }
}

async function writeDurably(path: string, write: (file: FileHandle) => Promise<unknown>): Promise<void> {
  const file = await open(path, 'wx')
  try {
    await write(file)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Appends the parts; bytes written. */
async function writeAll(file: FileHandle, parts: readonly Buffer[]): Promise<number> {
  let bytes = 0
  for (let first = 0; first < parts.length; first += BUFFERS_PER_WRITE) {
    const some = parts.slice(first, first + BUFFERS_PER_WRITE)
    const { bytesWritten } = await file.writev(some)
    const wanted = some.reduce((sum, part) => sum + part.length, 0)
    // writev may be cut short by a signal or a limit; the rest is copied, as this hardly ever happens.
    if (bytesWritten < wanted) await file.writeFile(Buffer.concat(some).subarray(bytesWritten))
    bytes += wanted
  }
  return bytes
}

/** Opens the file of an object and checks that it has the range; the whole of it when there is none. */
async function withRange<T>(
  key: string,
  path: string,
  range: ByteRange | undefined,
  work: (file: FileHandle, range: ByteRange) => Promise<T>
): Promise<T> {
  const file = await open(path, constants.O_RDONLY)
  try {
    const { size } = await file.stat()
    const wanted = range ?? { start: 0, end: size }
    if (wanted.end > size) throw rangeBeyondEnd(key, wanted, size)
    return await work(file, wanted)
  } finally {
    await file.close()
  }
}

async function readExactly(file: FileHandle, start: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length)
  for (let filled = 0; filled < length; ) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, start + filled)
    if (bytesRead === 0) throw new Fault('unavailable', `file ended after ${filled} of ${length} bytes while read`)
    filled += bytesRead
  }
  return bytes
}

async function linkAbsent(incoming: string, path: string): Promise<void> {
  try {
    await link(incoming, path)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw new Fault('conflict', `file ${path} exists already`, { cause: error })
    throw error
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

async function removeLeftovers(folder: string, olderThan: number): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    await ignoring(
      ['ENOENT'],
      stat(path).then((found) => (found.mtimeMs < olderThan ? unlink(path) : undefined))
    )
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false
  )
}

async function ignoring(codes: readonly string[], work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!codes.includes(codeOf(error))) throw error
  }
}

/** An error of whoever supplies the pieces, on its way through `faulted`: it is not one of our file system. */
class ForeignError extends Error {}

async function* passingErrors(pieces: AsyncIterable<Piece>): AsyncGenerator<Piece> {
  try {
    yield* pieces
  } catch (error) {
    throw new ForeignError('taking a piece failed', { cause: error })
  }
}

/** Runs `work`; errors of the file system become Faults of the kind that `kinds` has for their code. */
async function faulted<T>(attempt: string, kinds: FaultKinds, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof ForeignError) throw error.cause
    const code = codeOf(error)
    if (code === '' || !(error instanceof Error)) throw error
    const [kind, reason] = kinds[code] ?? ['unavailable', error.message]
    throw new Fault(kind, `${attempt}: ${reason}`, { cause: error })
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
