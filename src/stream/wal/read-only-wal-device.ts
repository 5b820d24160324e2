/**
 * The folder of a file WAL for those who only look: it changes nothing, makes nothing durable, and needs no permission
 * to write. The log may be in use by a node meanwhile, so files may change or go while they are read.
 */
import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { assert, Fault } from '../../runtime/fault.ts'
import type { WalDevice, WalFile, WalFileInfo } from './wal-device.ts'

export class ReadOnlyWalDevice implements WalDevice {
  readonly #folder: string
  readonly #open = new Set<FileHandle>()

  constructor(folder: string) {
    this.#folder = resolve(folder)
  }

  /** Fault `missing` when there is no such folder. */
  async list(): Promise<WalFileInfo[]> {
    const found = await this.#reading('.', () => readdir(this.#folder, { withFileTypes: true }))
    const names = found.filter((entry) => entry.isFile()).map((entry) => entry.name)
    return Promise.all(
      names.map(async (name) => ({
        name,
        bytes: (await this.#reading(name, () => stat(join(this.#folder, name)))).size
      }))
    )
  }

  async open(name: string): Promise<WalFile> {
    const file = await this.#reading(name, () => open(join(this.#folder, name), 'r'))
    this.#open.add(file)
    return {
      read: (position, length) => this.#reading(name, () => readFully(file, position, length)),
      // What was read needs not stay: the owner of the log will read it again.
      sync: () => Promise.resolve(),
      write: () => this.#refuse(`write ${name}`),
      close: () => this.#closeFile(file)
    }
  }

  create(name: string): Promise<WalFile> {
    return this.#refuse(`create ${name}`)
  }

  remove(name: string): Promise<void> {
    return this.#refuse(`remove ${name}`)
  }

  /** Closes every file that is still open. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map((file) => this.#closeFile(file)))
  }

  async #closeFile(file: FileHandle): Promise<void> {
    this.#open.delete(file)
    await file.close()
  }

  async #refuse(attempt: string): Promise<never> {
    assert(false, `${attempt} of a log that is only read`)
  }

  async #reading<T>(name: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (cause) {
      if (!(cause instanceof Error && 'code' in cause)) throw cause
      const kind = cause.code === 'ENOENT' || cause.code === 'ENOTDIR' ? 'missing' : 'unavailable'
      throw new Fault(kind, `read ${join(this.#folder, name)}: ${cause.message}`, { cause })
    }
  }
}

async function readFully(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return bytes.subarray(0, filled)
}
