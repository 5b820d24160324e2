/** Queries on client quotas, and how the entity of one is written. Each runs inside a transaction of `Database.write`. */
import type { ChangeSet } from './change-feed.ts'
import { batches, type Tx } from './database.ts'
import type { ClientQuota, ClientQuotaChange, QuotaEntity } from './metadata.ts'
import type { Tables } from './schema.ts'

/** One text for each entity, whatever the order of its types: JSON with the types in order of name. */
export function quotaEntityKey(entity: QuotaEntity): string {
  const pairs = Object.entries(entity).filter(([, name]) => name !== undefined)
  return JSON.stringify(Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1))))
}

export async function alterClientQuotas(
  tx: Tx,
  changes: ChangeSet,
  alterations: readonly ClientQuotaChange[]
): Promise<void> {
  for (const { entity, values } of alterations) {
    const key = quotaEntityKey(entity)
    for (const [quota, value] of Object.entries(values)) {
      if (value === undefined) {
        await tx.deleteFrom('client_quota').where('entity', '=', key).where('quota', '=', quota).execute()
      } else {
        await tx
          .insertInto('client_quota')
          .values({ entity: key, quota, value })
          .onConflict((conflict) => conflict.columns(['entity', 'quota']).doUpdateSet({ value }))
          .execute()
      }
    }
    changes.quotas.add(key)
  }
}

/** By entity key; `keys` undefined loads all. */
export async function loadClientQuotas(tx: Tx, keys?: ReadonlySet<string>): Promise<Map<string, ClientQuota>> {
  const rows: Tables['client_quota'][] = []
  const all = tx.selectFrom('client_quota').selectAll()
  if (keys === undefined) rows.push(...(await all.execute()))
  else for (const some of batches([...keys])) rows.push(...(await all.where('entity', 'in', some).execute()))
  const values = new Map<string, Record<string, number>>()
  for (const { entity, quota, value } of rows) {
    const known = values.get(entity)
    if (known === undefined) values.set(entity, { [quota]: value })
    else known[quota] = value
  }
  return new Map([...values].map(([key, found]) => [key, { entity: JSON.parse(key) as QuotaEntity, values: found }]))
}
