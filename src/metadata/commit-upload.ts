/**
 * The commit of an upload: the moment from which readers look for records in objects. Runs inside a transaction that
 * holds the feed lock.
 *
 * Invariant: the ranges of a stream are contiguous from the first that matters to the stream's end, so a stream's end
 * only moves together with the ranges that cover the way.
 */
import { createHash } from 'node:crypto'
import { Fault } from '../runtime/fault.ts'
import type { ChangeSet } from './change-feed.ts'
import { batches, type Tx } from './database.ts'
import type { ObjectRange, Upload, UploadedStream } from './metadata.ts'
import type { Tables } from './schema.ts'
import { loadStreams } from './streams.ts'

export async function commitUpload(tx: Tx, changes: ChangeSet, upload: Upload, now: number): Promise<void> {
  checkUpload(upload)
  const digest = digestOf(upload)
  if (await isCommitted(tx, upload, digest)) return
  const streamIds = upload.streams.map((stream) => stream.streamId)
  const rows = await loadStreams(tx, streamIds)
  // Streams that were deleted since have no row, and drop out here.
  const streams = upload.streams.filter((stream) => rows.has(stream.streamId))
  await moveEnds(tx, changes, streams, rows)
  await saveSnapshots(tx, streams)
  await saveObjects(tx, changes, upload, rows, { digest, now })
}

/** What can be told without the database. */
function checkUpload(upload: Upload): void {
  const ranges = new Map<number, Omit<ObjectRange, 'objectId'>[]>()
  for (const stream of upload.streams) {
    const { streamId, startOffset, endOffset } = stream
    if (ranges.has(streamId)) throw new Fault('invalid', `the upload names stream ${streamId} twice`)
    if (!Number.isSafeInteger(endOffset) || !(startOffset <= endOffset)) {
      throw new Fault('invalid', `stream ${streamId} cannot be uploaded from ${startOffset} to ${endOffset}`)
    }
    ranges.set(streamId, [])
  }
  const objectIds = new Set(upload.objects.map((object) => object.objectId))
  if (objectIds.size !== upload.objects.length) throw new Fault('invalid', 'the upload names an object twice')
  for (const range of upload.objects.flatMap((object) => object.ranges)) {
    const ofStream = ranges.get(range.streamId)
    if (ofStream === undefined) throw new Fault('invalid', `the upload has a range of stream ${range.streamId} only`)
    ofStream.push(range)
  }
  for (const stream of upload.streams) checkCover(stream, ranges.get(stream.streamId) ?? [])
}

/** The ranges must cover the stream's part exactly, whichever objects hold them. */
function checkCover(stream: UploadedStream, ranges: Omit<ObjectRange, 'objectId'>[]): void {
  ranges.sort((a, b) => a.startOffset - b.startOffset)
  let covered = stream.startOffset
  for (const { startOffset, endOffset } of ranges) {
    if (startOffset !== covered || !(endOffset > startOffset)) {
      throw new Fault(
        'invalid',
        `stream ${stream.streamId}: the range [${startOffset}, ${endOffset}) does not continue at ${covered}`
      )
    }
    covered = endOffset
  }
  if (covered !== stream.endOffset) {
    throw new Fault('invalid', `stream ${stream.streamId}: the ranges end at ${covered}, not at ${stream.endOffset}`)
  }
}

/** Identifies the upload by everything but the snapshots: those say the same as of the same offset, byte for byte or not. */
function digestOf(upload: Upload): string {
  const hash = createHash('sha256')
  for (const object of upload.objects) {
    hash.update(`object ${object.objectId} ${object.bytes}\n`)
    for (const r of object.ranges) {
      hash.update(`range ${r.streamId} ${r.startOffset} ${r.endOffset} ${r.bytes} ${r.maxTimestamp}\n`)
    }
  }
  for (const s of upload.streams) hash.update(`stream ${s.streamId} ${s.epoch} ${s.startOffset} ${s.endOffset}\n`)
  return hash.digest('hex')
}

/**
 * True when this very upload was committed before (its answer was lost, and it comes again), whatever became of its
 * streams since. Objects of one upload are committed together, so all of them say the same.
 */
async function isCommitted(tx: Tx, upload: Upload, digest: string): Promise<boolean> {
  const objects = new Map<number, Pick<Tables['object'], 'state' | 'upload_digest'>>()
  for (const ids of batches(upload.objects.map((object) => object.objectId))) {
    const rows = await tx.selectFrom('object').select(['id', 'state', 'upload_digest']).where('id', 'in', ids).execute()
    for (const row of rows) objects.set(row.id, row)
  }
  let repeated = false
  for (const { objectId } of upload.objects) {
    const object = objects.get(objectId)
    if (object === undefined || (object.state === 'destroyed' && object.upload_digest === null)) {
      throw new Fault('missing', `object ${objectId} was given up: prepare another, store it again and commit that`)
    }
    if (object.state === 'prepared') continue
    if (object.upload_digest !== digest) {
      throw new Fault('conflict', `object ${objectId} was committed already by another upload`)
    }
    repeated = true
  }
  return repeated
}

async function moveEnds(
  tx: Tx,
  changes: ChangeSet,
  streams: readonly UploadedStream[],
  rows: ReadonlyMap<number, Tables['stream']>
): Promise<void> {
  const moved: Tables['stream'][] = []
  for (const { streamId, epoch, startOffset, endOffset } of streams) {
    const row = rows.get(streamId)
    if (row === undefined) continue
    if (row.epoch !== epoch) {
      throw new Fault('fenced', `stream ${streamId} is at epoch ${row.epoch}, the upload comes from epoch ${epoch}`)
    }
    if (row.end_offset !== startOffset) {
      throw new Fault('conflict', `stream ${streamId} ends at ${row.end_offset}, the upload begins at ${startOffset}`)
    }
    if (endOffset !== row.end_offset) moved.push({ ...row, end_offset: endOffset })
  }
  // All rows exist: the upsert is an update of many rows in one statement that both engines know.
  for (const batch of batches(moved)) {
    await tx
      .insertInto('stream')
      .values(batch)
      .onConflict((conflict) =>
        conflict.column('id').doUpdateSet((eb) => ({ end_offset: eb.ref('excluded.end_offset') }))
      )
      .execute()
    for (const row of batch) changes.streams.add(row.id)
  }
}

async function saveSnapshots(tx: Tx, streams: readonly UploadedStream[]): Promise<void> {
  const rows: Tables['stream_snapshot'][] = []
  for (const { streamId, endOffset, snapshot } of streams) {
    if (snapshot !== undefined) rows.push({ stream_id: streamId, at_offset: endOffset, bytes: snapshot })
  }
  for (const batch of batches(rows)) {
    await tx
      .insertInto('stream_snapshot')
      .values(batch)
      .onConflict((conflict) =>
        conflict.column('stream_id').doUpdateSet((eb) => ({
          at_offset: eb.ref('excluded.at_offset'),
          bytes: eb.ref('excluded.bytes')
        }))
      )
      .execute()
  }
}

/** An object none of whose ranges matters any more (streams deleted, or trimmed past the upload) is destroyed at once. */
async function saveObjects(
  tx: Tx,
  changes: ChangeSet,
  upload: Upload,
  streams: ReadonlyMap<number, Tables['stream']>,
  { digest, now }: { digest: string; now: number }
): Promise<void> {
  const rows: Tables['stream_range'][] = []
  for (const { objectId, bytes, ranges } of upload.objects) {
    const before = rows.length
    for (const range of ranges) {
      const stream = streams.get(range.streamId)
      if (stream !== undefined && range.endOffset > stream.start_offset) rows.push(rowOf(objectId, range))
    }
    const state = rows.length > before ? 'committed' : 'destroyed'
    await tx
      .updateTable('object')
      .set({ state, bytes, state_changed_at: now, upload_digest: digest })
      .where('id', '=', objectId)
      .execute()
    if (state === 'committed') changes.objects.add(objectId)
  }
  for (const batch of batches(rows)) await tx.insertInto('stream_range').values(batch).execute()
}

function rowOf(objectId: number, range: Omit<ObjectRange, 'objectId'>): Tables['stream_range'] {
  return {
    object_id: objectId,
    stream_id: range.streamId,
    start_offset: range.startOffset,
    end_offset: range.endOffset,
    bytes: range.bytes,
    max_timestamp: range.maxTimestamp
  }
}
