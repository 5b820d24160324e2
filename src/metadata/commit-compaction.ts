/**
 * The commit of a compaction: new objects take the place of ranges that older ones hold. Runs inside a transaction of
 * `Database.write`.
 *
 * Invariant: before and after, the ranges of a stream are contiguous from the first that matters to its end. A trim may
 * have taken some of the ranges that are replaced, and may have cut into a new one: what is left of the old ranges and
 * of the new ones holds the same offsets from the stream's start on.
 */
import { Fault } from '../runtime/fault.ts'
import type { ChangeSet } from './change-feed.ts'
import { byStream, coverOf, digestOf, loadPrepared, saveObjects } from './committed-objects.ts'
import type { Tx } from './database.ts'
import type { Compaction, ObjectRange } from './metadata.ts'
import { destroyEmptyObjects } from './objects.ts'
import type { Tables } from './schema.ts'
import { loadStreams, saveStreams } from './streams.ts'

/** Streams per statement; each is a term of an OR, which SQLite nests (it allows a depth of 1000). */
const STREAMS_MAX = 100

type RangeName = Pick<ObjectRange, 'streamId' | 'objectId' | 'startOffset' | 'endOffset'>
type StreamRows = ReadonlyMap<number, Tables['stream']>

export async function commitCompaction(tx: Tx, changes: ChangeSet, compaction: Compaction, now: number): Promise<void> {
  const { objects, removed } = compaction
  checkCover(compaction)
  const digest = digestOf(objects, linesOf(compaction))
  const prepared = await loadPrepared(tx, objects, digest)
  if (prepared === undefined) return
  const cleanedTo = compaction.cleanedTo ?? new Map<number, number>()
  const streams = await loadStreams(tx, [...new Set([...removed.map((range) => range.streamId), ...cleanedTo.keys()])])
  const emptied = await removeRanges(tx, removed, streams)
  await saveObjects(tx, changes, { objects, prepared, streams, digest, now })
  await destroyEmptyObjects(tx, changes, [...emptied], now)
  await moveCleaned(tx, changes, cleanedTo, streams)
}

/** The new ranges of each stream must cover what the removed ones cover; both without a gap. */
function checkCover({ objects, removed }: Compaction): void {
  const before = byStream(removed)
  const after = byStream(objects.flatMap((object) => object.ranges))
  for (const streamId of new Set([...before.keys(), ...after.keys()])) {
    const [old, fresh] = [coverOf(streamId, before.get(streamId) ?? []), coverOf(streamId, after.get(streamId) ?? [])]
    if (old?.startOffset === fresh?.startOffset && old?.endOffset === fresh?.endOffset) continue
    throw new Fault(
      'invalid',
      `stream ${streamId}: the new ranges cover [${fresh?.startOffset}, ${fresh?.endOffset}), the removed ones [${old?.startOffset}, ${old?.endOffset})`
    )
  }
}

function* linesOf({ removed, cleanedTo }: Compaction): Generator<string> {
  for (const range of removed) {
    yield `removed ${range.objectId} ${range.streamId} ${range.startOffset} ${range.endOffset}`
  }
  for (const [streamId, offset] of cleanedTo ?? []) yield `cleaned ${streamId} ${offset}`
}

/** Removes the ranges that still matter, all of which must be there as they were seen; returns who held them. */
async function removeRanges(tx: Tx, removed: readonly ObjectRange[], streams: StreamRows): Promise<Set<number>> {
  const mattering = removed.filter(({ streamId, endOffset }) => {
    const stream = streams.get(streamId)
    return stream !== undefined && endOffset > stream.start_offset
  })
  const missing = new Map(mattering.map((range) => [nameOf(range), range]))
  const held = new Set<number>()
  const groups = [...byStream(mattering)]
  for (let at = 0; at < groups.length; at += STREAMS_MAX) {
    for (const range of await deleteRanges(tx, groups.slice(at, at + STREAMS_MAX))) {
      missing.delete(nameOf(range))
      held.add(range.objectId)
    }
  }
  const [first] = missing.values()
  if (first === undefined) return held
  throw new Fault(
    'conflict',
    `compacted meanwhile: stream, object and offsets ${nameOf(first)}; plan the compaction anew`
  )
}

async function deleteRanges(tx: Tx, groups: readonly (readonly [number, ObjectRange[]])[]): Promise<RangeName[]> {
  return tx
    .deleteFrom('stream_range')
    .where(({ eb, or, and }) =>
      or(
        groups.map(([streamId, ranges]) => {
          const span = coverOf(streamId, ranges)
          return and([
            eb('stream_id', '=', streamId),
            eb('start_offset', '>=', span?.startOffset ?? 0),
            eb('start_offset', '<', span?.endOffset ?? 0)
          ])
        })
      )
    )
    .returning([
      'stream_id as streamId',
      'object_id as objectId',
      'start_offset as startOffset',
      'end_offset as endOffset'
    ])
    .execute()
}

/** Ranges never change and never come back, so that this tells whether one is still there as it was seen. */
function nameOf({ streamId, objectId, startOffset, endOffset }: RangeName): string {
  return `${streamId}/${objectId} [${startOffset}, ${endOffset})`
}

async function moveCleaned(
  tx: Tx,
  changes: ChangeSet,
  cleanedTo: ReadonlyMap<number, number>,
  streams: StreamRows
): Promise<void> {
  const moved: Tables['stream'][] = []
  for (const [streamId, offset] of cleanedTo) {
    const row = streams.get(streamId)
    if (row === undefined) continue
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > Math.max(row.end_offset, row.start_offset)) {
      throw new Fault(
        'invalid',
        `stream ${streamId} cannot be clean up to ${offset}: objects hold it to ${row.end_offset}`
      )
    }
    if (offset <= row.cleaned_offset) continue
    moved.push({ ...row, cleaned_offset: offset })
    changes.streams.add(streamId)
  }
  await saveStreams(tx, moved)
}
