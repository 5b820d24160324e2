/**
 * The last failovers of the cluster with their timings, for people who look at them from any machine. Written by whoever
 * led one, when it has ended; nothing rests on it.
 */
import type { Kysely } from 'kysely'
import type { Tx } from './database.ts'
import type { NodeState, Tables } from './schema.ts'

/** Rows that are kept, the newest. */
const KEPT = 100

/** Times are milliseconds since `sinceMs`; undefined: not reached. */
export interface Failover {
  readonly nodeId: number
  /** That the fence gave the node. */
  readonly nodeEpoch: number
  readonly controllerEpoch: number
  /** State in which the node was found. A `fenced` one had been left half recovered. */
  readonly found: NodeState
  /** Wall time of the controller at which the lease had run out; of a stopped or fenced node, at which it was acted on. */
  readonly sinceMs: number
  readonly noticedMs: number
  readonly fencedMs: number
  /** Of the last attempt. */
  readonly openedMs: number | undefined
  readonly replayedMs: number | undefined
  readonly committedMs: number | undefined
  readonly handedOverMs: number | undefined
  readonly attempts: number
  readonly outcome: 'under way' | 'done' | 'given up'
  /** Why the last attempt failed. */
  readonly problem: string | undefined
  readonly partitions: number
  readonly records: number
  readonly bytes: number
}

/** Repeating it changes nothing. */
export async function recordFailover(database: Kysely<Tables>, failover: Failover): Promise<void> {
  const { nodeId: node_id, nodeEpoch: node_epoch, sinceMs: since } = failover
  await database
    .insertInto('failover')
    .values({ node_id, node_epoch, since, entry: JSON.stringify(failover) })
    .onConflict((conflict) =>
      conflict.columns(['node_id', 'node_epoch']).doUpdateSet((eb) => ({ entry: eb.ref('excluded.entry') }))
    )
    .execute()
  await database
    .deleteFrom('failover')
    .where('since', '<', (eb) =>
      eb
        .selectFrom(eb.selectFrom('failover').select('since').orderBy('since', 'desc').limit(KEPT).as('newest'))
        .select((newest) => newest.fn.min<number>('newest.since').as('oldest'))
    )
    .execute()
}

/** Newest last. */
export async function loadFailovers(tx: Tx): Promise<Failover[]> {
  const rows = await tx.selectFrom('failover').select('entry').orderBy('since').orderBy('node_id').execute()
  return rows.map(({ entry }) => JSON.parse(entry))
}
