/**
 * The write-ahead log in files: group commit over preallocated segments.
 *
 * One round at a time: what was appended while a round was written and synced makes up the next one, a single write
 * into a single segment and a single sync; then its callbacks run in order.
 * Invariants: a round begins only after everything before it is durable (recovery relies on it, see
 * `wal-recovery.ts`); appends never continue in a segment that was read back, so what a crash tore never comes to life.
 *
 * A log that is full (`bytesMax`) and a disk that is full make appends wait, in order, and are visible as `stalled`;
 * only a device that fails in another way ends the log. It takes no lock on the directory.
 */
import type { Clock } from '../../runtime/clock.ts'
import { assert, Fault, isFault } from '../../runtime/fault.ts'
import type { Log } from '../../runtime/log.ts'
import type { Random } from '../../runtime/random.ts'
import { type SegmentFile, SegmentPool, writeFully } from './segment-pool.ts'
import type { ReplayedRecord, Wal, WalPosition, WalRecord } from './wal.ts'
import type { WalDevice } from './wal-device.ts'
import { ENTRY_HEADER_BYTES, encodeEntryHeader, entryBytes } from './wal-entry.ts'
import { encodeFileMark, requireMarkedLog, UNNAMED } from './wal-identity.ts'
import { type LiveSegment, recoverLog } from './wal-recovery.ts'
import {
  CLOSED_MARK_AT,
  encodeClosedMark,
  encodeSegmentPage,
  SEGMENT_PAGE_BYTES,
  type SegmentHeader
} from './wal-segment.ts'

const MEBIBYTE = 1024 * 1024
const SEGMENT_BYTES = 64 * MEBIBYTE
const BYTES_MAX = 2048 * MEBIBYTE
const SPARE_BYTES_MAX = 512 * MEBIBYTE
/** Rounds of 2 and of 8 MiB have the same throughput (bench/wal.ts); the bound keeps the latency of one bounded. */
const ROUND_BYTES_MAX = 8 * MEBIBYTE
const ROUND_ENTRIES_MAX = 4096
/** Payloads up to this are copied beside their headers: a vector of many small buffers costs more than the copy. */
const COPIED_BYTES_MAX = 2048
/** Rounds end on a page, with zeros that the next round overwrites: the kernel need not read the page to change it. */
const PAGE_BYTES = 4096
const ZEROS = Buffer.alloc(PAGE_BYTES)
const RETRY_MS_MIN = 50
const RETRY_MS_MAX = 2_000

export interface FileWalOptions {
  readonly device: WalDevice
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** From `establishLogId`; without it the log is not told from others. */
  readonly logId?: string
  /** What the metadata says of the log, from `mark`; undefined at its first start. */
  readonly mark?: string | undefined
  /** Bytes of one segment file, 64 MiB by default. An entry must fit into one. */
  readonly segmentBytes?: number
  /** Bytes that all files together may take, 2 GiB by default. At least two segments. */
  readonly bytesMax?: number
  /** Bytes of trimmed files that are kept to be written again, 512 MiB by default. */
  readonly spareBytesMax?: number
}

/** Why appends wait: the log reached `bytesMax` and needs a trim, or the device has no room (or file descriptors) left. */
export type WalStall = 'log-full' | 'disk-full'

interface PendingAppend {
  readonly record: WalRecord
  readonly end: WalPosition
  readonly durable: (end: WalPosition) => void
  readonly failed: (fault: Error) => void
}

/** The segment that is being written. */
interface ActiveSegment {
  readonly file: SegmentFile
  readonly header: SegmentHeader
  /** False until its first round, which carries the header, is durable. */
  started: boolean
  /** True once the file after this one was asked for. */
  successorPrepared: boolean
}

export class FileWal implements Wal {
  readonly #options: FileWalOptions
  readonly #segmentBytes: number
  readonly #pool: SegmentPool
  readonly #gathered = Buffer.allocUnsafeSlow(ROUND_ENTRIES_MAX * (ENTRY_HEADER_BYTES + COPIED_BYTES_MAX))
  /** Appends that are not durable yet, in order. */
  #queue: PendingAppend[] = []
  /** Segments before the active one. */
  #retired: LiveSegment[] = []
  #active: ActiveSegment | undefined
  #lastSequence = 0
  #appendedTo: WalPosition = 0
  #durableTo: WalPosition = 0
  #trimmedTo: WalPosition = 0
  #replayed = false
  /** Why nothing can be appended any more. */
  #failure: Fault | undefined
  #rounds: Promise<void> | undefined
  #trims: Promise<void> = Promise.resolve()
  #stalled: WalStall | undefined
  #retryMs = RETRY_MS_MIN
  #wake: () => void = () => {}

  constructor(options: FileWalOptions) {
    this.#options = options
    const { device, log, segmentBytes = SEGMENT_BYTES, bytesMax = BYTES_MAX, spareBytesMax = SPARE_BYTES_MAX } = options
    if (bytesMax < 2 * segmentBytes) {
      throw new Fault('invalid', `the WAL's limit of ${bytesMax} bytes must hold two segments of ${segmentBytes} bytes`)
    }
    this.#segmentBytes = segmentBytes
    this.#pool = new SegmentPool({ device, log, segmentBytes, bytesMax, spareBytesMax })
  }

  get bytes(): number {
    return this.#appendedTo - this.#trimmedTo
  }

  get payloadBytesMax(): number {
    return this.#segmentBytes - SEGMENT_PAGE_BYTES - ENTRY_HEADER_BYTES
  }

  get pendingBytes(): number {
    return this.#appendedTo - this.#durableTo
  }

  /** Why appends wait at the moment; undefined when they do not. */
  get stalled(): WalStall | undefined {
    return this.#stalled
  }

  async replay(visit: (record: ReplayedRecord) => void): Promise<void> {
    assert(!this.#replayed, 'a write-ahead log is replayed once')
    const { device, log, logId = UNNAMED, mark } = this.#options
    const { live, spares, end, lastSequence } = await recoverLog(device, log, visit)
    if (mark !== undefined) requireMarkedLog(mark, logId, end)
    this.#pool.adopt(
      live.map(({ file }) => file),
      spares
    )
    this.#retired = live
    this.#lastSequence = lastSequence
    this.#appendedTo = end
    this.#durableTo = end
    this.#trimmedTo = live[0]?.header.base ?? end
    this.#replayed = true
  }

  append(record: WalRecord, durable: (end: WalPosition) => void, failed: (fault: Error) => void): void {
    assert(this.#replayed, 'a write-ahead log is replayed before it is appended to')
    const bytes = entryBytes(record)
    const refusal = this.#failure ?? this.#refusal(bytes)
    if (refusal !== undefined) {
      queueMicrotask(() => failed(refusal))
      return
    }
    this.#appendedTo += bytes
    this.#queue.push({ record, end: this.#appendedTo, durable, failed })
    this.#rounds ??= this.#commitRounds()
  }

  trim(position: WalPosition): Promise<void> {
    this.#trimmedTo = Math.max(this.#trimmedTo, Math.min(position, this.#durableTo))
    // One after the other, so that segments are freed in order and the log never has a gap.
    const trim = this.#trims.then(() => this.#freeSegments())
    this.#trims = trim.catch(() => {})
    return trim
  }

  /** Tells this log from others; what was trimmed the segments say themselves. */
  mark(position: WalPosition): string {
    return encodeFileMark(this.#options.logId ?? UNNAMED, position)
  }

  async close(): Promise<void> {
    const healthy = this.#failure === undefined
    this.#failure ??= new Fault('closed', 'the write-ahead log is closed')
    this.#wake()
    await this.#rounds
    await this.#trims
    if (healthy && this.#active?.started && this.#durableTo === this.#appendedTo) await this.#markClosed(this.#active)
    await this.#pool.close()
  }

  #refusal(bytes: number): Fault | undefined {
    const room = this.#segmentBytes - SEGMENT_PAGE_BYTES
    if (bytes <= room) return undefined
    return new Fault('invalid', `an entry of ${bytes} bytes does not fit a WAL segment: the limit is ${room} bytes`)
  }

  async #commitRounds(): Promise<void> {
    // Whatever is appended in the same turn joins the first round.
    await Promise.resolve()
    try {
      while (this.#queue.length > 0) await this.#commitRound()
    } catch (cause) {
      this.#fail(cause)
    }
    this.#rounds = undefined
  }

  async #commitRound(): Promise<void> {
    try {
      if (this.#stalled === 'disk-full') await this.#leaveSegmentThatCannotGrow()
      const active = await this.#segmentWithRoom()
      if (active === undefined) return await this.#stall('log-full')
      const count = await this.#write(active)
      await active.file.file.sync()
      this.#acknowledge(active, count)
    } catch (error) {
      if (!isFault(error, 'unavailable')) throw error
      await this.#stall('disk-full', error)
    }
  }

  /** The segment that takes the next entry; undefined while the log is full. */
  async #segmentWithRoom(): Promise<ActiveSegment | undefined> {
    const next = this.#queue[0]
    assert(next !== undefined, 'a round without entries')
    if (this.#active !== undefined && this.#roomIn(this.#active) >= next.end - this.#durableTo) return this.#active
    return this.#activate()
  }

  #roomIn({ header }: ActiveSegment): number {
    return this.#segmentBytes - SEGMENT_PAGE_BYTES - (this.#durableTo - header.base)
  }

  async #activate(): Promise<ActiveSegment | undefined> {
    const file = await this.#pool.take()
    if (file === undefined) return undefined
    const { file: previous, header } = this.#active ?? {}
    if (previous !== undefined && header !== undefined) {
      this.#retired.push({ file: previous, header, end: this.#durableTo })
    }
    this.#lastSequence++
    const salt = this.#options.random.int(0x1_0000_0000)
    const next = { sequence: this.#lastSequence, salt, base: this.#durableTo }
    this.#active = { file, header: next, started: false, successorPrepared: false }
    return this.#active
  }

  /** Writes as many appends as make up a round, and returns how many. */
  async #write(active: ActiveSegment): Promise<number> {
    const { file, header, started } = active
    const stamp = { sequence: header.sequence, salt: header.salt, syncedTo: this.#durableTo }
    const end = this.#durableTo + Math.min(ROUND_BYTES_MAX, this.#roomIn(active))
    const buffers: Buffer[] = started ? [] : [encodeSegmentPage(header, file.freed)]
    let position = this.#durableTo
    let count = 0
    let gatheredFrom = 0
    let at = 0
    for (const pending of this.#queue) {
      if (count === ROUND_ENTRIES_MAX || (count > 0 && pending.end > end)) break
      const { payload } = pending.record.entry
      encodeEntryHeader(this.#gathered, at, pending.record, position, stamp)
      at += ENTRY_HEADER_BYTES
      if (payload.length <= COPIED_BYTES_MAX) {
        at += payload.copy(this.#gathered, at)
      } else {
        buffers.push(this.#gathered.subarray(gatheredFrom, at), payload)
        gatheredFrom = at
      }
      position = pending.end
      count++
    }
    if (at > gatheredFrom) buffers.push(this.#gathered.subarray(gatheredFrom, at))
    const endAt = SEGMENT_PAGE_BYTES + position - header.base
    const padding = Math.min(-endAt & (PAGE_BYTES - 1), this.#segmentBytes - endAt)
    if (padding > 0) buffers.push(ZEROS.subarray(0, padding))
    const startAt = started ? SEGMENT_PAGE_BYTES + this.#durableTo - header.base : 0
    const written = await writeFully(file.file, buffers, startAt)
    file.length = Math.max(file.length, startAt + written)
    return count
  }

  #acknowledge(active: ActiveSegment, count: number): void {
    active.started = true
    const done = this.#queue.splice(0, count)
    for (const { end, durable } of done) {
      this.#durableTo = end
      durable(end)
    }
    if (this.#stalled !== undefined) this.#options.log.info({ was: this.#stalled }, 'appends to the WAL go on')
    this.#stalled = undefined
    this.#retryMs = RETRY_MS_MIN
    // Late enough that a broker with little to do never writes a segment of zeros, early enough for a busy one.
    if (!active.successorPrepared && this.#roomIn(active) < (this.#segmentBytes * 3) / 4) {
      active.successorPrepared = true
      this.#pool.prepare()
    }
  }

  /** Waits until something may have changed: a trim, closing, or time. */
  async #stall(reason: WalStall, error?: Fault): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#stalled !== reason) {
      const remedy =
        reason === 'log-full' ? 'its limit is reached until it is trimmed' : (error?.message ?? 'the disk has no room')
      this.#options.log.warn({ reason, bytes: this.bytes, error }, `appends to the WAL wait: ${remedy}`)
    }
    this.#stalled = reason
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(this.#retryMs, resolve)
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
    this.#wake = () => {}
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX)
    if (this.#failure !== undefined) throw this.#failure
  }

  /** On a full disk a file that was trimmed is the only place left to write, as its bytes are allocated already. */
  async #leaveSegmentThatCannotGrow(): Promise<void> {
    if (!this.#pool.hasSpare || this.#active === undefined) return
    if (this.#active.started) {
      await this.#activate()
      return
    }
    // Its header may have reached the disk: the number may be given again only when the file is gone.
    await this.#pool.discard(this.#active.file)
    this.#active = undefined
    this.#lastSequence--
  }

  async #freeSegments(): Promise<void> {
    for (;;) {
      const [oldest] = this.#retired
      if (oldest === undefined || oldest.end > this.#trimmedTo) return
      await this.#pool.release(oldest.file, { sequence: oldest.header.sequence, end: oldest.end })
      this.#retired.shift()
      this.#wake()
    }
  }

  /** Lets recovery tell a clean end from damage. */
  async #markClosed({ file, header }: ActiveSegment): Promise<void> {
    const mark = encodeClosedMark({ sequence: header.sequence, end: this.#durableTo })
    await writeFully(file.file, [mark], CLOSED_MARK_AT)
    await file.file.sync()
  }

  #fail(cause: unknown): void {
    this.#failure ??= new Fault('closed', 'the device of the write-ahead log failed; appends are refused', { cause })
    if (cause !== this.#failure) this.#options.log.error({ error: cause }, this.#failure.message)
    const lost = this.#queue
    this.#queue = []
    for (const { failed } of lost) failed(this.#failure)
  }
}
