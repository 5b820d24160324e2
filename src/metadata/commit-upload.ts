/**
 * The commit of an upload: the moment from which readers look for records in objects. Runs inside a transaction of
 * `Database.write`.
 *
 * Invariant: the ranges of a stream are contiguous from the first that matters to the stream's end, so a stream's end
 * only moves together with the ranges that cover the way.
 */
import { Fault } from '../runtime/fault.ts'
import type { ChangeSet } from './change-feed.ts'
import { byStream, coverOf, digestOf, loadPrepared, saveObjects } from './committed-objects.ts'
import { batches, type Tx } from './database.ts'
import type { Upload, UploadedStream } from './metadata.ts'
import { requireNodeEpoch } from './nodes.ts'
import type { Tables } from './schema.ts'
import { loadStreams, saveStreams } from './streams.ts'

export async function commitUpload(tx: Tx, changes: ChangeSet, upload: Upload, now: number): Promise<void> {
  checkUpload(upload)
  // Neither snapshots nor the mark count: of a repeated upload they say the same, byte for byte or not.
  const digest = digestOf(
    upload.objects,
    upload.streams.map((s) => `stream ${s.streamId} ${s.epoch} ${s.startOffset} ${s.endOffset}`)
  )
  const prepared = await loadPrepared(tx, upload.objects, digest)
  if (prepared === undefined) return
  const streamIds = upload.streams.map((stream) => stream.streamId)
  const rows = await loadStreams(tx, streamIds)
  // Streams that were deleted since have no row, and drop out here.
  const streams = upload.streams.filter((stream) => rows.has(stream.streamId))
  await moveEnds(tx, changes, streams, rows)
  await saveSnapshots(tx, streams)
  await saveObjects(tx, changes, { objects: upload.objects, prepared, streams: rows, digest, now })
  await saveWalMark(tx, upload)
}

/** What can be told without the database. */
function checkUpload(upload: Upload): void {
  const streams = new Map<number, UploadedStream>()
  for (const stream of upload.streams) {
    const { streamId, startOffset, endOffset } = stream
    if (streams.has(streamId)) throw new Fault('invalid', `the upload names stream ${streamId} twice`)
    if (!Number.isSafeInteger(endOffset) || !(startOffset <= endOffset)) {
      throw new Fault('invalid', `stream ${streamId} cannot be uploaded from ${startOffset} to ${endOffset}`)
    }
    streams.set(streamId, stream)
  }
  const ranges = byStream(upload.objects.flatMap((object) => object.ranges))
  for (const streamId of ranges.keys()) {
    if (!streams.has(streamId)) throw new Fault('invalid', `the upload has a range of stream ${streamId} only`)
  }
  for (const { streamId, startOffset, endOffset } of upload.streams) {
    const cover = coverOf(streamId, ranges.get(streamId) ?? []) ?? { startOffset, endOffset: startOffset }
    if (cover.startOffset !== startOffset || cover.endOffset !== endOffset) {
      throw new Fault(
        'invalid',
        `stream ${streamId}: the ranges cover [${cover.startOffset}, ${cover.endOffset}), not [${startOffset}, ${endOffset})`
      )
    }
  }
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
    if (endOffset === row.end_offset) continue
    moved.push({ ...row, end_offset: endOffset })
    // Images read the new end off the last new range, if that matters: see `Image`. Most commits move hundreds of ends.
    if (endOffset <= row.start_offset) changes.streams.add(streamId)
  }
  await saveStreams(tx, moved)
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

async function saveWalMark(tx: Tx, { nodeId, walMark }: Upload): Promise<void> {
  if (walMark === undefined) return
  const { mark, nodeEpoch } = walMark
  await requireNodeEpoch(tx, nodeId, nodeEpoch)
  await tx.updateTable('node').set({ wal_mark: mark }).where('id', '=', nodeId).execute()
}
