/**
 * The files of the write-ahead log: hands out the next one to write, takes back those that were trimmed away.
 *
 * Preallocation is an optimisation, never a need: a sync is cheap when the file has its final length already, so one
 * file is filled with zeros ahead of time and trimmed files are used again; when none is ready, a new empty one serves.
 * Invariant: all files together never take more than `bytesMax`, counting a file as full from the beginning.
 */

import { isFault } from '../../runtime/fault.ts'
import type { Log } from '../../runtime/log.ts'
import type { WalDevice, WalFile } from './wal-device.ts'
import { encodeFreedMark, FREED_MARK_AT, type SegmentMark } from './wal-segment.ts'

/** One write of zeros; also how far a file that is needed at once lets its preparation finish. */
const FILL_BYTES = 1024 * 1024
/** Zeros are synced this often, so that the log's own syncs do not queue behind one large one. */
const FILL_SYNC_BYTES = 8 * FILL_BYTES
const ZEROS = Buffer.alloc(FILL_BYTES)

const NAME = /^segment-(\d{6,})\.wal$/

export function isSegmentName(name: string): boolean {
  return NAME.test(name)
}

/** A file that holds, or will hold, a segment. */
export interface SegmentFile {
  readonly name: string
  readonly file: WalFile
  /** Bytes of the file on the device. */
  length: number
  /** The mark of the last segment that was freed in this file. */
  freed: SegmentMark | undefined
}

export interface SegmentPoolOptions {
  readonly device: WalDevice
  readonly log: Log
  readonly segmentBytes: number
  readonly bytesMax: number
  /** Trimmed files beyond this many bytes are deleted rather than kept. At least one is kept. */
  readonly spareBytesMax: number
}

interface Preparation {
  stopping: boolean
  done: Promise<void>
}

export class SegmentPool {
  readonly #options: SegmentPoolOptions
  /** Files in use, with the bytes that they count for. */
  readonly #inUse = new Map<SegmentFile, number>()
  #spares: SegmentFile[] = []
  /** To be deleted. */
  readonly #doomed: SegmentFile[] = []
  #preparation: Preparation | undefined
  #lastNumber = 0

  constructor(options: SegmentPoolOptions) {
    this.#options = options
  }

  /** Takes over the files that the log had when it was opened. */
  adopt(live: readonly SegmentFile[], spares: readonly SegmentFile[]): void {
    for (const file of live) this.#inUse.set(file, file.length)
    this.#spares.push(...spares)
    for (const { name } of [...live, ...spares]) {
      this.#lastNumber = Math.max(this.#lastNumber, Number(NAME.exec(name)?.[1] ?? 0))
    }
  }

  get hasSpare(): boolean {
    return this.#spares.length > 0
  }

  /** A file for the next segment; undefined while `bytesMax` allows none. */
  async take(): Promise<SegmentFile | undefined> {
    if (!this.hasSpare) await this.#stopPreparation()
    const file = this.#takeSpare() ?? (this.#hasRoom() ? await this.#create() : undefined)
    if (file !== undefined) this.#inUse.set(file, Math.max(file.length, this.#options.segmentBytes))
    return file
  }

  /** Begins, in the background, to fill a file with zeros for the next `take`, unless one is ready. */
  prepare(): void {
    const { segmentBytes, log } = this.#options
    if (this.#preparation !== undefined || this.#spares.some((file) => file.length >= segmentBytes)) return
    if (!this.hasSpare && !this.#hasRoom()) return
    // Complete before the filling starts, which asks for `stopping` at once when it continues a file.
    const preparation: Preparation = { stopping: false, done: Promise.resolve() }
    this.#preparation = preparation
    preparation.done = this.#fill(() => preparation.stopping)
      .catch((error) => log.warn({ error }, 'could not prepare a segment of the write-ahead log'))
      .finally(() => {
        this.#preparation = undefined
      })
  }

  /**
   * Marks the segment in `file` as freed, durably, and keeps or deletes the file. When it throws, the file is in use as
   * before; from then on nothing more can fail, or it would be released a second time while it holds another segment.
   */
  async release(file: SegmentFile, mark: SegmentMark): Promise<void> {
    await writeFully(file.file, [encodeFreedMark(mark)], FREED_MARK_AT)
    await file.file.sync()
    file.freed = mark
    this.#inUse.delete(file)
    this.#spares.push(file)
    await this.#dropSurplus()
  }

  /** The newest stays: its mark is what a log without segments in use continues from. */
  async #dropSurplus(): Promise<void> {
    const { segmentBytes, bytesMax, spareBytesMax, log } = this.#options
    while (this.#spares.length > 1) {
      if (this.#spares.length * segmentBytes <= spareBytesMax && this.#usedBytes() <= bytesMax) break
      // It may be gone although its removal fails: never to be written again.
      this.#doomed.push(...this.#spares.splice(0, 1))
    }
    try {
      for (let next = this.#doomed[0]; next !== undefined; next = this.#doomed[0]) {
        await this.#remove(next)
        this.#doomed.shift()
      }
    } catch (error) {
      if (!isFault(error, 'unavailable')) throw error
      log.warn({ files: this.#doomed.length, error: error.message }, 'surplus segment files are deleted later')
    }
  }

  /** Deletes a file that was taken and that nothing durable was written to. */
  async discard(file: SegmentFile): Promise<void> {
    await this.#remove(file)
    this.#inUse.delete(file)
  }

  async close(): Promise<void> {
    await this.#stopPreparation()
    for (const { file } of [...this.#inUse.keys(), ...this.#spares, ...this.#doomed]) await file.close()
  }

  /** The one that is filled farthest; among equals the one freed first. */
  #takeSpare(): SegmentFile | undefined {
    const best = this.#spares.reduce<SegmentFile | undefined>(
      (found, file) => (found === undefined || file.length > found.length ? file : found),
      undefined
    )
    this.#spares = this.#spares.filter((file) => file !== best)
    return best
  }

  #hasRoom(): boolean {
    return this.#usedBytes() + this.#options.segmentBytes <= this.#options.bytesMax
  }

  #usedBytes(): number {
    let bytes = 0
    for (const counted of this.#inUse.values()) bytes += counted
    for (const file of this.#spares) bytes += Math.max(file.length, this.#options.segmentBytes)
    return bytes
  }

  async #create(): Promise<SegmentFile> {
    this.#lastNumber++
    const name = `segment-${String(this.#lastNumber).padStart(6, '0')}.wal`
    return { name, file: await this.#options.device.create(name), length: 0, freed: undefined }
  }

  async #remove(file: SegmentFile): Promise<void> {
    await this.#options.device.remove(file.name)
    await file.file.close()
  }

  async #stopPreparation(): Promise<void> {
    if (this.#preparation === undefined) return
    this.#preparation.stopping = true
    await this.#preparation.done
  }

  async #fill(isStopping: () => boolean): Promise<void> {
    const { segmentBytes } = this.#options
    const spare = this.#takeSpare() ?? (await this.#create())
    this.#inUse.set(spare, segmentBytes)
    try {
      for (let unsynced = 0; spare.length < segmentBytes && !isStopping(); ) {
        const bytes = Math.min(FILL_BYTES, segmentBytes - spare.length)
        await writeFully(spare.file, [ZEROS.subarray(0, bytes)], spare.length)
        spare.length += bytes
        unsynced += bytes
        if (unsynced < FILL_SYNC_BYTES && spare.length < segmentBytes) continue
        await spare.file.sync()
        unsynced = 0
      }
    } catch (error) {
      // Only the lack of space is harmless; of a broken device the log itself will learn soon enough.
      if (!isFault(error, 'unavailable')) throw error
    } finally {
      this.#inUse.delete(spare)
      this.#spares.push(spare)
    }
  }
}

/** Writes all buffers, however often the device cuts a write short. */
export async function writeFully(file: WalFile, buffers: readonly Buffer[], position: number): Promise<number> {
  let rest = buffers
  let at = position
  for (;;) {
    const written = await file.write(rest, at)
    at += written
    rest = withoutFirst(rest, written)
    if (rest.length === 0) return at - position
  }
}

/** The buffers without their first `bytes`; empty when nothing is left. */
function withoutFirst(buffers: readonly Buffer[], bytes: number): readonly Buffer[] {
  let skipped = 0
  for (const [index, buffer] of buffers.entries()) {
    if (skipped + buffer.length > bytes) return [buffer.subarray(bytes - skipped), ...buffers.slice(index + 1)]
    skipped += buffer.length
  }
  return []
}
