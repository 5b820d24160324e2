/** Opens what a node keeps its data in, in the order in which one needs the other, and closes it in reverse. */
import { accessSync, constants, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DataDirectoryLock } from '../metadata/data-directory-lock.ts'
import type { Database } from '../metadata/database.ts'
import { SqlMetadata } from '../metadata/sql-metadata.ts'
import { openDatabase } from '../metadata/sqlite-database.ts'
import { DirectoryObjectStore } from '../object-store/directory-object-store.ts'
import type { Clock } from '../runtime/clock.ts'
import { type Configuration, pathOfLocation } from '../runtime/configuration.ts'
import { Fault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import { StreamEngine } from '../stream/stream-engine.ts'
import { FileWal } from '../stream/wal/file-wal.ts'
import { FileWalDevice } from '../stream/wal/file-wal-device.ts'

/** The one object-store profile there is so far. */
const PROFILE = 'default'
/** Memory for blocks read back from objects: enough for some dozens of consumers that catch up. */
const BLOCK_CACHE_BYTES = 64 * 1024 * 1024

export interface StorageEffects {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export interface Storage {
  readonly database: Database
  readonly metadata: SqlMetadata
  readonly engine: StreamEngine
  close(): Promise<void>
}

/** Fault `conflict` when another process runs on the same data, `corrupt` when the log cannot be read back. */
export async function openStorage(configuration: Configuration, effects: StorageEffects): Promise<Storage> {
  const { clock, random, log } = effects
  const closers: (() => Promise<void> | void)[] = []
  const close = async (): Promise<void> => {
    for (let next = closers.pop(); next !== undefined; next = closers.pop()) await next()
  }
  try {
    makeFolder(configuration.dataDir)
    makeFolder(dirname(pathOfLocation(configuration.metadata)))
    const lock = DataDirectoryLock.acquire(configuration.dataDir)
    closers.push(() => lock.release())
    const database = await openDatabase(configuration.metadata)
    const metadata = await SqlMetadata.open({ database, clock, random })
    closers.push(() => metadata.close())
    const store = await DirectoryObjectStore.open({ root: pathOfLocation(configuration.objectStore), clock, random })
    closers.push(() => store.close())
    const device = await FileWalDevice.open(pathOfLocation(configuration.wal))
    const wal = new FileWal({ device, clock, random, log, bytesMax: configuration.walBytesMax })
    await metadata.registerNode(configuration.nodeId)
    const { logCacheBytes, uploadBytes, uploadIntervalMs } = configuration
    const engine = new StreamEngine({
      nodeId: configuration.nodeId,
      clock,
      log,
      metadata,
      store,
      wal,
      settings: { logCacheBytes, blockCacheBytes: BLOCK_CACHE_BYTES, uploadBytes, uploadIntervalMs, profile: PROFILE }
    })
    closers.push(() => engine.close())
    await engine.recover()
    return { database, metadata, engine, close }
  } catch (error) {
    await close()
    throw error
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
