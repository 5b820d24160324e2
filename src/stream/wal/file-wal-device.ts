/** The adapter of `WalDevice` to a directory of the file system. Takes no lock: one process at a time may use it. */
import * as fs from 'node:fs'
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Fault } from '../../runtime/fault.ts'
import type { WalDevice, WalFile, WalFileInfo } from './wal-device.ts'

/** The most buffers that one pwritev(2) takes (IOV_MAX on Linux and macOS). */
const BUFFERS_PER_WRITE = 1024

export class FileWalDevice implements WalDevice {
  readonly #folder: string

  /** @param folder created when it does not exist. */
  static async open(folder: string): Promise<FileWalDevice> {
    const path = resolve(folder)
    await mkdir(path, { recursive: true })
    await syncFolder(join(path, '..'))
    return new FileWalDevice(path)
  }

  private constructor(folder: string) {
    this.#folder = folder
  }

  async list(): Promise<WalFileInfo[]> {
    await syncFolder(this.#folder)
    const found = await readdir(this.#folder, { withFileTypes: true })
    const names = found.filter((entry) => entry.isFile()).map((entry) => entry.name)
    return Promise.all(names.map(async (name) => ({ name, bytes: (await stat(join(this.#folder, name))).size })))
  }

  create(name: string): Promise<WalFile> {
    return whileRoom(`create ${name}`, async () => {
      const file = await openFile(join(this.#folder, name), 'wx+')
      await syncFolder(this.#folder)
      return file
    })
  }

  open(name: string): Promise<WalFile> {
    return openFile(join(this.#folder, name), 'r+')
  }

  remove(name: string): Promise<void> {
    return whileRoom(`remove ${name}`, async () => {
      await rm(join(this.#folder, name), { force: true })
      await syncFolder(this.#folder)
    })
  }
}

/** What passes when room, memory or descriptors are given back. */
const TEMPORARY: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOMEM'])

/** Callbacks instead of FileHandle on the append path: a round is two calls, and each costs a third less this way. */
class DescriptorFile implements WalFile {
  readonly #path: string
  readonly #descriptor: number

  constructor(path: string, descriptor: number) {
    this.#path = path
    this.#descriptor = descriptor
  }

  async write(buffers: readonly Buffer[], position: number): Promise<number> {
    if (buffers.length <= BUFFERS_PER_WRITE) return this.#writeVector(buffers, position)
    let written = 0
    for (let first = 0; first < buffers.length; first += BUFFERS_PER_WRITE) {
      const vector = buffers.slice(first, first + BUFFERS_PER_WRITE)
      const bytes = await this.#writeVector(vector, position + written)
      written += bytes
      if (bytes < vector.reduce((sum, buffer) => sum + buffer.length, 0)) break
    }
    return written
  }

  sync(): Promise<void> {
    return whileRoom(`sync ${this.#path}`, () => called((done) => fs.fdatasync(this.#descriptor, done)))
  }

  async read(position: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(length)
    let filled = 0
    while (filled < length) {
      const at = filled
      const read = await called<number>((done) =>
        fs.read(this.#descriptor, bytes, at, length - at, position + at, done)
      )
      if (read === 0) break
      filled += read
    }
    return bytes.subarray(0, filled)
  }

  close(): Promise<void> {
    return called((done) => fs.close(this.#descriptor, done))
  }

  #writeVector(buffers: readonly Buffer[], position: number): Promise<number> {
    return whileRoom(`write ${this.#path}`, () =>
      called<number>((done) => fs.writev(this.#descriptor, buffers, position, done))
    )
  }
}

async function openFile(path: string, flags: string): Promise<WalFile> {
  return new DescriptorFile(path, await called<number>((done) => fs.open(path, flags, done)))
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

type Callback<T> = (error: Error | null, result: T) => void

function called<T = void>(call: (done: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, result) => (error ? reject(error) : resolve(result)))
  })
}

async function whileRoom<T>(attempt: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    if (TEMPORARY.has(code))
      throw new Fault('unavailable', `${attempt}: out of space, memory or file descriptors (${code})`, { cause })
    throw cause
  }
}
