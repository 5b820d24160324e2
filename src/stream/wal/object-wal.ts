/**
 * The write-ahead log in an object store: no disk at all.
 *
 * Appends leave in batches, each an object under the next key of a log that is this process's own; several PUTs are
 * under way at once, each asking for the absence of its key. Appends are acknowledged in order, once their object and all
 * before it are stored. Acknowledging reads nothing.
 *
 * Invariant: whoever takes the log over puts its fence under the first missing key (`object-wal-recovery.ts`), so a PUT
 * that succeeds proves that nobody had. The first key that turns out to be somebody else's ends this log for good, with
 * Fault `fenced`.
 *
 * A store that is slow or away makes appends wait, visible as `stalled` and `pendingBytes`; they are sent again until it
 * takes them. A log that is full (`bytesMax`) makes them wait for a trim.
 */
import { setMaxListeners } from 'node:events'
import type { ObjectStore } from '../../object-store/object-store.ts'
import { type Clock, sleep } from '../../runtime/clock.ts'
import { assert, Fault, isFault } from '../../runtime/fault.ts'
import type { Log } from '../../runtime/log.ts'
import type { Random } from '../../runtime/random.ts'
import { HEDGE_DEFAULTS, type HedgeSettings } from './object-wal-hedging.ts'
import { encodeBatch, OBJECT_HEADER_BYTES, storedBytes } from './object-wal-object.ts'
import { BATCH_RECORDS_MAX, encodeMark, keyOf, type LogPlace, positionIn, ROOT } from './object-wal-place.ts'
import { ExclusivePuts, type PutCounts } from './object-wal-put.ts'
import { type LiveObject, takeOver } from './object-wal-recovery.ts'
import { ObjectRemoval } from './object-wal-removal.ts'
import type { RetryEffects } from './object-wal-retry.ts'
import type { ReplayedRecord, Wal, WalPosition, WalRecord } from './wal.ts'

const MEBIBYTE = 1024 * 1024
const BATCH_BYTES_MAX = 8 * MEBIBYTE
const BATCH_AGE_MS = 250
const IN_FLIGHT_MAX = 4
const BYTES_MAX = 2048 * MEBIBYTE
const PAYLOAD_BYTES_MAX = 64 * MEBIBYTE
const CLOSE_MS_MAX = 10_000

export interface ObjectWalOptions {
  readonly store: Pick<ObjectStore, 'put' | 'get' | 'list' | 'delete'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly nodeId: number
  /** From `Metadata.registerNode`, called before: higher than that of every earlier start of the node. */
  readonly epoch: number
  /**
   * Reads `Metadata.walMark`. The metadata must take marks only from the node's latest epoch: a mark that moves backwards
   * leads the next owner to objects that are gone.
   */
  readonly loadMark: () => Promise<string | undefined>
  /** A batch leaves once it has this many bytes of entries, 8 MiB by default; a larger entry goes alone. */
  readonly batchBytesMax?: number
  /**
   * While other batches are under way, a batch gathers for this long at most, 250 ms by default. Halving it about doubles
   * the PUTs of a busy node whose store is slower than that.
   */
  readonly batchAgeMs?: number
  /** Batches sent and not acknowledged, 4 by default. */
  readonly inFlightMax?: number
  /** Bytes that all objects together may take before appends wait for a trim, 2 GiB by default. */
  readonly bytesMax?: number
  /** Bytes of the largest payload, 64 MiB by default. */
  readonly payloadBytesMax?: number
  readonly hedging?: Partial<HedgeSettings>
  /** How long closing waits for the store, 10 s by default. */
  readonly closeMsMax?: number
}

/** Why appends wait: the log reached `bytesMax` and needs a trim, or the store takes nothing. */
export type ObjectWalStall = 'log-full' | 'store-unavailable'

interface PendingAppend {
  readonly record: WalRecord
  readonly bytes: number
  /** On the monotonic clock. */
  readonly appendedAt: number
  readonly durable: (end: WalPosition) => void
  readonly failed: (fault: Error) => void
}

/** A batch that was sent. */
interface SentBatch {
  readonly place: LogPlace
  readonly appends: readonly PendingAppend[]
  stored: boolean
}

export class ObjectWal implements Wal {
  readonly payloadBytesMax: number
  readonly #options: ObjectWalOptions
  readonly #batchBytesMax: number
  readonly #batchAgeMs: number
  readonly #inFlightMax: number
  readonly #bytesMax: number
  readonly #effects: RetryEffects
  readonly #puts: ExclusivePuts
  readonly #removal: ObjectRemoval
  readonly #nonce: Buffer
  readonly #stopping = new AbortController()
  /** Appends that were not sent yet, in order. */
  #queue: PendingAppend[] = []
  #queuedBytes = 0
  /** Batches that are not acknowledged, in order. */
  #sent: SentBatch[] = []
  #sentBytes = 0
  /** Objects that are not trimmed, in order, those that were sent included. */
  #live: LiveObject[] = []
  #liveBytes = 0
  #next: LogPlace = ROOT
  #durableTo: WalPosition = 0
  #provenMs = Number.NEGATIVE_INFINITY
  #replayed = false
  /** Why nothing more is appended; what was appended before goes on. */
  #closed: Fault | undefined
  /** Why nothing becomes durable any more. */
  #failure: Fault | undefined
  #full = false
  #pumping = false
  #cancelTimer: () => void = () => {}
  #drained: () => void = () => {}

  constructor(options: ObjectWalOptions) {
    const { store, clock, random, log } = options
    this.#options = options
    this.payloadBytesMax = options.payloadBytesMax ?? PAYLOAD_BYTES_MAX
    this.#batchBytesMax = options.batchBytesMax ?? BATCH_BYTES_MAX
    this.#batchAgeMs = options.batchAgeMs ?? BATCH_AGE_MS
    this.#inFlightMax = options.inFlightMax ?? IN_FLIGHT_MAX
    this.#bytesMax = options.bytesMax ?? BYTES_MAX
    this.#nonce = random.bytes(8)
    this.#effects = { clock, random, log, stopping: this.#stopping.signal }
    this.#puts = new ExclusivePuts(store, this.#effects, { ...HEDGE_DEFAULTS, ...options.hedging })
    this.#removal = new ObjectRemoval(store, { clock, random, log })
    // Every request under way may listen.
    setMaxListeners(0, this.#stopping.signal)
  }

  get bytes(): number {
    return this.#queuedBytes + this.#liveBytes
  }

  get pendingBytes(): number {
    return this.#queuedBytes + this.#sentBytes
  }

  /** Why appends wait at the moment; undefined when they do not. */
  get stalled(): ObjectWalStall | undefined {
    if (this.#puts.failing) return 'store-unavailable'
    return this.#full ? 'log-full' : undefined
  }

  /** Requests so far. */
  get putCounts(): Readonly<PutCounts> {
    return this.#puts.counts
  }

  /** Monotonic milliseconds at which this log was certainly still ours: a PUT that began then was taken. */
  get provenMs(): number {
    return this.#provenMs
  }

  /** Stores an object without records, unless something is under way anyway: its success proves that the log is still ours. */
  prove(): void {
    const idle = this.#replayed && this.#queue.length + this.#sent.length === 0
    if (idle && this.#failure === undefined && this.#closed === undefined) this.#send(0)
  }

  /** Also fences the log. Faults beside those of the interface: `fenced` when a newer start of the node has it. */
  async replay(visit: (record: ReplayedRecord) => void): Promise<void> {
    assert(!this.#replayed, 'a write-ahead log is replayed once')
    const { store, nodeId, epoch, loadMark } = this.#options
    const parts = { nodeId, epoch, nonce: this.#nonce, store, puts: this.#puts, effects: this.#effects, loadMark }
    const { live, begin, next } = await takeOver(parts, visit)
    this.#live = live
    for (const { bytes } of live) this.#liveBytes += bytes
    this.#next = next
    this.#durableTo = positionIn(next.sequence, 0)
    this.#replayed = true
    if (begin !== ROOT) this.#removal.sweep(nodeId, begin.sequence)
  }

  append(record: WalRecord, durable: (end: WalPosition) => void, failed: (fault: Error) => void): void {
    assert(this.#replayed, 'a write-ahead log is replayed before it is appended to')
    const refusal = this.#failure ?? this.#closed ?? this.#refusal(record)
    if (refusal !== undefined) {
      queueMicrotask(() => failed(refusal))
      return
    }
    const bytes = storedBytes(record)
    this.#queue.push({ record, bytes, appendedAt: this.#options.clock.monotonic(), durable, failed })
    this.#queuedBytes += bytes
    if (this.#pumping) return
    this.#pumping = true
    // Whatever is appended in the same turn joins.
    queueMicrotask(() => this.#pump())
  }

  trim(position: WalPosition): Promise<void> {
    const limit = Math.min(position, this.#durableTo)
    const kept = this.#live.findIndex((object) => endOf(object) > limit)
    const trimmed = this.#live.splice(0, kept === -1 ? this.#live.length : kept)
    for (const { bytes } of trimmed) this.#liveBytes -= bytes
    this.#removal.remove(trimmed.map(({ place }) => keyOf(this.#options.nodeId, place)))
    this.#pump()
    return Promise.resolve()
  }

  mark(position: WalPosition): string {
    const limit = Math.min(position, this.#durableTo)
    return encodeMark(this.#live.find((object) => endOf(object) > limit)?.place ?? this.#next)
  }

  async close(): Promise<void> {
    this.#closed ??= new Fault('closed', 'the write-ahead log is closed')
    const drained = new Promise<void>((resolve) => {
      this.#drained = resolve
    })
    this.#pump()
    this.#noticeDrained()
    const timer = new AbortController()
    const done = drained.then(() => this.#removal.finish())
    await Promise.race([done, sleep(this.#options.clock, this.#options.closeMsMax ?? CLOSE_MS_MAX, timer.signal)])
    timer.abort()
    this.#fail(this.#closed)
    this.#stopping.abort()
    // When the time was up: deletes no longer wait for the store to come back.
    void this.#removal.finish()
  }

  #refusal({ entry }: WalRecord): Fault | undefined {
    const { length } = entry.payload
    if (length <= this.payloadBytesMax) return undefined
    return new Fault(
      'invalid',
      `a payload of ${length} bytes does not fit the WAL: the limit is ${this.payloadBytesMax}`
    )
  }

  /** Sends what is due, and comes back when the next batch will be. */
  #pump(): void {
    this.#pumping = false
    this.#cancelTimer()
    for (;;) {
      const first = this.#queue[0]
      if (first === undefined || this.#failure !== undefined || this.#sent.length >= this.#inFlightMax) return
      this.#noteFull(this.#isFull(first))
      // A trim comes back to it.
      if (this.#full) return
      if (!this.#isDue(first)) {
        this.#pumpAfterAge(first)
        return
      }
      this.#send(this.#countNext())
    }
  }

  #pumpAfterAge(first: PendingAppend): void {
    const waitMs = first.appendedAt + this.#batchAgeMs - this.#options.clock.monotonic()
    this.#cancelTimer = this.#options.clock.after(waitMs, () => this.#pump())
  }

  /** A batch leaves when nothing else is under way, when it is complete, or when it has gathered for long enough. */
  #isDue(first: PendingAppend): boolean {
    return (
      this.#sent.length === 0 ||
      this.#closed !== undefined ||
      this.#queuedBytes >= this.#batchBytesMax ||
      this.#queue.length >= BATCH_RECORDS_MAX ||
      this.#options.clock.monotonic() - first.appendedAt >= this.#batchAgeMs
    )
  }

  /** Whether the next batch, taken as large as it may be, would exceed the limit. Any batch may be the only one. */
  #isFull(first: PendingAppend): boolean {
    // Whatever is left when the log is closed has this one chance.
    if (this.#closed !== undefined || this.#liveBytes === 0) return false
    const nextBytes = Math.min(this.#queuedBytes, Math.max(this.#batchBytesMax, first.bytes))
    return this.#liveBytes + nextBytes > this.#bytesMax
  }

  /** How many appends make up the next batch. */
  #countNext(): number {
    let bytes = 0
    let count = 0
    for (const append of this.#queue) {
      if (count === BATCH_RECORDS_MAX || (count > 0 && bytes + append.bytes > this.#batchBytesMax)) break
      bytes += append.bytes
      count++
    }
    return count
  }

  #send(count: number): void {
    const appends = this.#queue.splice(0, count)
    const place = this.#next
    this.#next = { epoch: place.epoch, sequence: place.sequence + 1 }
    const { nodeId } = this.#options
    const durableTo = this.#sent[0]?.place.sequence ?? place.sequence
    const records = appends.map(({ record }) => record)
    const object = encodeBatch({ nodeId, place, nonce: this.#nonce }, durableTo, records)
    this.#queuedBytes -= object.bytes - OBJECT_HEADER_BYTES
    this.#sentBytes += object.bytes - OBJECT_HEADER_BYTES
    this.#liveBytes += object.bytes
    this.#live.push({ place, records: count, bytes: object.bytes })
    const batch = { place, appends, stored: false }
    this.#sent.push(batch)
    const sentMs = this.#options.clock.monotonic()
    this.#puts.put(keyOf(nodeId, place), object).then(
      (ours) => {
        if (!ours) return this.#fail(this.#fenced(place))
        this.#provenMs = Math.max(this.#provenMs, sentMs)
        this.#stored(batch)
      },
      (error) => this.#fail(error)
    )
  }

  #stored(batch: SentBatch): void {
    batch.stored = true
    while (this.#failure === undefined && this.#sent[0]?.stored) this.#acknowledge(this.#sent[0])
    this.#pump()
    this.#noticeDrained()
  }

  #acknowledge({ place, appends }: SentBatch): void {
    this.#sent.shift()
    let index = 0
    for (const { bytes, durable } of appends) {
      this.#durableTo = positionIn(place.sequence, ++index)
      this.#sentBytes -= bytes
      durable(this.#durableTo)
    }
  }

  #noteFull(full: boolean): void {
    if (this.#full === full) return
    this.#full = full
    const { log } = this.#options
    if (full) log.warn({ bytes: this.bytes }, 'appends to the WAL wait: its limit is reached until it is trimmed')
    else log.info({}, 'appends to the WAL go on')
  }

  #noticeDrained(): void {
    if (this.#failure !== undefined || this.#sent.length + this.#queue.length === 0) this.#drained()
  }

  #fenced(place: LogPlace): Fault {
    const { nodeId, epoch } = this.#options
    const key = keyOf(nodeId, place)
    return new Fault(
      'fenced',
      `the write-ahead log of node ${nodeId} was taken from epoch ${epoch}: ${key} is not ours`
    )
  }

  /** Nothing more becomes durable: whatever is not acknowledged fails, in order. */
  #fail(cause: unknown): void {
    if (this.#failure !== undefined) return
    const known = isFault(cause, 'fenced') || isFault(cause, 'closed')
    this.#failure = known
      ? cause
      : new Fault('closed', 'the object store of the write-ahead log failed; appends are refused', { cause })
    if (this.#closed === undefined) this.#options.log.error({ error: cause }, this.#failure.message)
    this.#cancelTimer()
    this.#stopping.abort()
    const lost = [...this.#sent.flatMap(({ appends }) => appends), ...this.#queue]
    this.#sent = []
    this.#queue = []
    this.#queuedBytes = 0
    this.#sentBytes = 0
    for (const { failed } of lost) failed(this.#failure)
    this.#noticeDrained()
  }
}

/** Position after the object's last record. */
function endOf({ place, records }: LiveObject): WalPosition {
  return positionIn(place.sequence, records)
}
