/**
 * A disk in memory that behaves as badly as a disk may: for tests and simulations, repeatable from a seed.
 *
 * A write is visible at once and durable only after a sync. `crash` gives the disk as it may be after a power failure:
 * of every write that was not synced, each sector may have arrived or not, in any order. `kill` gives it after the
 * process alone died: everything written is there, and still not durable.
 */
import { type Clock, sleep } from '../../runtime/clock.ts'
import { assert, Fault } from '../../runtime/fault.ts'
import type { Random } from '../../runtime/random.ts'
import type { WalDevice, WalFile, WalFileInfo } from './wal-device.ts'

const SECTOR_BYTES = 512

/** What goes wrong; may be changed at any time. */
export interface WalDeviceFaults {
  /** Every sync takes this long on the clock. */
  syncMs: number
  /** Share of writes [0, 1] that are cut short. */
  shortWrites: number
  /** Bytes that all files together may take; a write beyond it is Fault `unavailable` after writing what fits. */
  capacityBytes: number
  /** When set, writes and syncs fail with it, as on a broken disk. */
  broken: Error | undefined
}

interface PendingWrite {
  readonly position: number
  readonly bytes: Buffer
}

/** Contents of a file: as a reader sees it, as it is on the platter, and the writes between the two. */
interface MemoryFile {
  visible: Buffer
  durable: Buffer
  pending: PendingWrite[]
}

export interface MemoryWalDeviceOptions {
  readonly random: Random
  readonly clock: Clock
}

export class MemoryWalDevice implements WalDevice {
  readonly faults: WalDeviceFaults = {
    syncMs: 0,
    shortWrites: 0,
    capacityBytes: Number.POSITIVE_INFINITY,
    broken: undefined
  }
  /** Calls since the device was made; tests of group commit count them. */
  readonly calls = { writes: 0, syncs: 0, creates: 0, removes: 0 }
  readonly #options: MemoryWalDeviceOptions
  readonly #files: Map<string, MemoryFile>
  #dead = false

  constructor(options: MemoryWalDeviceOptions) {
    this.#options = options
    this.#files = new Map()
  }

  async list(): Promise<WalFileInfo[]> {
    this.#requireAlive()
    return [...this.#files].map(([name, file]) => ({ name, bytes: file.visible.length }))
  }

  async create(name: string): Promise<WalFile> {
    await this.#turn()
    assert(!this.#files.has(name), `file ${name} exists already`)
    this.calls.creates++
    const file: MemoryFile = { visible: Buffer.alloc(0), durable: Buffer.alloc(0), pending: [] }
    this.#files.set(name, file)
    return this.#handle(file)
  }

  async open(name: string): Promise<WalFile> {
    await this.#turn()
    return this.#handle(this.#find(name))
  }

  async remove(name: string): Promise<void> {
    await this.#turn()
    this.calls.removes++
    this.#files.delete(name)
  }

  /** The machine lost power: a device with what is left. This one answers no more. */
  crash(): MemoryWalDevice {
    const { random } = this.#options
    return this.#successor((file) => {
      let after: Buffer = Buffer.from(file.durable)
      // Some crashes lose everything, some nothing, most tear.
      const share = [0, 1, 0.5, 0.9, random.float()][random.int(5)] ?? 0
      for (const write of file.pending) {
        for (const sector of sectorsOf(write)) {
          if (random.float() < share) after = applied(after, sector)
        }
      }
      return { visible: after, durable: Buffer.from(after), pending: [] }
    })
  }

  /** The process died, the machine did not. */
  kill(): MemoryWalDevice {
    return this.#successor(({ visible, durable, pending }) => ({
      visible: Buffer.from(visible),
      durable: Buffer.from(durable),
      pending: [...pending]
    }))
  }

  names(): string[] {
    return [...this.#files.keys()].sort()
  }

  /** The bytes of a file as a reader sees them. */
  contents(name: string): Buffer {
    return Buffer.from(this.#find(name).visible)
  }

  flipBit(name: string, position: number, bit: number): void {
    const file = this.#find(name)
    for (const bytes of [file.visible, file.durable]) {
      if (position < bytes.length) bytes.writeUInt8(bytes.readUInt8(position) ^ (1 << bit), position)
    }
  }

  truncate(name: string, bytes: number): void {
    const file = this.#find(name)
    file.visible = file.visible.subarray(0, bytes)
    file.durable = file.durable.subarray(0, bytes)
  }

  /** A device of its own with what is on this one, all of it durable. */
  copy(): MemoryWalDevice {
    const device = new MemoryWalDevice(this.#options)
    for (const [name, { visible }] of this.#files) {
      device.#files.set(name, { visible: Buffer.from(visible), durable: Buffer.from(visible), pending: [] })
    }
    return device
  }

  #successor(after: (file: MemoryFile) => MemoryFile): MemoryWalDevice {
    this.#dead = true
    const device = new MemoryWalDevice(this.#options)
    for (const [name, file] of this.#files) device.#files.set(name, after(file))
    return device
  }

  #handle(file: MemoryFile): WalFile {
    return {
      write: async (buffers, position) => {
        await this.#turn()
        return this.#write(file, Buffer.concat(buffers), position)
      },
      sync: async () => {
        await this.#turn()
        this.calls.syncs++
        const begun = [...file.pending]
        if (this.faults.syncMs > 0) await sleep(this.#options.clock, this.faults.syncMs)
        await this.#turn()
        for (const write of begun) file.durable = applied(file.durable, write)
        file.pending = file.pending.filter((write) => !begun.includes(write))
      },
      read: async (position, length) => {
        await this.#turn()
        return Buffer.from(file.visible.subarray(position, position + length))
      },
      close: async () => {}
    }
  }

  #write(file: MemoryFile, bytes: Buffer, position: number): number {
    const { random } = this.#options
    const { shortWrites, capacityBytes } = this.faults
    this.calls.writes++
    const isShort = shortWrites > 0 && random.float() < shortWrites
    const wanted = isShort ? 1 + random.int(bytes.length) : bytes.length
    const growth = position + wanted - file.visible.length
    const free = Math.max(0, capacityBytes - this.#usedBytes())
    const written = growth > free ? wanted - (growth - free) : wanted
    if (written <= 0) throw new Fault('unavailable', 'injected: no space left on the device')
    const write = { position, bytes: bytes.subarray(0, written) }
    file.visible = applied(file.visible, write)
    file.pending.push(write)
    return written
  }

  #usedBytes(): number {
    let bytes = 0
    for (const file of this.#files.values()) bytes += file.visible.length
    return bytes
  }

  /** Every call costs a turn of the microtask queue, as I/O never answers at once. */
  async #turn(): Promise<void> {
    await Promise.resolve()
    this.#requireAlive()
    if (this.faults.broken !== undefined) throw this.faults.broken
  }

  #requireAlive(): void {
    if (this.#dead) throw new Error('the device is gone: it crashed')
  }

  #find(name: string): MemoryFile {
    const file = this.#files.get(name)
    assert(file !== undefined, `file ${name} does not exist`)
    return file
  }
}

function applied(contents: Buffer, { position, bytes }: PendingWrite): Buffer {
  const end = position + bytes.length
  let after = contents
  if (end > contents.length) {
    after = Buffer.alloc(end)
    contents.copy(after)
  }
  bytes.copy(after, position)
  return after
}

function* sectorsOf({ position, bytes }: PendingWrite): Iterable<PendingWrite> {
  for (let start = 0; start < bytes.length; ) {
    const end = Math.min(bytes.length, start + SECTOR_BYTES - ((position + start) % SECTOR_BYTES))
    yield { position: position + start, bytes: bytes.subarray(start, end) }
    start = end
  }
}
