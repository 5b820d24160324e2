/**
 * The step of objects from prepared to committed, which uploads and compactions share: how a commit that comes again is
 * recognised, what its ranges must cover, and how objects and ranges are saved.
 */
import { createHash } from 'node:crypto'
import { Fault } from '../runtime/fault.ts'
import type { ChangeSet } from './change-feed.ts'
import { batches, type Tx } from './database.ts'
import type { ObjectRange, UploadedObject } from './metadata.ts'
import type { Tables } from './schema.ts'

/** Offsets [startOffset, endOffset). */
export interface Span {
  readonly startOffset: number
  readonly endOffset: number
}

export type NewRange = Omit<ObjectRange, 'objectId'>

/** Groups ranges by stream. */
export function byStream<R extends NewRange>(ranges: Iterable<R>): Map<number, R[]> {
  const groups = new Map<number, R[]>()
  for (const range of ranges) {
    const group = groups.get(range.streamId)
    if (group === undefined) groups.set(range.streamId, [range])
    else group.push(range)
  }
  return groups
}

/** What the ranges of a stream cover together, whichever objects hold them. Sorts them; Fault `invalid` when they are not adjacent. */
export function coverOf(streamId: number, ranges: NewRange[]): Span | undefined {
  ranges.sort((a, b) => a.startOffset - b.startOffset)
  const first = ranges[0]
  if (first === undefined) return undefined
  let covered = first.startOffset
  for (const { startOffset, endOffset } of ranges) {
    if (startOffset !== covered || !(endOffset > startOffset) || !Number.isSafeInteger(endOffset)) {
      throw new Fault(
        'invalid',
        `stream ${streamId}: the range [${startOffset}, ${endOffset}) does not continue at ${covered}`
      )
    }
    covered = endOffset
  }
  return { startOffset: first.startOffset, endOffset: covered }
}

/** Identifies a commit by its objects with their ranges, and by what `lines` say of the rest. */
export function digestOf(objects: readonly UploadedObject[], lines: Iterable<string>): string {
  const hash = createHash('sha256')
  for (const object of objects) {
    hash.update(`object ${object.objectId} ${object.bytes}\n`)
    for (const r of object.ranges) {
      hash.update(`range ${r.streamId} ${r.startOffset} ${r.endOffset} ${r.bytes} ${r.maxTimestamp}\n`)
    }
  }
  for (const line of lines) hash.update(`${line}\n`)
  return hash.digest('hex')
}

/**
 * The rows of a commit's objects, all prepared; undefined when this very commit happened before (its answer was lost,
 * and it comes again), whatever became of its streams since. Objects of one commit are committed together, so all of
 * them say the same.
 */
export async function loadPrepared(
  tx: Tx,
  objects: readonly UploadedObject[],
  digest: string
): Promise<ReadonlyMap<number, Tables['object']> | undefined> {
  const rows = new Map<number, Tables['object']>()
  const objectIds = objects.map((object) => object.objectId)
  if (new Set(objectIds).size !== objectIds.length) throw new Fault('invalid', 'the commit names an object twice')
  for (const ids of batches(objectIds)) {
    const found = await tx.selectFrom('object').selectAll().where('id', 'in', ids).execute()
    for (const row of found) rows.set(row.id, row)
  }
  let repeated = false
  for (const objectId of objectIds) {
    const row = rows.get(objectId)
    if (row === undefined || (row.state === 'destroyed' && row.upload_digest === null)) {
      throw new Fault('missing', `object ${objectId} was given up: prepare another, store it again and commit that`)
    }
    if (row.state === 'prepared') continue
    if (row.upload_digest !== digest) {
      throw new Fault('conflict', `object ${objectId} was committed already with other content`)
    }
    repeated = true
  }
  return repeated ? undefined : rows
}

/** An object none of whose ranges matters any more (streams deleted, or trimmed past the ranges) is destroyed at once. */
export async function saveObjects(
  tx: Tx,
  changes: ChangeSet,
  commit: {
    readonly objects: readonly UploadedObject[]
    /** From `loadPrepared`. */
    readonly prepared: ReadonlyMap<number, Tables['object']>
    /** Streams that still exist. */
    readonly streams: ReadonlyMap<number, Tables['stream']>
    readonly digest: string
    readonly now: number
  }
): Promise<void> {
  const ranges: Tables['stream_range'][] = []
  const objects: Tables['object'][] = []
  for (const { objectId, bytes, ranges: held } of commit.objects) {
    const before = ranges.length
    for (const range of held) {
      const stream = commit.streams.get(range.streamId)
      if (stream !== undefined && range.endOffset > stream.start_offset) ranges.push(rowOf(objectId, range))
    }
    const row = commit.prepared.get(objectId)
    if (row === undefined) continue
    const state = ranges.length > before ? 'committed' : 'destroyed'
    objects.push({ ...row, state, bytes, state_changed_at: commit.now, upload_digest: commit.digest })
    if (state === 'committed') changes.objects.add(objectId)
  }
  // All rows exist: the upsert is an update of many rows in one statement that both engines know.
  for (const batch of batches(objects)) {
    await tx
      .insertInto('object')
      .values(batch)
      .onConflict((conflict) =>
        conflict.column('id').doUpdateSet((eb) => ({
          state: eb.ref('excluded.state'),
          bytes: eb.ref('excluded.bytes'),
          state_changed_at: eb.ref('excluded.state_changed_at'),
          upload_digest: eb.ref('excluded.upload_digest')
        }))
      )
      .execute()
  }
  for (const batch of batches(ranges)) await tx.insertInto('stream_range').values(batch).execute()
}

function rowOf(objectId: number, range: NewRange): Tables['stream_range'] {
  return {
    object_id: objectId,
    stream_id: range.streamId,
    start_offset: range.startOffset,
    end_offset: range.endOffset,
    bytes: range.bytes,
    max_timestamp: range.maxTimestamp
  }
}
