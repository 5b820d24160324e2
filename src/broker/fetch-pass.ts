/**
 * The reads of one fetch request: which batches of which partition go into the response, within its limits.
 *
 * The first partition with data may exceed every limit by one batch, so that a consumer always makes progress
 * (KIP-74). A pass can be repeated for single partitions while the request waits; what it has read already stays.
 */
import { isFault } from '../runtime/fault.ts'
import type { Entry } from '../stream/entry.ts'
import { ErrorCode } from '../wire/error-codes.ts'
import type { FetchResponse } from '../wire/messages/fetch.ts'
import type { InferInput } from '../wire/schema.ts'
import type { ClusterView } from './cluster-view.ts'
import { codeOf } from './fault-codes.ts'
import type { FetchTarget } from './fetch-sessions.ts'
import { leaderHint } from './leader-hints.ts'
import type { Partition } from './partition/partition.ts'
import type { Topics } from './topics.ts'
import type { UnsentBytes } from './unsent-bytes.ts'

type WireAnswer = InferInput<typeof FetchResponse>['responses'][number]['partitions'][number]
export type PartitionAnswer = { -readonly [Name in keyof WireAnswer]: WireAnswer[Name] }

export interface FetchRead {
  readonly target: FetchTarget
  readonly partition: Partition | undefined
  readonly answer: PartitionAnswer
  /** Payload bytes of the answer. */
  readonly bytes: number
}

export interface FetchPassParts {
  readonly topics: Topics
  readonly unsent: UnsentBytes
  readonly cluster: ClusterView
  readonly targets: readonly FetchTarget[]
  /** Targets name their topics by id. */
  readonly byId: boolean
  /** The response can name the current leader to a client that knows an older one. */
  readonly leaderNamed: boolean
  /** The client reads to the last stable offset, skips the records of aborted transactions, and is told of those. */
  readonly readCommitted: boolean
  /** Of the whole response. */
  readonly bytesMax: number
}

export class FetchPass {
  readonly #parts: FetchPassParts
  /** One per target, in their order. */
  readonly reads: FetchRead[] = []
  bytes = 0
  /** There is something that the client has to hear now, whatever it asked to wait for. */
  urgent = false

  constructor(parts: FetchPassParts) {
    this.#parts = parts
  }

  /** The answer is on its way, or there will be none: its bytes are somebody else's to count. */
  close(): void {
    this.#parts.unsent.note(this, 0)
  }

  async readAll(): Promise<void> {
    for (let place = 0; place < this.#parts.targets.length; place++) {
      const reading = this.#read(place)
      if (reading !== undefined) await reading
    }
  }

  async readAgain(places: readonly number[]): Promise<void> {
    for (const place of places) {
      this.bytes -= this.reads[place]?.bytes ?? 0
      const reading = this.#read(place)
      if (reading !== undefined) await reading
    }
  }

  /** Places whose partition has moved, gone or come since it was read. */
  outdated(): number[] {
    const places: number[] = []
    for (const [place, { target, partition, answer }] of this.reads.entries()) {
      const found = this.#find(target)
      if (found !== partition || (found !== undefined && found.highWatermark > answer.highWatermark)) places.push(place)
    }
    return places
  }

  /** Most reads come from memory: only the others cost a promise. */
  #read(place: number): Promise<void> | undefined {
    const target = this.#parts.targets[place] as FetchTarget
    const partition = this.#find(target)
    if (partition === undefined) {
      this.#keep(place, this.#absent(target))
      return undefined
    }
    const { bytesMax, unsent } = this.#parts
    const room = Math.min(bytesMax - this.bytes, unsent.room, target.wanted.partitionMaxBytes)
    const outcome = this.#readPartition(partition, target, room)
    if (outcome instanceof Promise) {
      // Set aside until it is known what was read: other requests are planned meanwhile.
      unsent.note(this, this.bytes + Math.max(0, room))
      return outcome.then((read) => this.#keep(place, read))
    }
    this.#keep(place, outcome)
    return undefined
  }

  #keep(place: number, read: FetchRead): void {
    const succeeded = read.answer.errorCode === ErrorCode.NONE
    if (read.partition === undefined || (this.#parts.readCommitted && succeeded))
      read.answer.abortedTransactions ??= NO_TRANSACTIONS
    this.reads[place] = read
    this.bytes += read.bytes
    // Counted as it is read: many requests at once would otherwise each find all of the room.
    this.#parts.unsent.note(this, this.bytes)
    this.urgent ||= read.answer.errorCode !== ErrorCode.NONE || read.answer.divergingEpoch !== undefined
  }

  #find({ topic, topicId, index }: FetchTarget): Partition | undefined {
    const { topics, byId } = this.#parts
    const name = byId ? topics.byId(topicId)?.name : topic
    return name === undefined ? undefined : topics.partition(name, index)
  }

  #absent(target: FetchTarget): FetchRead {
    const { topics, cluster, byId, leaderNamed } = this.#parts
    const name = byId ? topics.byId(target.topicId)?.name : target.topic
    const errorCode = name === undefined ? ErrorCode.UNKNOWN_TOPIC_ID : topics.absence(name, target.index)
    const isElsewhere = errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER
    const currentLeader = leaderNamed && isElsewhere ? leaderHint(cluster, name ?? '', target.index) : undefined
    return { target, partition: undefined, answer: failure(target, errorCode, currentLeader), bytes: 0 }
  }

  #readPartition(partition: Partition, target: FetchTarget, room: number): FetchRead | Promise<FetchRead> {
    const { fetchOffset, currentLeaderEpoch, lastFetchedEpoch } = target.wanted
    const errorCode = partition.checkPosition(fetchOffset, currentLeaderEpoch)
    if (errorCode !== ErrorCode.NONE) return this.#failed(partition, target, errorCode)
    const divergingEpoch = divergence(partition, fetchOffset, lastFetchedEpoch)
    if (divergingEpoch?.endOffset === -1) return this.#failed(partition, target, ErrorCode.OFFSET_OUT_OF_RANGE)
    if (divergingEpoch !== undefined) {
      return { target, partition, answer: positions(partition, target, NO_RECORDS, divergingEpoch), bytes: 0 }
    }
    return this.#readEntries(partition, target, room)
  }

  #readEntries(partition: Partition, target: FetchTarget, room: number): FetchRead | Promise<FetchRead> {
    const { fetchOffset } = target.wanted
    const endOffset = this.#parts.readCommitted ? partition.lastStableOffset : Number.POSITIVE_INFINITY
    // No data is in the response yet: one batch goes in whatever its size.
    const first = this.bytes === 0
    if ((room <= 0 && !first) || fetchOffset >= endOffset) return found(partition, target, NO_RECORDS, 0)
    const { layout } = partition.producers.aborted
    const entries = partition.stream.read(fetchOffset, Math.max(room, 0))
    if (!(entries instanceof Promise))
      return this.#found(partition, target, chosen(entries, endOffset, first, room), layout)
    return entries.then(
      (cold) => {
        // Trimmed away while it was read.
        if (fetchOffset < partition.startOffset) {
          return this.#failed(partition, target, ErrorCode.OFFSET_OUT_OF_RANGE)
        }
        return this.#found(partition, target, chosen(cold, endOffset, first, room), layout)
      },
      (error: unknown) => {
        const trimmed = isFault(error) && fetchOffset < partition.startOffset
        // What a store refuses (its credentials, its bucket) is nothing that the client asked wrongly.
        const code = isFault(error, 'invalid') ? ErrorCode.KAFKA_STORAGE_ERROR : codeOf(error)
        return this.#failed(partition, target, trimmed ? ErrorCode.OFFSET_OUT_OF_RANGE : code)
      }
    )
  }

  /** `layout`: of what is stored, before the entries were read. */
  #found(
    partition: Partition,
    target: FetchTarget,
    entries: readonly Entry[],
    layout: unknown
  ): FetchRead | Promise<FetchRead> {
    const last = entries.at(-1)
    if (last === undefined) return found(partition, target, NO_RECORDS, 0)
    let bytes = 0
    const records: Buffer[] = []
    for (const { payload } of entries) {
      records.push(payload)
      bytes += payload.length
    }
    const read = found(partition, target, records, bytes)
    if (!this.#parts.readCommitted) return read
    const { aborted } = partition.producers
    const told = aborted.overlapping(target.wanted.fetchOffset, last.lastOffset + 1)
    if (!(told instanceof Promise)) return telling(read, told)
    return told.then(
      // Compacted meanwhile: what was read may be of a transaction that nobody is told of any more.
      (all) => (layout === aborted.layout ? telling(read, all) : this.#readPartition(partition, target, bytes)),
      (error: unknown) => this.#failed(partition, target, codeOf(error))
    )
  }

  #failed(partition: Partition, target: FetchTarget, errorCode: number): FetchRead {
    const stale = this.#parts.leaderNamed && errorCode === ErrorCode.FENCED_LEADER_EPOCH
    const currentLeader = stale
      ? { leaderId: this.#parts.cluster.nodeId, leaderEpoch: partition.leaderEpoch }
      : undefined
    return { target, partition, answer: failure(target, errorCode, currentLeader), bytes: 0 }
  }
}

const NO_RECORDS: Buffer[] = []
const NO_TRANSACTIONS: NonNullable<PartitionAnswer['abortedTransactions']> = []

/** Those of the entries that go into the answer: before `endOffset`, and within `room` bytes but for one. */
function chosen(entries: readonly Entry[], endOffset: number, first: boolean, room: number): readonly Entry[] {
  let bytes = 0
  let count = 0
  for (const { baseOffset, payload } of entries) {
    bytes += payload.length
    // A whole batch larger than the room left waits for its turn at the front.
    if (baseOffset >= endOffset || (bytes > room && !(first && count === 0))) break
    count++
  }
  return count === entries.length ? entries : entries.slice(0, count)
}

function found(partition: Partition, target: FetchTarget, records: Buffer[], bytes: number): FetchRead {
  return { target, partition, answer: positions(partition, target, records, undefined), bytes }
}

function telling(read: FetchRead, aborted: PartitionAnswer['abortedTransactions'] & object): FetchRead {
  read.answer.abortedTransactions = aborted
  return read
}

/** Answers of both kinds have one shape, written out: there is one for each partition of each request. */
function positions(
  partition: Partition,
  { index }: FetchTarget,
  records: Buffer[],
  divergingEpoch: PartitionAnswer['divergingEpoch']
): PartitionAnswer {
  return {
    partitionIndex: index,
    errorCode: ErrorCode.NONE,
    highWatermark: partition.highWatermark,
    lastStableOffset: partition.lastStableOffset,
    logStartOffset: partition.startOffset,
    divergingEpoch,
    currentLeader: undefined,
    abortedTransactions: null,
    records
  }
}

function failure(
  { index }: FetchTarget,
  errorCode: number,
  currentLeader: PartitionAnswer['currentLeader']
): PartitionAnswer {
  return {
    partitionIndex: index,
    errorCode,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    divergingEpoch: undefined,
    currentLeader,
    abortedTransactions: null,
    records: NO_RECORDS
  }
}

/**
 * Where the client's log left ours, when its last epoch ended before the offset it asks for (KIP-320, KIP-595); -1 and -1
 * when we have not come to that epoch.
 */
function divergence(
  partition: Partition,
  fetchOffset: number,
  lastFetchedEpoch: number
): { epoch: number; endOffset: number } | undefined {
  if (lastFetchedEpoch < 0) return undefined
  const end = partition.leaderEpochs.endOf(lastFetchedEpoch, partition.highWatermark)
  return end.epoch < lastFetchedEpoch || end.endOffset < fetchOffset ? end : undefined
}
