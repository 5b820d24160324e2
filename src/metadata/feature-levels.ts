/** Queries on the levels of features. Each runs inside a transaction of `Database.write`. */
import type { ChangeSet } from './change-feed.ts'
import type { Tx } from './database.ts'
import type { FeatureLevels } from './metadata.ts'
import { allocate } from './sequences.ts'

/** Epochs of the levels are numbered by a sequence; what was never changed has epoch 0. */
const SEQUENCE = 'feature'

export async function setFeatureLevels(tx: Tx, changes: ChangeSet, levels: ReadonlyMap<string, number>): Promise<void> {
  for (const [name, level] of levels) {
    await tx
      .insertInto('feature_level')
      .values({ name, level })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ level }))
      .execute()
    changes.features.add(name)
  }
  await allocate(tx, SEQUENCE, 1)
}

export async function loadFeatureLevels(tx: Tx): Promise<FeatureLevels> {
  const rows = await tx.selectFrom('feature_level').selectAll().execute()
  const sequence = await tx.selectFrom('sequence').select('next').where('name', '=', SEQUENCE).executeTakeFirst()
  return { epoch: (sequence?.next ?? 1) - 1, levels: new Map(rows.map(({ name, level }) => [name, level])) }
}
