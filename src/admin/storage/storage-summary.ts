/** What is stored, in numbers: rows per stream and per object, and totals. Pure; from the metadata and what the logs hold. */
import type { StorageUse } from '../../metadata/storage-use.ts'
import { type LogSurvey, unsavedRuns } from './log-survey.ts'
import { rangesByObject, type StoredState, type TrackedObject } from './stored-state.ts'

const GIGABYTE = 1e9

export interface StreamRow {
  /** Undefined for a stream that belongs to no partition. */
  readonly topic: string | undefined
  readonly partition: number | undefined
  readonly streamId: number
  readonly epoch: number
  readonly startOffset: number
  /** Offset after the last one that objects hold. */
  readonly endOffset: number
  readonly cleanedOffset: number
  readonly objects: number
  readonly ranges: number
  /** Payload bytes in objects. */
  readonly bytes: number
  /** Payload bytes that are in a write-ahead log alone; undefined when one could not be read. */
  readonly logBytes: number | undefined
}

export interface ObjectRow extends TrackedObject {
  readonly streams: number
  readonly ranges: number
  /** Payload bytes that the metadata still refers to. */
  readonly payloadBytes: number
  /** Since the state last changed, milliseconds. */
  readonly ageMs: number
}

export interface StorageTotals {
  readonly topics: number
  readonly partitions: number
  /** Payload bytes in objects that may be read. */
  readonly logicalBytes: number
  /** Bytes of committed objects. */
  readonly storedBytes: number
  /** Stored per logical byte; undefined when nothing is stored. */
  readonly spaceAmplification: number | undefined
  readonly objects: { readonly committed: number; readonly prepared: number; readonly destroyed: number }
  /** Bytes of destroyed objects that wait for their deletion. */
  readonly destroyedBytes: number
  /** Objects that were ever announced: uploads, compactions and what was given up of both. */
  readonly objectsAnnounced: number
  readonly objectsPerStream: { readonly median: number; readonly max: number }
  readonly objectsPerGB: number | undefined
  /** Rows of objects and ranges. */
  readonly metadataRows: number
  readonly metadataRowsPerGB: number | undefined
  /** Of all write-ahead logs; undefined when one could not be read. */
  readonly log:
    | { readonly placeBytes: number; readonly bytes: number; readonly entries: number; readonly unsavedBytes: number }
    | undefined
}

/** By topic and partition; streams of no partition last. */
export function streamRows(state: StoredState, logs: readonly LogSurvey[]): StreamRow[] {
  const rows: StreamRow[] = []
  const rest = new Set(state.streams.keys())
  for (const topic of state.topics.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    for (const { index, streamId } of topic.partitions) {
      rest.delete(streamId)
      rows.push(streamRow(state, logs, streamId, topic.name, index))
    }
  }
  for (const streamId of rest) rows.push(streamRow(state, logs, streamId, undefined, undefined))
  return rows
}

export function objectRows(state: StoredState, now: number): ObjectRow[] {
  const ranges = rangesByObject(state)
  return [...state.objects.values()].map((object) => {
    const held = ranges.get(object.id) ?? []
    return {
      ...object,
      streams: new Set(held.map(({ streamId }) => streamId)).size,
      ranges: held.length,
      payloadBytes: sum(held.map(({ bytes }) => bytes)),
      ageMs: now - object.since
    }
  })
}

export function storageTotals(state: StoredState, logs: readonly LogSurvey[]): StorageTotals {
  const streams = streamRows(state, logs)
  const objects = [...state.objects.values()]
  const inState = (wanted: TrackedObject['state']): TrackedObject[] => objects.filter(({ state }) => state === wanted)
  const logicalBytes = sum(streams.map(({ bytes }) => bytes))
  const storedBytes = sum(inState('committed').map(({ bytes }) => bytes))
  const perGB = (count: number): number | undefined =>
    logicalBytes === 0 ? undefined : count / (logicalBytes / GIGABYTE)
  const metadataRows = objects.length + sum(streams.map(({ ranges }) => ranges))
  return {
    topics: state.topics.length,
    partitions: sum(state.topics.map(({ partitions }) => partitions.length)),
    logicalBytes,
    storedBytes,
    spaceAmplification: logicalBytes === 0 ? undefined : storedBytes / logicalBytes,
    objects: {
      committed: inState('committed').length,
      prepared: inState('prepared').length,
      destroyed: inState('destroyed').length
    },
    destroyedBytes: sum(inState('destroyed').map(({ bytes }) => bytes)),
    objectsAnnounced: state.objectsAnnounced,
    objectsPerStream: spread(streams.map((stream) => stream.objects)),
    objectsPerGB: perGB(inState('committed').length),
    metadataRows,
    metadataRowsPerGB: perGB(metadataRows),
    log: logTotals(streams, logs)
  }
}

function streamRow(
  state: StoredState,
  logs: readonly LogSurvey[],
  streamId: number,
  topic: string | undefined,
  partition: number | undefined
): StreamRow {
  const stream = state.streams.get(streamId)
  const ranges = state.ranges.get(streamId) ?? []
  const { epoch, startOffset, endOffset, cleanedOffset } = stream ?? UNKNOWN_STREAM
  const unsaved = logs.flatMap((log) => unsavedRuns(log, streamId, endOffset))
  return {
    topic,
    partition,
    streamId,
    epoch,
    startOffset,
    endOffset,
    cleanedOffset,
    objects: new Set(ranges.map(({ objectId }) => objectId)).size,
    ranges: ranges.length,
    bytes: sum(ranges.map(({ bytes }) => bytes)),
    logBytes: readable(logs) ? sum(unsaved.map(({ bytes }) => bytes)) : undefined
  }
}

/** A partition whose stream is gone is damage, which `verify` reports; here it is a row without data. */
const UNKNOWN_STREAM = { epoch: 0, startOffset: 0, endOffset: 0, cleanedOffset: 0 }

function readable(logs: readonly LogSurvey[]): boolean {
  return logs.every(({ findings }) => findings.length === 0)
}

function logTotals(streams: readonly StreamRow[], logs: readonly LogSurvey[]): StorageTotals['log'] {
  if (!readable(logs)) return undefined
  return {
    placeBytes: sum(logs.map(({ placeBytes }) => placeBytes)),
    bytes: sum(logs.map(({ bytes }) => bytes)),
    entries: sum(logs.map(({ entries }) => entries)),
    unsavedBytes: sum(streams.map(({ logBytes = 0 }) => logBytes))
  }
}

function spread(counts: readonly number[]): { median: number; max: number } {
  const sorted = counts.toSorted((a, b) => a - b)
  return { median: sorted[(sorted.length - 1) >> 1] ?? 0, max: sorted.at(-1) ?? 0 }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** What storing has cost so far, per GB of payload that was uploaded. */
export interface UseTotals {
  readonly uploadedBytes: number
  /** Bytes sent to stores or copied by them, an object log's included, per byte of payload. */
  readonly writeAmplification: number
  /** Bytes read from stores per byte of payload. */
  readonly readAmplification: number
  readonly putsPerGB: number
  readonly getsPerGB: number
  readonly listsPerGB: number
  readonly deletesPerGB: number
}

/** From the counters of `storage-use.ts`, all profiles together; undefined before anything was uploaded. */
export function useTotals(uses: readonly StorageUse[]): UseTotals | undefined {
  const sum = (use: StorageUse, names: readonly string[]) => names.reduce((total, name) => total + (use[name] ?? 0), 0)
  const of = (...names: string[]) => uses.reduce((total, use) => total + sum(use, names), 0)
  const uploadedBytes = of('uploadedBytes')
  if (uploadedBytes === 0) return undefined
  // Calls, or the requests that they became where the store counts those.
  const requests = (calls: readonly string[], onTheWire: readonly string[]) => {
    const sent = onTheWire.map((name) => `requests.${name}`)
    return uses.reduce((total, use) => total + (sum(use, sent) || sum(use, calls)), 0)
  }
  const perGB = (count: number) => count / (uploadedBytes / GIGABYTE)
  return {
    uploadedBytes,
    writeAmplification: of('putBytes', 'composedBytes', 'copiedBytes') / uploadedBytes,
    readAmplification: of('getBytes') / uploadedBytes,
    putsPerGB: perGB(requests(['puts', 'composes'], ['put', 'copy', 'multipart'])),
    getsPerGB: perGB(requests(['gets', 'heads'], ['get', 'head'])),
    listsPerGB: perGB(requests(['lists'], ['list'])),
    deletesPerGB: perGB(requests(['deletes'], ['delete']))
  }
}
