/**
 * The reads of one ShareFetch: finds what the member may have of its partitions, and gives it when there is enough.
 *
 * A look (`read`) keeps others from the share partitions that it read until the records are taken (`take`) or left
 * (`leave`), because what one member reads is not for the next.
 */
import { isFault } from '../../runtime/fault.ts'
import type { Entry } from '../../stream/entry.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { codeOf } from '../fault-codes.ts'
import type { Topics } from '../topics.ts'
import type { UnsentBytes } from '../unsent-bytes.ts'
import { type Acquired, AcquireRequest } from './acquisition.ts'
import { hiddenBatches } from './hidden-batches.ts'
import type { OffsetRange } from './record-runs.ts'
import type { SharePartition } from './share-partition.ts'
import type { SharePartitions } from './share-partitions.ts'
import type { ShareTarget } from './share-sessions.ts'

/** Most that is read of one partition at once, but for one batch: few clients take more records than this holds. */
const READ_BYTES_MAX = 4 * 1024 * 1024

export interface ShareFetchPassParts {
  readonly shares: SharePartitions
  readonly topics: Topics
  readonly unsent: UnsentBytes
  readonly groupId: string
  readonly memberId: string
  readonly targets: readonly ShareTarget[]
  readonly mode: 'batch-optimized' | 'record-limit'
  readonly recordsMax: number
  readonly batchSize: number
  /** Of the whole response; the first batch may be larger. */
  readonly bytesMax: number
  readonly readCommitted: () => boolean
}

/** What the response says of a partition. */
export interface ShareAnswer {
  readonly target: ShareTarget
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly records: readonly Buffer[]
  readonly acquired: readonly Acquired[]
}

interface Look {
  readonly target: ShareTarget
  readonly share: SharePartition
  readonly fetchOffset: number
  readonly entries: readonly Entry[]
  readonly bytes: number
  readonly skipped: readonly OffsetRange[]
}

export class ShareFetchPass {
  readonly #parts: ShareFetchPassParts
  /** The same ones for the whole request: what fails, fails it once. */
  readonly #shares: ReadonlyMap<ShareTarget, SharePartition>
  readonly #errors = new Map<ShareTarget, ShareAnswer>()
  readonly #taken: ShareAnswer[] = []
  /** Bytes that the last look found. */
  bytes = 0
  #looks: Look[] = []

  constructor(parts: ShareFetchPassParts) {
    this.#parts = parts
    const shares = new Map<ShareTarget, SharePartition>()
    for (const target of parts.targets) {
      const share = parts.shares.open(parts.groupId, target)
      if (share === undefined) this.#fail(target, this.#unknown(target), null)
      else shares.set(target, share)
    }
    this.#shares = shares
  }

  get shares(): Iterable<SharePartition> {
    return this.#shares.values()
  }

  /** What there is to say so far, errors included. */
  get answers(): readonly ShareAnswer[] {
    return [...this.#taken, ...this.#errors.values()]
  }

  /** Some share partitions are still being read. */
  get loads(): boolean {
    return [...this.#shares.values()].some((share) => share.loads)
  }

  /** There is no use in waiting: records were taken, or no partition can have any. */
  get over(): boolean {
    return this.#taken.length > 0 || this.#errors.size === this.#parts.targets.length
  }

  /** Looks at every partition. `onFree` is called later if somebody else reads one of them now. */
  async read(onFree: () => void): Promise<void> {
    for (const [target, share] of this.#shares) {
      const looking = this.#look(target, share, onFree)
      if (looking !== undefined) await looking
    }
  }

  /** Gives the member what was found. True when there may be more at once: all that was found was nothing to be seen. */
  take(): boolean {
    let more = false
    const { memberId, mode, batchSize, recordsMax } = this.#parts
    let room = recordsMax
    for (const { target, share, fetchOffset, entries, skipped } of this.#looks) {
      const request = new AcquireRequest({
        member: memberId,
        mode,
        batchSize,
        recordsMax: room,
        fetchOffset,
        batches: entries.map(({ baseOffset, lastOffset }) => ({ first: baseOffset, last: lastOffset })),
        skipped
      })
      const acquired = share.acquire(request)
      if (acquired.length === 0) more ||= share.fetchOffset !== fetchOffset
      if (acquired.length === 0) continue
      for (const { first, last } of acquired) room -= last - first + 1
      this.#taken.push({ target, ...NO_ERROR, records: recordsOf(entries, acquired), acquired })
    }
    this.leave()
    return more
  }

  leave(): void {
    for (const { share } of this.#looks) share.endFetch()
    this.#looks = []
    this.bytes = 0
  }

  /** The answer is on its way, or there will be none: its bytes are somebody else's to count. */
  close(): void {
    this.leave()
    this.#parts.unsent.note(this, 0)
  }

  /** Most reads come from memory: only the others cost a promise. */
  #look(target: ShareTarget, share: SharePartition, onFree: () => void): Promise<void> | undefined {
    const { shares, groupId, bytesMax, unsent } = this.#parts
    // Fences it when the partition beneath is no longer there.
    shares.get(groupId, target)
    if (share.failure !== undefined) return this.#fail(target, share.failure.errorCode, share.failure.errorMessage)
    const room = Math.min(bytesMax - this.bytes, unsent.room, READ_BYTES_MAX)
    if (room <= 0 && this.bytes > 0) return undefined
    let fetchOffset = share.fetchOffset
    if (fetchOffset !== undefined && fetchOffset < share.partition.startOffset) {
      share.skipLostRecords()
      fetchOffset = share.fetchOffset
    }
    if (fetchOffset === undefined || fetchOffset >= this.#readableEnd(share)) return undefined
    if (!share.beginFetch(onFree)) return undefined
    const found = this.#read({ target, share, fetchOffset }, room)
    return found instanceof Promise ? this.#await(target, share, found, room, onFree) : this.#found(found)
  }

  #read(begun: Pick<Look, 'target' | 'share' | 'fetchOffset'>, room: number): Look | Promise<Look> {
    const { stream } = begun.share.partition
    const entries = stream.read(begun.fetchOffset, Math.max(room, 0))
    return entries instanceof Promise
      ? entries.then((cold) => this.#judge(begun, cold, room))
      : this.#judge(begun, entries, room)
  }

  /** What of it fits and may be seen. */
  #judge(
    begun: Pick<Look, 'target' | 'share' | 'fetchOffset'>,
    read: readonly Entry[],
    room: number
  ): Look | Promise<Look> {
    const end = this.#readableEnd(begun.share)
    const entries: Entry[] = []
    let bytes = 0
    for (const entry of read) {
      const first = this.bytes === 0 && bytes === 0
      if (entry.lastOffset >= end || (bytes + entry.payload.length > room && !first)) break
      entries.push(entry)
      bytes += entry.payload.length
    }
    const skipped = hiddenBatches(begun.share.partition, entries, this.#parts.readCommitted())
    if (skipped instanceof Promise) return skipped.then((known) => ({ ...begun, entries, bytes, skipped: known }))
    return { ...begun, entries, bytes, skipped }
  }

  async #await(
    target: ShareTarget,
    share: SharePartition,
    reading: Promise<Look>,
    room: number,
    onFree: () => void
  ): Promise<void> {
    // Set aside until it is known what was read: other requests are planned meanwhile.
    this.#parts.unsent.note(this, this.bytes + Math.max(0, room))
    const { aborted } = share.partition.producers
    const { layout } = aborted
    try {
      const look = await reading
      if (aborted.layout === layout) return this.#found(look)
      // What was read may hold records of transactions that are no longer told to have been aborted.
      onFree()
    } catch (error) {
      const lost = isFault(error) && share.fetchOffset !== undefined && share.fetchOffset < share.partition.startOffset
      if (!lost) this.#fail(target, codeOf(error), isFault(error) ? error.message : null)
    }
    share.endFetch()
  }

  #found(look: Look): undefined {
    this.bytes += look.bytes
    this.#parts.unsent.note(this, this.bytes)
    this.#looks.push(look)
  }

  /** Where what the group may see ends. */
  #readableEnd({ partition }: SharePartition): number {
    return this.#parts.readCommitted() ? partition.lastStableOffset : partition.highWatermark
  }

  #unknown({ topicId, index }: ShareTarget): number {
    const { topics } = this.#parts
    const topic = topics.byId(topicId)
    return topic === undefined ? ErrorCode.UNKNOWN_TOPIC_ID : topics.absence(topic.name, index)
  }

  #fail(target: ShareTarget, errorCode: number, errorMessage: string | null): undefined {
    this.#errors.set(target, { target, errorCode, errorMessage, records: [], acquired: [] })
  }
}

const NO_ERROR = { errorCode: ErrorCode.NONE, errorMessage: null }

/** The batches that hold something of what was acquired, with everything between the first and the last. */
function recordsOf(entries: readonly Entry[], acquired: readonly Acquired[]): Buffer[] {
  const first = acquired[0]?.first ?? 0
  const last = acquired.at(-1)?.last ?? -1
  return entries
    .filter(({ baseOffset, lastOffset }) => lastOffset >= first && baseOffset <= last)
    .map(({ payload }) => payload)
}
