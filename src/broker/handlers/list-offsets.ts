/**
 * ListOffsets v1 to v11 (KIP-79, KIP-734): offsets by timestamp, exact to the record, and the special positions. To a
 * read_committed client the partition ends at the last stable offset.
 * Not here: positions of tiered storage (latest-tiered, earliest-pending-upload): there is one storage, so nothing is
 * ever moved to another.
 */
import type { Entry } from '../../stream/entry.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { ListOffsetsRequest, ListOffsetsResponse } from '../../wire/messages/list-offsets.ts'
import { parseBatchHeader } from '../../wire/records/batch-header.ts'
import {
  decompressRecords,
  findMaxTimestamp,
  findTimestamp,
  type TimestampedOffset
} from '../../wire/records/records.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { codeOf } from '../fault-codes.ts'
import type { Handler, RequestContext } from '../handler.ts'
import type { Partition } from '../partition/partition.ts'

type Answer = InferInput<typeof ListOffsetsResponse>
type PartitionAnswer = Answer['topics'][number]['partitions'][number]
type Wanted = ListOffsetsRequest['topics'][number]['partitions'][number]

const LATEST = -1
const EARLIEST = -2
const MAX_TIMESTAMP = -3
const EARLIEST_LOCAL = -4
const LATEST_TIERED = -5
const EARLIEST_PENDING_UPLOAD = -6

/** The first version in which each of the special positions may be asked for. */
const POSITION_VERSIONS: Readonly<Record<number, number>> = {
  [LATEST]: 1,
  [EARLIEST]: 1,
  [MAX_TIMESTAMP]: 7,
  [EARLIEST_LOCAL]: 8,
  [LATEST_TIERED]: 9,
  [EARLIEST_PENDING_UPLOAD]: 11
}

const READ_COMMITTED = 1
/** The first version that tells the leader epoch of the offset found. */
const LEADER_EPOCH_VERSION = 4
/** A batch that grows beyond this when it is decompressed is not looked into. */
const DECOMPRESSED_BYTES_MAX = 256 * 1024 * 1024

const NOT_FOUND: TimestampedOffset = { timestamp: -1, offset: -1 }

export function listOffsetsHandler(parts: BrokerParts): Handler<ListOffsetsRequest, Answer> {
  return async (request, context) => {
    const topics: Answer['topics'][number][] = []
    for (const { name, partitions } of request.topics) {
      const repeated = repeatedPartitions(partitions)
      const answers = distinctPartitions(partitions).map((wanted) =>
        repeated.has(wanted.partitionIndex)
          ? { partitionIndex: wanted.partitionIndex, errorCode: ErrorCode.INVALID_REQUEST }
          : answer(parts, request, context, name, wanted)
      )
      topics.push({ name, partitions: await Promise.all(answers) })
    }
    return { topics }
  }
}

/** Kafka answers a partition that is named twice once, and refuses it. */
function repeatedPartitions(partitions: readonly Wanted[]): ReadonlySet<number> {
  const seen = new Set<number>()
  return new Set(partitions.map((p) => p.partitionIndex).filter((index) => seen.has(index) || !seen.add(index)))
}

function distinctPartitions(partitions: readonly Wanted[]): Wanted[] {
  return [...new Map(partitions.map((wanted) => [wanted.partitionIndex, wanted])).values()]
}

async function answer(
  { topics }: BrokerParts,
  request: ListOffsetsRequest,
  { apiVersion }: RequestContext,
  name: string,
  wanted: Wanted
): Promise<PartitionAnswer> {
  const { partitionIndex } = wanted
  if (wanted.timestamp < 0 && apiVersion < (POSITION_VERSIONS[wanted.timestamp] ?? Number.POSITIVE_INFINITY)) {
    return { partitionIndex, errorCode: ErrorCode.UNSUPPORTED_VERSION }
  }
  const partition = topics.partition(name, partitionIndex)
  if (partition === undefined) return { partitionIndex, errorCode: topics.absence(name, partitionIndex) }
  const errorCode = partition.checkLeaderEpoch(wanted.currentLeaderEpoch)
  if (errorCode !== ErrorCode.NONE) return { partitionIndex, errorCode }
  try {
    const { timestamp, offset } = await find(partition, wanted.timestamp, endFor(partition, request.isolationLevel))
    const leaderEpoch = offset < 0 || apiVersion < LEADER_EPOCH_VERSION ? -1 : partition.leaderEpochs.epochAt(offset)
    return { partitionIndex, errorCode, timestamp, offset, leaderEpoch }
  } catch (error) {
    return { partitionIndex, errorCode: codeOf(error) }
  }
}

/** Where the partition ends for the client. */
function endFor(partition: Partition, isolationLevel: number): number {
  return isolationLevel === READ_COMMITTED ? partition.lastStableOffset : partition.highWatermark
}

/** As Kafka: the record that was looked for, or none if it lies at or behind `endOffset`; never another one before it. */
async function find(partition: Partition, timestamp: number, endOffset: number): Promise<TimestampedOffset> {
  switch (timestamp) {
    case LATEST:
      return { timestamp: -1, offset: endOffset }
    case EARLIEST:
    case EARLIEST_LOCAL:
      return { timestamp: -1, offset: partition.startOffset }
    case LATEST_TIERED:
    case EARLIEST_PENDING_UPLOAD:
      return NOT_FOUND
    case MAX_TIMESTAMP: {
      const max = await partition.stream.maxTimestamp()
      const entry = max < 0 ? undefined : await partition.stream.findTimestamp(max)
      const found = entry && findMaxTimestamp(parseBatchHeader(entry.payload, 0), await recordsOf(entry))
      return found !== undefined && found.offset < endOffset ? found : NOT_FOUND
    }
    default: {
      const found = await findFrom(partition, timestamp)
      return found !== undefined && found.offset < endOffset ? found : NOT_FOUND
    }
  }
}

async function findFrom(partition: Partition, timestamp: number): Promise<TimestampedOffset | undefined> {
  for (let next = partition.startOffset; ; ) {
    const entry = await partition.stream.findTimestamp(timestamp, next)
    if (entry === undefined) return undefined
    const found = await findIn(entry, timestamp, partition.startOffset)
    if (found !== undefined) return found
    // Its only records that are new enough lie before the log start: the next batch with one counts.
    next = entry.lastOffset + 1
  }
}

async function findIn(entry: Entry, timestamp: number, fromOffset: number): Promise<TimestampedOffset | undefined> {
  return findTimestamp(parseBatchHeader(entry.payload, 0), await recordsOf(entry), timestamp, fromOffset)
}

function recordsOf(entry: Entry): Promise<Buffer> {
  return decompressRecords({ header: parseBatchHeader(entry.payload, 0), bytes: entry.payload }, DECOMPRESSED_BYTES_MAX)
}
