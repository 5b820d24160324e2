/**
 * What the metadata says is stored, in full: also the objects that wait for their commit or their deletion, which the
 * image of a node leaves out. Read in one transaction, so that it is one moment of the cluster; never written.
 *
 * It does not judge: rows that contradict each other come as they are (`state-check.ts` finds them).
 */
import { batches, type Database } from '../../metadata/database.ts'
import { loadEverything } from '../../metadata/image-loader.ts'
import type { ObjectRange, StoredObject, Stream, Topic } from '../../metadata/metadata.ts'
import type { ObjectState, Tables } from '../../metadata/schema.ts'
import { Fault } from '../../runtime/fault.ts'

export interface TrackedObject extends StoredObject {
  readonly state: ObjectState
}

export interface StoredState {
  readonly topics: readonly Topic[]
  readonly streams: ReadonlyMap<number, Stream>
  readonly objects: ReadonlyMap<number, TrackedObject>
  /** By stream, each by start offset; streams without ranges are left out. */
  readonly ranges: ReadonlyMap<number, readonly ObjectRange[]>
  /** Objects that were ever announced: ids from 1 to this number were given out. */
  readonly objectsAnnounced: number
}

export function loadStoredState(database: Database): Promise<StoredState> {
  return database.read(async (tx) => {
    const { topics, streams, ranges } = await loadEverything(tx)
    const objects = await tx.selectFrom('object').selectAll().orderBy('id').execute()
    const sequence = await tx.selectFrom('sequence').select('next').where('name', '=', 'object').executeTakeFirst()
    return {
      topics: [...topics.values()].filter((topic) => topic !== undefined),
      streams: new Map([...streams].flatMap(([id, stream]) => (stream === undefined ? [] : [[id, stream]]))),
      objects: new Map(objects.map((row) => [row.id, trackedObject(row)])),
      ranges: groupBy(ranges, (range) => range.streamId),
      objectsAnnounced: (sequence?.next ?? 1) - 1
    }
  })
}

/** Those of the objects that are committed at this moment. */
export function findCommitted(database: Database, objectIds: readonly number[]): Promise<ReadonlySet<number>> {
  return database.read(async (tx) => {
    const committed = new Set<number>()
    for (const ids of batches(objectIds)) {
      const rows = await tx
        .selectFrom('object')
        .select('id')
        .where('id', 'in', ids)
        .where('state', '=', 'committed')
        .execute()
      for (const { id } of rows) committed.add(id)
    }
    return committed
  })
}

/** Those of the keys that an object in the metadata has, in whatever state. */
export function findKnownKeys(database: Database, keys: readonly string[]): Promise<ReadonlySet<string>> {
  return database.read(async (tx) => {
    const known = new Set<string>()
    for (const batch of batches(keys)) {
      const rows = await tx.selectFrom('object').select('key').where('key', 'in', batch).execute()
      for (const { key } of rows) known.add(key)
    }
    return known
  })
}

/** By node: what it said last of where its write-ahead log begins. */
export function loadWalMarks(database: Database): Promise<ReadonlyMap<number, string>> {
  return database.read(async (tx) => {
    const rows = await tx.selectFrom('node').select(['id', 'wal_mark']).orderBy('id').execute()
    return new Map(rows.flatMap(({ id, wal_mark: mark }) => (mark === null ? [] : [[id, mark]])))
  })
}

/** Ranges by object, each in the order in which it lies in the object. */
export function rangesByObject(state: StoredState): ReadonlyMap<number, readonly ObjectRange[]> {
  const all = [...state.ranges.values()].flat()
  all.sort((a, b) => a.streamId - b.streamId || a.startOffset - b.startOffset)
  return groupBy(all, (range) => range.objectId)
}

/** Names streams for people: `telemetry-0 (stream 7)`. */
export function streamNames(state: StoredState): (streamId: number) => string {
  const names = new Map<number, string>()
  for (const topic of state.topics) {
    for (const { index, streamId } of topic.partitions)
      names.set(streamId, `${topic.name}-${index} (stream ${streamId})`)
  }
  return (streamId) => names.get(streamId) ?? `stream ${streamId}`
}

/** Fault `missing` when there is none. */
export function findTopic(state: StoredState, name: string): Topic {
  const topic = state.topics.find((one) => one.name === name)
  if (topic === undefined) throw new Fault('missing', `no topic ${name}: \`longhaul storage ls\` lists what there is`)
  return topic
}

/**
 * From which offset on every offset of a stream must be in an entry. Gaps come from compaction by key alone, so where
 * that is, or may have been, at work they are legal everywhere: Infinity.
 */
export function denseOffsets(state: StoredState): (streamId: number) => number {
  const sparse = new Set<number>()
  for (const topic of state.topics) {
    if (!topic.internal && !(topic.configs['cleanup.policy'] ?? '').includes('compact')) continue
    for (const { streamId } of topic.partitions) sparse.add(streamId)
  }
  return (streamId) => {
    const stream = state.streams.get(streamId)
    if (stream === undefined || stream.cleanedOffset > 0 || sparse.has(streamId)) return Number.POSITIVE_INFINITY
    return stream.startOffset
  }
}

function groupBy<T>(values: readonly T[], keyOf: (value: T) => number): Map<number, T[]> {
  const groups = new Map<number, T[]>()
  for (const value of values) {
    const group = groups.get(keyOf(value))
    if (group === undefined) groups.set(keyOf(value), [value])
    else group.push(value)
  }
  return groups
}

function trackedObject(row: Tables['object']): TrackedObject {
  const { id, key, bytes, profile, state } = row
  return { id, key, bytes, profile, since: row.state_changed_at, state }
}
