/** Opens what a node keeps its data in, in the order in which one needs the other, and closes it in reverse. */
import { accessSync, constants, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { beginLife, type NodeLease } from '../cluster/node-lease.ts'
import type { Database } from '../metadata/database.ts'
import { DirectoryLock } from '../metadata/directory-lock.ts'
import { openDatabase } from '../metadata/open-database.ts'
import { isPostgresUrl } from '../metadata/postgres-location.ts'
import { SqlMetadata } from '../metadata/sql-metadata.ts'
import { requireConditionalPut } from '../object-store/conditional-put-probe.ts'
import { ConfiguredObjectStores } from '../object-store/configured-object-stores.ts'
import { DEFAULT_PROFILE } from '../object-store/object-stores.ts'
import { claimStore } from '../object-store/store-owner.ts'
import type { Clock } from '../runtime/clock.ts'
import { type Configuration, pathOfLocation } from '../runtime/configuration.ts'
import { Fault, isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import { StreamEngine } from '../stream/stream-engine.ts'
import { FileWal } from '../stream/wal/file-wal.ts'
import { FileWalDevice } from '../stream/wal/file-wal-device.ts'
import { ObjectWal } from '../stream/wal/object-wal.ts'
import type { Wal } from '../stream/wal/wal.ts'
import { establishLogId } from '../stream/wal/wal-identity.ts'
import { StorageUseRecorder } from './storage-use-recorder.ts'

/** The topic setting that names a profile. */
const PROFILE_SETTING = 'longhaul.object.store.profile'
/** The value of the `wal` setting that puts the log into the object store. */
const OBJECT_WAL = 'object:'

export interface StorageEffects {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Called once when storage can go on no more: the log failed, or somebody else has taken over. */
  readonly failed: (fault: Error) => void
}

export interface Storage {
  readonly database: Database
  readonly metadata: SqlMetadata
  readonly stores: ConfiguredObjectStores
  readonly engine: StreamEngine
  readonly wal: Wal
  /** From `Metadata.registerNode`. */
  readonly nodeEpoch: number
  /** Undefined where the node is alone by nature: on a database of its own. */
  readonly lease: NodeLease | undefined
  close(): Promise<void>
}

/** Fault `conflict` when another process runs on the same data, `corrupt` when the log cannot be read back. */
export async function openStorage(configuration: Configuration, effects: StorageEffects): Promise<Storage> {
  const closers: Closers = []
  const close = async (): Promise<void> => {
    for (let next = closers.pop(); next !== undefined; next = closers.pop()) await next()
  }
  try {
    return { ...(await openParts(configuration, effects, closers)), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** What has been opened and must be closed, in this order. */
type Closers = (() => Promise<void> | void)[]

async function openParts(
  configuration: Configuration,
  effects: StorageEffects,
  closers: Closers
): Promise<Omit<Storage, 'close'>> {
  const { clock, random } = effects
  const { nodeId } = configuration
  makeFolder(configuration.dataDir)
  if (!isPostgresUrl(configuration.metadata)) makeFolder(dirname(pathOfLocation(configuration.metadata)))
  lock(configuration.dataDir, 'data directory', '--data-dir', closers)
  const database = await openDatabase(configuration.metadata, { clock, random })
  closers.push(() => database.close())
  const metadata = await SqlMetadata.open({ database, clock, random })
  closers.push(() => metadata.close())
  metadata.follow(effects.log)
  const urls = { ...configuration.objectStoreProfiles, [DEFAULT_PROFILE]: configuration.objectStore }
  const stores = await ConfiguredObjectStores.open(urls, { clock, random })
  closers.push(() => stores.close())
  requireProfiles(metadata, stores)
  const mark = await metadata.walMark(nodeId)
  await claimStores(urls, stores, metadata, { log: effects.log, mark })
  const lease = isPostgresUrl(configuration.metadata) ? await takeLease(configuration, effects, metadata) : undefined
  if (lease !== undefined) closers.push(() => lease.close())
  const nodeEpoch = lease?.node.epoch ?? (await metadata.registerNode(nodeId))
  const wal = await openWal(configuration, effects, closers, { metadata, stores, mark, epoch: nodeEpoch })
  const engine = new StreamEngine({
    ...effects,
    nodeId,
    nodeEpoch,
    metadata,
    stores,
    wal,
    ...(lease !== undefined && wal instanceof FileWal && { mayAcknowledge: () => lease.valid() }),
    settings: configuration
  })
  closers.push(() => engine.close())
  await engine.recover()
  // From now on another folder in its place is found out, also if nothing is ever uploaded.
  if (mark === undefined) {
    const walMark = { mark: wal.mark(0), nodeEpoch }
    await metadata.commitUpload({ nodeId, objects: [], streams: [], walMark })
  }
  const use = new StorageUseRecorder({
    ...effects,
    nodeId,
    database,
    stores,
    uploadedBytes: (p) => engine.uploadedBytes(p)
  })
  use.start()
  closers.push(() => use.close())
  return { database, metadata, stores, engine, wal, nodeEpoch, lease }
}

/** Before the log is opened: from then on nobody else may take it. */
function takeLease(
  { nodeId, leaseMs }: Configuration,
  { clock, log, failed }: StorageEffects,
  metadata: SqlMetadata
): Promise<NodeLease> {
  // A lock on its folder, or the fence in the object store, keeps an earlier life from writing to the log.
  return beginLife({ clock, log, leaseMs, lost: failed, metadata, nodeId, earlierLifeMayRun: false })
}

async function openWal(
  configuration: Configuration,
  { clock, random, log }: StorageEffects,
  closers: Closers,
  parts: { metadata: SqlMetadata; stores: ConfiguredObjectStores; mark: string | undefined; epoch: number }
): Promise<Wal> {
  const { metadata, stores, mark, epoch } = parts
  const { nodeId, walBytesMax: bytesMax } = configuration
  const common = { clock, random, log, bytesMax }
  if (configuration.wal === OBJECT_WAL) {
    const store = stores.store(DEFAULT_PROFILE)
    await requireConditionalPut(store, random, configuration.objectStore)
    return new ObjectWal({ ...common, store, nodeId, epoch, loadMark: () => metadata.walMark(nodeId) })
  }
  if (mark?.startsWith(OBJECT_WAL)) {
    throw new Fault(
      'invalid',
      `node ${nodeId} has its write-ahead log in the object store, and it may hold records: start it with --wal ${OBJECT_WAL}`
    )
  }
  const folder = pathOfLocation(configuration.wal)
  makeFolder(folder)
  // It may lie elsewhere than the data directory, and be found by a node with another one.
  lock(folder, 'write-ahead log', '--wal', closers)
  const device = await FileWalDevice.open(folder)
  return new FileWal({ ...common, device, logId: await establishLogId(device, random, mark), mark })
}

function lock(directory: string, what: string, flag: string, closers: Closers): void {
  const held = DirectoryLock.acquire({ directory, what, flag })
  closers.push(() => held.release())
}

/**
 * Wrong credentials, buckets and prefixes are told at the start. A store that is away is not, if this cluster has used it
 * before: the log lasts for a while.
 */
async function claimStores(
  urls: Readonly<Record<string, string>>,
  stores: ConfiguredObjectStores,
  { clusterId, image }: SqlMetadata,
  { log, mark }: { readonly log: Log; readonly mark: string | undefined }
): Promise<void> {
  for (const profile of stores.profiles()) {
    const known = [...image.objects()].findLast((object) => object.profile === profile)?.key
    const name = urls[profile] ?? profile
    const isDefault = profile === DEFAULT_PROFILE
    // Its log lies there, and may hold all there is.
    const isClaimed = isDefault && mark?.startsWith(OBJECT_WAL) === true
    // The first mark was set after the first claim.
    const wasUsed = known !== undefined || (isDefault && mark !== undefined)
    try {
      await claimStore({ store: stores.store(profile), name, clusterId, known, isClaimed })
    } catch (error) {
      if (!isFault(error, 'unavailable') || !wasUsed) throw error
      log.warn({ error: error.message }, `object store ${name} is away; its data can be read once it is back`)
    }
  }
}

/** What was stored under a profile can be reached only while the configuration knows the name. */
function requireProfiles({ image }: SqlMetadata, stores: ConfiguredObjectStores): void {
  const known = new Set(stores.profiles())
  const named = [...image.topics()].map(({ configs }) => configs[PROFILE_SETTING] ?? DEFAULT_PROFILE)
  for (const profile of [...[...image.objects()].map((object) => object.profile), ...named]) {
    if (known.has(profile)) continue
    throw new Fault(
      'invalid',
      `records belong into the object-store profile "${profile}", which is not configured: add it to objectStoreProfiles`
    )
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true })
    accessSync(path, constants.W_OK)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('invalid', `cannot write to ${path}: ${reason}; name a writable directory with --data-dir`, {
      cause
    })
  }
}
