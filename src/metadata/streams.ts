/** Queries that change streams. Each runs inside a transaction of `Database.write`. */
import { Fault } from '../runtime/fault.ts'
import type { ChangeSet } from './change-feed.ts'
import { batches, type Tx } from './database.ts'
import type { Snapshot } from './metadata.ts'
import { destroyEmptyObjects } from './objects.ts'
import type { Tables } from './schema.ts'

/** The rows of those streams that exist. */
export async function loadStreams(tx: Tx, ids: readonly number[]): Promise<Map<number, Tables['stream']>> {
  const streams = new Map<number, Tables['stream']>()
  for (const batch of batches(ids)) {
    const rows = await tx.selectFrom('stream').selectAll().where('id', 'in', batch).execute()
    for (const row of rows) streams.set(row.id, row)
  }
  return streams
}

/** Saves the offsets of streams, given as `loadStreams` found them in this transaction and changed since. Announces nothing. */
export async function saveStreams(tx: Tx, rows: readonly Tables['stream'][]): Promise<void> {
  // All rows exist: the upsert is an update of many rows in one statement that both engines know.
  for (const batch of batches(rows)) {
    await tx
      .insertInto('stream')
      .values(batch)
      .onConflict((conflict) =>
        conflict.column('id').doUpdateSet((eb) => ({
          end_offset: eb.ref('excluded.end_offset'),
          cleaned_offset: eb.ref('excluded.cleaned_offset')
        }))
      )
      .execute()
  }
}

export async function openStreams(
  tx: Tx,
  changes: ChangeSet,
  nodeId: number,
  streamIds: readonly number[]
): Promise<Map<number, Snapshot>> {
  const ids = [...new Set(streamIds)]
  const known = await loadStreams(tx, ids)
  const unknown = ids.filter((id) => !known.has(id))
  if (unknown.length > 0) throw new Fault('missing', `there is no stream ${unknown.slice(0, 10).join(', ')}`)
  const snapshots = new Map<number, Snapshot>()
  for (const batch of batches(ids)) {
    await tx
      .updateTable('stream')
      .set((eb) => ({ epoch: eb('epoch', '+', 1) }))
      .where('id', 'in', batch)
      .execute()
    const partitions = await tx
      .updateTable('partition')
      .set((eb) => ({ leader_epoch: eb('leader_epoch', '+', 1) }))
      .where('stream_id', 'in', batch)
      .where('leader', '=', nodeId)
      .returning('topic_id')
      .execute()
    if (partitions.length < batch.length) {
      throw new Fault('fenced', `node ${nodeId} cannot open streams that another node leads by now`)
    }
    for (const row of partitions) changes.topics.add(row.topic_id)
    for (const id of batch) changes.streams.add(id)
    const rows = await tx.selectFrom('stream_snapshot').selectAll().where('stream_id', 'in', batch).execute()
    for (const row of rows) snapshots.set(row.stream_id, { offset: row.at_offset, bytes: row.bytes })
  }
  return snapshots
}

export async function trimStream(
  tx: Tx,
  changes: ChangeSet,
  trim: { readonly streamId: number; readonly epoch: number; readonly startOffset: number; readonly now: number }
): Promise<void> {
  const { streamId, epoch, startOffset, now } = trim
  if (!Number.isSafeInteger(startOffset) || startOffset < 0) {
    throw new Fault('invalid', `a stream cannot start at offset ${startOffset}`)
  }
  const stream = await tx.selectFrom('stream').selectAll().where('id', '=', streamId).executeTakeFirst()
  if (stream === undefined) throw new Fault('missing', `there is no stream ${streamId}`)
  if (stream.epoch !== epoch) {
    throw new Fault('fenced', `stream ${streamId} is at epoch ${stream.epoch}, the trim comes from epoch ${epoch}`)
  }
  if (startOffset <= stream.start_offset) return
  await tx.updateTable('stream').set({ start_offset: startOffset }).where('id', '=', streamId).execute()
  const ranges = await tx
    .deleteFrom('stream_range')
    .where('stream_id', '=', streamId)
    .where('end_offset', '<=', startOffset)
    .returning('object_id')
    .execute()
  changes.streams.add(streamId)
  const touched = [...new Set(ranges.map((row) => row.object_id))]
  await destroyEmptyObjects(tx, changes, touched, now)
}
