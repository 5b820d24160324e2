/**
 * Queries on leases, of nodes and of the controller. Each is one statement that compares with the database's clock and
 * checks what it relies on, so that it may run beside any transaction, and twice.
 *
 * Whoever holds a lease must judge it by a clock of its own, from before it asked: the database's clock says when others
 * may act. A lease of 0 ms gives it back.
 */
import { type Kysely, type RawBuilder, sql } from 'kysely'
import { Fault } from '../runtime/fault.ts'
import type { ChangeSet } from './change-feed.ts'
import type { Tx } from './database.ts'
import type { ControllerLease, NodeIdentity, NodeLease } from './metadata.ts'
import type { Tables } from './schema.ts'

type Now = RawBuilder<number>

/** False when the node's life is over: it was fenced, or has started again. */
export async function renewNodeLease(
  database: Kysely<Tables>,
  now: Now,
  { id, epoch }: NodeIdentity,
  ms: number
): Promise<boolean> {
  const { numUpdatedRows } = await database
    .updateTable('node')
    .set({ lease_until: after(now, ms) })
    .where('id', '=', id)
    .where('epoch', '=', epoch)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

export async function loadNodeLeases(database: Kysely<Tables>, now: Now): Promise<NodeLease[]> {
  return database
    .selectFrom('node')
    .select((eb) => ['id', 'epoch', 'state', eb('lease_until', '-', now).as('remainingMs')])
    .orderBy('id')
    .execute()
}

/** Takes the lease when it is free or has run out, renews it when it is the node's own; in any case tells who has it now. */
export async function holdController(
  database: Kysely<Tables>,
  now: Now,
  { id, epoch }: NodeIdentity,
  ms: number
): Promise<ControllerLease> {
  const held = await database
    .insertInto('controller')
    .columns(['singleton', 'node_id', 'epoch', 'lease_until'])
    .expression((eb) =>
      eb
        .selectFrom('node')
        .select((node) => [node.lit(1).as('singleton'), 'id', node.lit(1).as('epoch'), after(now, ms).as('until')])
        .where('id', '=', id)
        .where('epoch', '=', epoch)
        .where('state', '!=', 'fenced')
    )
    .onConflict((conflict) =>
      conflict
        .column('singleton')
        .doUpdateSet((eb) => ({
          node_id: eb.ref('excluded.node_id'),
          // One that ran out begins anew, whoever had it: somebody may have been told that nobody has it.
          epoch: eb
            .case()
            .when('controller.lease_until', '>', now)
            .then(eb.ref('controller.epoch'))
            .else(eb('controller.epoch', '+', 1))
            .end(),
          lease_until: eb.ref('excluded.lease_until')
        }))
        .where((eb) =>
          eb.or([eb('controller.lease_until', '<=', now), eb('controller.node_id', '=', eb.ref('excluded.node_id'))])
        )
    )
    .returning((eb) => ['node_id', 'epoch', eb('lease_until', '-', now).as('remaining')])
    .executeTakeFirst()
  return held === undefined ? loadController(database, now) : leaseOf(held, true)
}

/** Who has the lease, for somebody who does not. */
export async function loadController(database: Kysely<Tables>, now: Now): Promise<ControllerLease> {
  const row = await database
    .selectFrom('controller')
    .select((eb) => ['node_id', 'epoch', eb('lease_until', '-', now).as('remaining')])
    .executeTakeFirst()
  return leaseOf(row ?? { node_id: -1, epoch: 0, remaining: 0 }, false)
}

/** Part of a node's new start: what its earlier life held as controller is over. */
export async function endController(tx: Tx, nodeId: number): Promise<void> {
  await tx.updateTable('controller').set({ lease_until: 0 }).where('node_id', '=', nodeId).execute()
}

/** False when the node's lease has not run out, or this life of it is over already. */
export async function fenceNode(
  tx: Tx,
  changes: ChangeSet,
  now: Now,
  { id, epoch }: NodeIdentity,
  controllerEpoch: number
): Promise<boolean> {
  await requireControllerEpoch(tx, controllerEpoch)
  const { numUpdatedRows } = await tx
    .updateTable('node')
    .set((eb) => ({ state: 'fenced', epoch: eb('epoch', '+', 1) }))
    .where('id', '=', id)
    .where('epoch', '=', epoch)
    .where('lease_until', '<=', now)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) return false
  changes.nodes.add(id)
  return true
}

/** Fault `fenced` when another controller has come since. */
async function requireControllerEpoch(tx: Tx, epoch: number): Promise<void> {
  const row = await tx.selectFrom('controller').select('epoch').executeTakeFirst()
  if (row?.epoch === epoch) return
  throw new Fault('fenced', `the controller is at epoch ${row?.epoch ?? 0}, the call comes from epoch ${epoch}`)
}

function after(now: Now, ms: number): RawBuilder<number> {
  if (!Number.isSafeInteger(ms) || ms < 0) throw new Fault('invalid', `a lease cannot last ${ms} ms`)
  return sql<number>`${now} + ${sql.lit(ms)}`
}

function leaseOf(row: { node_id: number; epoch: number; remaining: number }, held: boolean): ControllerLease {
  return { held, epoch: row.epoch, nodeId: row.node_id, remainingMs: row.remaining }
}
