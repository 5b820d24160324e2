/** Queries on nodes. Each runs inside a transaction that holds the feed lock. */
import { Fault } from '../runtime/fault.ts'
import type { Tx } from './database.ts'

/** Fault `fenced` when the node has started again since, `invalid` when it never has. */
export async function requireNodeEpoch(tx: Tx, nodeId: number, nodeEpoch: number): Promise<void> {
  const node = await tx.selectFrom('node').select('epoch').where('id', '=', nodeId).executeTakeFirst()
  if (node === undefined)
    throw new Fault('invalid', `node ${nodeId} has never started: register it before anything else`)
  if (node.epoch === nodeEpoch) return
  throw new Fault('fenced', `node ${nodeId} is at epoch ${node.epoch}, the call comes from epoch ${nodeEpoch}`)
}
