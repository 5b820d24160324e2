/** Queries on nodes. What writes runs inside a transaction of `Database.write`. */
import { Fault } from '../runtime/fault.ts'
import type { ChangeSet } from './change-feed.ts'
import type { Tx } from './database.ts'
import type { ClusterNode, NodePlace } from './metadata.ts'
import type { NodeState } from './schema.ts'

/** Fault `fenced` when the node has started again since, `invalid` when it never has. */
export async function requireNodeEpoch(tx: Tx, nodeId: number, nodeEpoch: number): Promise<void> {
  const node = await tx.selectFrom('node').select('epoch').where('id', '=', nodeId).executeTakeFirst()
  if (node === undefined)
    throw new Fault('invalid', `node ${nodeId} has never started: register it before anything else`)
  if (node.epoch === nodeEpoch) return
  throw new Fault('fenced', `node ${nodeId} is at epoch ${node.epoch}, the call comes from epoch ${nodeEpoch}`)
}

export async function announceNode(
  tx: Tx,
  changes: ChangeSet,
  node: { readonly id: number; readonly epoch: number; readonly state: NodeState; readonly place: NodePlace }
): Promise<void> {
  const { id, epoch, state, place } = node
  await requireNodeEpoch(tx, id, epoch)
  const { host, port, rack, wal } = place
  await tx.updateTable('node').set({ state, host, port, rack, wal }).where('id', '=', id).execute()
  changes.nodes.add(id)
}

/** Those that have announced themselves, by id. */
export async function loadNodes(tx: Tx): Promise<ReadonlyMap<number, ClusterNode>> {
  const rows = await tx.selectFrom('node').selectAll().where('host', 'is not', null).orderBy('id').execute()
  return new Map(
    rows.map(({ id, epoch, state, host, port, rack, wal }) => [
      id,
      { id, epoch, state, host: host ?? '', port: port ?? 0, rack, wal: wal ?? '' }
    ])
  )
}
