/** Queries that move partitions between nodes. Each runs inside a transaction of `Database.write`. */
import { sql } from 'kysely'
import { Fault } from '../runtime/fault.ts'
import type { ChangeSet } from './change-feed.ts'
import { batches, type Tx } from './database.ts'
import type { HandOver, PartitionTarget } from './metadata.ts'
import { requireNodeEpoch } from './nodes.ts'
import { loadStreams } from './streams.ts'

export async function setTargets(tx: Tx, changes: ChangeSet, targets: readonly PartitionTarget[]): Promise<void> {
  await requireRunning(
    tx,
    targets.flatMap(({ node }) => (node === null ? [] : [node]))
  )
  for (const { topicId, index, node } of targets) {
    const updated = await tx
      .updateTable('partition')
      .set({ target: sql<number | null>`nullif(cast(${node} as integer), leader)` })
      .where('topic_id', '=', topicId)
      .where('partition_index', '=', index)
      .executeTakeFirst()
    if (updated.numUpdatedRows === 0n) throw new Fault('missing', `there is no partition ${index} of topic ${topicId}`)
    changes.topics.add(topicId)
  }
}

export async function handOver(tx: Tx, changes: ChangeSet, { nodeId, nodeEpoch, streams }: HandOver): Promise<void> {
  await requireNodeEpoch(tx, nodeId, nodeEpoch)
  await requireRunning(
    tx,
    streams.map(({ to }) => to)
  )
  const rows = await loadStreams(
    tx,
    streams.map(({ streamId }) => streamId)
  )
  const receivers = new Map<number, number[]>()
  for (const { streamId, epoch, endOffset, to } of streams) {
    const row = rows.get(streamId)
    if (row === undefined) continue
    if (row.epoch !== epoch) {
      throw new Fault('fenced', `stream ${streamId} is at epoch ${row.epoch}, who hands it over at epoch ${epoch}`)
    }
    if (row.end_offset !== endOffset) {
      throw new Fault('conflict', `objects hold stream ${streamId} up to ${row.end_offset}, not up to ${endOffset}`)
    }
    receivers.set(to, [...(receivers.get(to) ?? []), streamId])
  }
  for (const [to, streamIds] of receivers) {
    for (const ids of batches(streamIds)) {
      // Whoever still works under the old epoch can commit nothing any more.
      await tx
        .updateTable('stream')
        .set((eb) => ({ epoch: eb('epoch', '+', 1), tenure: eb('epoch', '+', 1) }))
        .where('id', 'in', ids)
        .execute()
      const partitions = await tx
        .updateTable('partition')
        .set((eb) => ({ leader: to, leader_epoch: eb('leader_epoch', '+', 1), target: null }))
        .where('stream_id', 'in', ids)
        .returning('topic_id')
        .execute()
      for (const row of partitions) changes.topics.add(row.topic_id)
      for (const id of ids) changes.streams.add(id)
    }
  }
}

/** Fault `invalid` when one of the nodes takes no partitions. */
async function requireRunning(tx: Tx, nodeIds: readonly number[]): Promise<void> {
  const wanted = [...new Set(nodeIds)]
  if (wanted.length === 0) return
  const rows = await tx
    .selectFrom('node')
    .select('id')
    .where('id', 'in', wanted)
    .where('state', '=', 'running')
    .execute()
  const running = new Set(rows.map(({ id }) => id))
  const absent = wanted.filter((id) => !running.has(id))
  if (absent.length > 0)
    throw new Fault('invalid', `node ${absent.join(', ')} is not running: it can lead no partition`)
}
