/**
 * Ties a place in an object store to the one cluster that may use it. Keys are numbered by each cluster's own metadata, so
 * two clusters in one place would overwrite each other's data, and each would take the other's for its own.
 */
import { Fault, isFault } from '../runtime/fault.ts'
import type { ObjectStore } from './object-store.ts'
import { getIfPresent, objectExists } from './presence.ts'

/** Holds the id of the cluster as text. */
const OWNER_KEY = 'cluster'

export interface StoreClaim {
  readonly store: ObjectStore
  /** The store's URL, for messages. */
  readonly name: string
  readonly clusterId: string
  /** An object that the cluster has there already, if any. */
  readonly known: string | undefined
  /** The cluster has claimed the place before: it cannot be without an owner. */
  readonly isClaimed?: boolean
}

/**
 * Claims the place for the cluster, or finds that it is the cluster's. Fault `invalid` when it is another's, or when what
 * the cluster has stored is not there: the wrong place. Other Faults of the store pass through.
 */
export async function claimStore(wanted: StoreClaim): Promise<void> {
  const { store, name, clusterId } = wanted
  const owner = (await ownerOf(store)) ?? (await claim(wanted))
  if (owner === clusterId) return
  throw new Fault(
    'invalid',
    `object store ${name} belongs to another cluster (${owner}; this one is ${clusterId}): give each cluster a bucket or a prefix of its own`
  )
}

async function claim({ store, name, clusterId, known, isClaimed = false }: StoreClaim): Promise<string> {
  if (isClaimed || (known !== undefined && !(await objectExists(store, known)))) {
    throw new Fault(
      'invalid',
      `object store ${name} does not hold what this cluster has stored (${known ?? OWNER_KEY}): is it the right bucket and prefix?`
    )
  }
  try {
    await store.put(OWNER_KEY, [Buffer.from(clusterId)], { ifAbsent: true })
  } catch (error) {
    if (!isFault(error, 'conflict')) throw error
  }
  // Also where a store ignores the condition, the last word counts for everybody.
  return (await ownerOf(store)) ?? ''
}

async function ownerOf(store: ObjectStore): Promise<string | undefined> {
  return (await getIfPresent(store, OWNER_KEY))?.toString()
}
