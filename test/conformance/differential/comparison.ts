/**
 * Turns answers into plain values that two brokers should agree on, and lists where they do not.
 *
 * Identities (ids, addresses) only have to be set on both sides or on neither; messages for people are not compared;
 * leader epochs count from the first that a broker gives; stored batches must be the same bytes apart from theirs and
 * from producer ids, and ends of transactions must be the same commits and aborts.
 */
import { ZERO_UUID } from '../../../src/wire/buffers.ts'
import { hasProducerId, isControl } from '../../../src/wire/records/batch-header.ts'
import { readEndMarker } from '../../../src/wire/records/end-marker.ts'
import { readBatches } from '../../../src/wire/records/records.ts'

export type Plain = string | number | boolean | null | readonly Plain[] | { readonly [key: string]: Plain }

const IDENTITIES = new Set(
  [
    'topicId clusterId host port nodeId brokerId leaderId controllerId memberId sessionId leader logDir clientHost rack',
    'producerId logAppendTimeMs coordinatorEpoch transactionStartTimeMs clientInstanceId subscriptionId',
    'replicaId replicaDirectoryId highWatermark logEndOffset lastFetchTimestamp lastCaughtUpTimestamp'
  ].flatMap((names) => names.split(' '))
)
const MESSAGES = new Set(['errorMessage', 'batchIndexErrorMessage', 'acknowledgeErrorMessage', 'statusDetail'])
const LEADER_EPOCHS = new Set(['leaderEpoch', 'committedLeaderEpoch', 'epoch'])
const NAMES = new Set(
  'name topic topicId topicName groupId key index partitionIndex partition transactionalId entity resourceName feature'.split(
    ' '
  )
)
const TIMES = new Set(['timestamp', 'lastTimestamp'])
/** Records of cases are older: what is younger was stamped by a broker. */
const STAMPED_AFTER = 1_760_000_000_000
const NODE_LISTS = new Set(['replicaNodes', 'isrNodes', 'offlineReplicas'])
const UNSET: ReadonlySet<unknown> = new Set([-1, 0, '', null, ZERO_UUID])
const LEADER_EPOCH_START = 12
const LEADER_EPOCH_END = 16
// The CRC covers the producer id, so it differs wherever that does.
const CRC_POSITION = 17
const CRC_END = 21
const PRODUCER_ID_POSITION = 43
const PRODUCER_ID_END = 51

/** What belongs to one side only and is taken out of its answers. */
export interface Side {
  /** The part of names that differs from case to case. */
  readonly scope: string
  /** Leader epoch of a new partition. */
  readonly firstLeaderEpoch: number
}

export function plain(value: unknown, side: Side, key = ''): Plain {
  if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean' || value === null) {
    return plainScalar(value, side, key)
  }
  if (Buffer.isBuffer(value)) return value.toString('hex')
  if (Array.isArray(value)) return plainList(value, side, key)
  if (typeof value === 'object') {
    const fields = Object.entries(value).filter(([name]) => !MESSAGES.has(name))
    return Object.fromEntries(fields.map(([name, part]) => [name, plain(part, side, name)]))
  }
  return String(value)
}

function plainScalar(value: string | number | boolean | null, side: Side, key: string): Plain {
  // 0 is a node or a producer id like any other, but session 0 is none.
  if (IDENTITIES.has(key)) return UNSET.has(value) && (value !== 0 || key === 'sessionId') ? value : 'set'
  if (LEADER_EPOCHS.has(key) && typeof value === 'number' && value >= 0) {
    return Math.max(0, value - side.firstLeaderEpoch)
  }
  if (TIMES.has(key) && typeof value === 'number' && value > STAMPED_AFTER) return 'stamped'
  return typeof value === 'string' ? value.replaceAll(side.scope, '*') : value
}

function plainList(value: readonly unknown[], side: Side, key: string): Plain {
  if (NODE_LISTS.has(key)) return `${value.length} nodes`
  if (key === 'partitions' && value.every((part) => typeof part === 'number')) return value.toSorted((a, b) => a - b)
  if (key === 'records') return plainRecords(Buffer.concat(value as Buffer[]))
  const parts = value.map((part) => plain(part, side))
  // Kafka answers from hash maps, in any order; the order of steps in a case, which are no named things, stays.
  return parts.every(isNamed) ? parts.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : parts
}

function isNamed(value: Plain): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).some((key) => NAMES.has(key))
}

function plainRecords(bytes: Buffer): Plain {
  return [...readBatches(bytes)].map(({ header, bytes: batch }) => {
    const { baseOffset, producerEpoch } = header
    if (isControl(header)) {
      const end = readEndMarker({ header, bytes: batch })?.committed === true ? 'commit' : 'abort'
      return `${end} at ${baseOffset} of epoch ${producerEpoch}, sequence ${header.baseSequence}`
    }
    const anonymous = Buffer.from(batch)
    if (hasProducerId(header)) {
      anonymous.fill(0, CRC_POSITION, CRC_END)
      anonymous.fill(0, PRODUCER_ID_POSITION, PRODUCER_ID_END)
    }
    const comparable = Buffer.concat([anonymous.subarray(8, LEADER_EPOCH_START), anonymous.subarray(LEADER_EPOCH_END)])
    return `batch at ${baseOffset}: ${comparable.toString('hex')}`
  })
}

export interface Difference {
  /** Field names and indexes from the answer down. */
  readonly path: string
  readonly kafka: Plain | undefined
  readonly ours: Plain | undefined
}

export function differences(kafka: Plain | undefined, ours: Plain | undefined, path = ''): Difference[] {
  if (isBranch(kafka) && isBranch(ours) && Array.isArray(kafka) === Array.isArray(ours)) {
    const left = kafka as Readonly<Record<string, Plain>>
    const right = ours as Readonly<Record<string, Plain>>
    const keys = new Set([...Object.keys(left), ...Object.keys(right)])
    return [...keys].flatMap((key) => differences(left[key], right[key], path === '' ? key : `${path}.${key}`))
  }
  return kafka === ours ? [] : [{ path, kafka, ours }]
}

function isBranch(value: Plain | undefined): boolean {
  return typeof value === 'object' && value !== null
}
