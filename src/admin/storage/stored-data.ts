/**
 * Opens the data of a node to look at it, whether the node runs or not. Nothing is written, made, moved or locked; a place
 * that does not exist is an error and stays that way.
 */
import type { Database } from '../../metadata/database.ts'
import { openToRead } from '../../metadata/open-database.ts'
import { openObjectStore } from '../../object-store/configured-object-stores.ts'
import { DirectoryObjectStore } from '../../object-store/directory-object-store.ts'
import type { ObjectStore } from '../../object-store/object-store.ts'
import { DEFAULT_PROFILE, type ObjectStores } from '../../object-store/object-stores.ts'
import type { Clock } from '../../runtime/clock.ts'
import { type Configuration, pathOfLocation } from '../../runtime/configuration.ts'
import { Fault } from '../../runtime/fault.ts'
import type { Random } from '../../runtime/random.ts'
import { ReadOnlyWalDevice } from '../../stream/wal/read-only-wal-device.ts'
import { FileLog } from './file-log.ts'
import type { LogSource } from './log-survey.ts'
import { ObjectLog } from './object-log.ts'
import { loadWalMarks } from './stored-state.ts'

export interface StoredData {
  readonly database: Database
  readonly stores: ObjectStores
  /** The configured write-ahead log, and those of all nodes that keep theirs in the object store. */
  readonly logs: readonly LogSource[]
  close(): Promise<void>
}

export interface StoredDataParts {
  readonly configuration: Pick<Configuration, 'metadata' | 'objectStore' | 'objectStoreProfiles' | 'wal' | 'nodeId'>
  readonly clock: Clock
  readonly random: Random
}

/** Fault `missing` names the place that does not exist; `invalid` when another version wrote the metadata. */
export async function openStoredData(parts: StoredDataParts): Promise<StoredData> {
  const database = await openToRead(parts.configuration.metadata)
  try {
    const stores = await openStores(parts)
    const logs = await openLogs(parts, database, stores)
    const close = async (): Promise<void> => {
      await stores.close()
      await database.close()
    }
    return { database, stores, logs, close }
  } catch (error) {
    await database.close()
    throw error
  }
}

async function openLogs(
  { configuration }: StoredDataParts,
  database: Database,
  stores: ObjectStores
): Promise<LogSource[]> {
  const { wal, nodeId } = configuration
  const marks = await loadWalMarks(database)
  const nodeIds = new Set([...marks].flatMap(([id, mark]) => (mark.startsWith('object:') ? [id] : [])))
  const logs: LogSource[] = []
  if (wal.startsWith('file:')) {
    const folder = pathOfLocation(wal)
    const loadMark = async () => (await loadWalMarks(database)).get(nodeId)
    logs.push(new FileLog(folder, () => new ReadOnlyWalDevice(folder), loadMark))
  } else {
    nodeIds.add(nodeId)
  }
  const store = stores.store(DEFAULT_PROFILE)
  for (const id of nodeIds) {
    logs.push(new ObjectLog({ nodeId: id, store, loadMark: async () => (await loadWalMarks(database)).get(id) }))
  }
  return logs
}

async function openStores(parts: StoredDataParts): Promise<ObjectStores> {
  const { objectStore, objectStoreProfiles } = parts.configuration
  const stores = new Map<string, ObjectStore>()
  const close = async (): Promise<void> => {
    for (const store of stores.values()) await store.close()
  }
  try {
    for (const [profile, url] of [[DEFAULT_PROFILE, objectStore] as const, ...Object.entries(objectStoreProfiles)]) {
      stores.set(profile, await openStore(url, parts))
    }
  } catch (error) {
    await close()
    throw error
  }
  return {
    store: (profile) => {
      const store = stores.get(profile)
      if (store !== undefined) return store
      const known = [...stores.keys()].join(', ')
      throw new Fault(
        'invalid',
        `no object store "${profile}" is configured, only ${known}: add --object-store-profiles`
      )
    },
    profiles: () => [...stores.keys()],
    close
  }
}

/** A directory is opened here, because a node makes it when it is missing; other stores are opened as a node does. */
function openStore(url: string, { clock, random }: StoredDataParts): Promise<ObjectStore> {
  if (url.startsWith('file:')) return DirectoryObjectStore.openToRead({ root: pathOfLocation(url), random })
  return openObjectStore(url, { clock, random })
}
