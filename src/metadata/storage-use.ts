/**
 * What each node has asked of each object store since the beginning, added up: requests, bytes, and the payload that was
 * ingested meanwhile. For people who look at costs; nothing else rests on it.
 */
import type { Database } from './database.ts'

/** Of one profile, by the names of its counters. */
export type StorageUse = Readonly<Record<string, number>>

/** Adds what was counted since the last time. Repeating it after an unknown outcome may count it twice. */
export function addStorageUse(database: Database, nodeId: number, profile: string, counted: StorageUse): Promise<void> {
  return database.write(async (tx) => {
    const rows = Object.entries(counted).map(([counter, value]) => ({ node_id: nodeId, profile, counter, value }))
    if (rows.length === 0) return
    await tx
      .insertInto('storage_use')
      .values(rows)
      .onConflict((conflict) =>
        conflict
          .columns(['node_id', 'profile', 'counter'])
          .doUpdateSet((eb) => ({ value: eb('storage_use.value', '+', eb.ref('excluded.value')) }))
      )
      .execute()
  })
}

/** By profile, of all nodes together. */
export function loadStorageUse(database: Database): Promise<ReadonlyMap<string, StorageUse>> {
  return database.read(async (tx) => {
    const rows = await tx.selectFrom('storage_use').select(['profile', 'counter', 'value']).orderBy('profile').execute()
    const byProfile = new Map<string, Record<string, number>>()
    for (const { profile, counter, value } of rows) {
      const use = byProfile.get(profile) ?? {}
      use[counter] = (use[counter] ?? 0) + value
      byProfile.set(profile, use)
    }
    return byProfile
  })
}
