/**
 * What nodes measured of the partitions they lead: one row per node, the newest report in place of the one before. Beside
 * the change feed, because nobody's image needs it: only who balances reads it.
 *
 * Layout of a report: version (1 byte), then unsigned LEB128 numbers: event-loop delay and append delay in tenths of a
 * millisecond, number of partitions, and for each in order of stream id: distance to the stream id before (the first: to
 * 0), bytes in, bytes out, and tenths of requests, each per second.
 */
import type { Kysely, RawBuilder } from 'kysely'
import { Fault } from '../runtime/fault.ts'
import { Reader, Writer } from '../wire/buffers.ts'
import type { Tx } from './database.ts'
import type { NodeIdentity, NodeLoad, PartitionLoad, ReportedLoad } from './metadata.ts'
import type { Tables } from './schema.ts'

const VERSION = 1
const TENTHS = 10
const UVARINT_MAX = 2 ** 32 - 1

export function encodeNodeLoad({ eventLoopDelayMs, appendDelayMs, partitions }: NodeLoad): Buffer {
  const writer = new Writer()
  writer.int8(VERSION)
  writer.uvarint(whole(eventLoopDelayMs * TENTHS))
  writer.uvarint(whole(appendDelayMs * TENTHS))
  writer.uvarint(partitions.length)
  let before = 0
  for (const load of partitions.toSorted((a, b) => a.streamId - b.streamId)) {
    writer.uvarint(load.streamId - before)
    writer.uvarint(whole(load.bytesIn))
    writer.uvarint(whole(load.bytesOut))
    writer.uvarint(whole(load.requests * TENTHS))
    before = load.streamId
  }
  return Buffer.concat(writer.finish())
}

/** Fault `corrupt` when it is not of this version. */
export function decodeNodeLoad(bytes: Buffer): NodeLoad {
  const reader = new Reader(bytes)
  const version = reader.int8()
  if (version !== VERSION)
    throw new Fault('corrupt', `a report of a node's load has version ${version}, not ${VERSION}`)
  const eventLoopDelayMs = reader.uvarint() / TENTHS
  const appendDelayMs = reader.uvarint() / TENTHS
  const count = reader.uvarint()
  const partitions: PartitionLoad[] = []
  let streamId = 0
  for (let i = 0; i < count; i++) {
    streamId += reader.uvarint()
    const bytesIn = reader.uvarint()
    const bytesOut = reader.uvarint()
    partitions.push({ streamId, bytesIn, bytesOut, requests: reader.uvarint() / TENTHS })
  }
  return { eventLoopDelayMs, appendDelayMs, partitions }
}

/** False when this life of the node is over. */
export async function reportLoad(
  database: Kysely<Tables>,
  now: RawBuilder<number>,
  { id, epoch }: NodeIdentity,
  load: NodeLoad
): Promise<boolean> {
  const bytes = encodeNodeLoad(load)
  const written = await database
    .insertInto('node_load')
    .columns(['node_id', 'node_epoch', 'reported_at', 'load'])
    .expression((eb) =>
      eb
        .selectFrom('node')
        .select((node) => ['id', 'epoch', now.as('at'), node.val(bytes).as('bytes')])
        .where('id', '=', id)
        .where('epoch', '=', epoch)
    )
    .onConflict((conflict) =>
      conflict.column('node_id').doUpdateSet((eb) => ({
        node_epoch: eb.ref('excluded.node_epoch'),
        reported_at: eb.ref('excluded.reported_at'),
        load: eb.ref('excluded.load')
      }))
    )
    .returning('node_id')
    .executeTakeFirst()
  return written !== undefined
}

/** By node id; without those that a node of another version wrote. */
export async function loadNodeLoads(tx: Tx, now: RawBuilder<number>): Promise<ReportedLoad[]> {
  const rows = await tx
    .selectFrom('node_load')
    .select((eb) => ['node_id', 'node_epoch', 'load', eb(now, '-', eb.ref('reported_at')).as('ageMs')])
    .orderBy('node_id')
    .execute()
  return rows.flatMap(({ node_id: nodeId, node_epoch: nodeEpoch, load, ageMs }) =>
    load[0] === VERSION ? [{ nodeId, nodeEpoch, ageMs, ...decodeNodeLoad(load) }] : []
  )
}

function whole(value: number): number {
  return Math.min(Math.max(Math.round(value), 0), UVARINT_MAX)
}
