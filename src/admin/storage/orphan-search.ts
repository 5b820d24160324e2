/**
 * Objects in the stores that the metadata does not know: garbage that a crash left between two steps, or all of a
 * cluster's objects when its metadata was lost. Whatever a running node writes or deletes meanwhile is not reported.
 */
import type { Database } from '../../metadata/database.ts'
import type { ObjectInfo, ObjectStore } from '../../object-store/object-store.ts'
import type { ObjectStores } from '../../object-store/object-stores.ts'
import { objectExists } from '../../object-store/presence.ts'
import type { Finding } from './finding.ts'
import { findKnownKeys, type StoredState } from './stored-state.ts'

/** Below it, and nowhere else, lie objects that metadata knows. */
const OBJECTS_PREFIX = 'objects/'
const SUSPECTS_MAX = 1000

export interface OrphanSearchParts {
  readonly database: Database
  readonly stores: Pick<ObjectStores, 'store' | 'profiles'>
  readonly state: StoredState
}

export interface OrphanTotals {
  readonly objects: number
  readonly bytes: number
}

/** Hands each orphan to `found`. Rejects with the store's fault when it cannot be listed. */
export async function searchOrphans(parts: OrphanSearchParts, found: (orphan: Finding) => void): Promise<OrphanTotals> {
  const { stores, state } = parts
  const known = new Set([...state.objects.values()].map(({ profile, key }) => `${profile} ${key}`))
  let objects = 0
  let bytes = 0
  for (const profile of stores.profiles()) {
    const store = stores.store(profile)
    const settle = async (suspects: readonly ObjectInfo[]): Promise<void> => {
      for (const orphan of await confirm(parts.database, store, suspects)) {
        objects++
        bytes += orphan.size
        found(orphanFinding(orphan, profile, state))
      }
    }
    let suspects: ObjectInfo[] = []
    for await (const object of store.list(OBJECTS_PREFIX)) {
      if (known.has(`${profile} ${object.key}`)) continue
      suspects.push(object)
      if (suspects.length < SUSPECTS_MAX) continue
      await settle(suspects)
      suspects = []
    }
    await settle(suspects)
  }
  return { objects, bytes }
}

/**
 * An object is announced before it is stored and forgotten after it is deleted: what the metadata does not know by now
 * and the store still has belongs to nobody.
 */
async function confirm(
  database: Database,
  store: ObjectStore,
  suspects: readonly ObjectInfo[]
): Promise<readonly ObjectInfo[]> {
  const keys = await findKnownKeys(
    database,
    suspects.map(({ key }) => key)
  )
  const orphans: ObjectInfo[] = []
  for (const suspect of suspects) {
    if (!keys.has(suspect.key) && (await objectExists(store, suspect.key))) orphans.push(suspect)
  }
  return orphans
}

function orphanFinding({ key, size }: ObjectInfo, profile: string, state: StoredState): Finding {
  const id = Number(/(\d+)$/.exec(key)?.[1] ?? Number.NaN)
  const place = state.objects.size === 0 || profile === 'default' ? key : `${key} (profile ${profile})`
  if (id > state.objectsAnnounced) {
    return {
      kind: 'orphan',
      place,
      problem: `${size} bytes, and this metadata has given out ids up to ${state.objectsAnnounced} only`,
      remedy: 'keep it: this metadata is older than the store, or belongs to another cluster'
    }
  }
  return {
    kind: 'orphan',
    place,
    problem: `${size} bytes that no metadata refers to`,
    remedy: 'delete it, unless the metadata was put back from a backup that is older than it'
  }
}
