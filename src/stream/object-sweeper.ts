/**
 * Deletes what nothing refers to any more: objects that were destroyed, objects announced and never committed, and bytes in
 * the store that the metadata has forgotten.
 *
 * Invariant: no live object is deleted. What the metadata calls expired is given up by the same call, so no commit can
 * bring it back; what it does not know at all is deleted only when its id was given out before. The grace time is longer
 * than the slowest reader lags: a reader holds on to what it knows of an object for one read, seconds at most, then
 * looks at the metadata again. Should one still come too late, it finds the object missing, looks again and goes on.
 *
 * Several nodes may sweep at the same time: deleting twice does no harm.
 */
import type { Metadata, StoredObject } from '../metadata/metadata.ts'
import type { ObjectStores } from '../object-store/object-stores.ts'
import type { Clock } from '../runtime/clock.ts'
import { isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'

const MINUTE_MS = 60_000
/** Rows that a failing store may hold up before others wait behind them. */
const STUCK_MAX = 10_000
/** Orphans that one pass deletes: there are never many, and they must fit into memory. */
const ORPHANS_MAX = 10_000
const OBJECTS_PREFIX = 'objects/'
/** `objects/<2 hex digits>/<id>`, as the metadata makes them. */
const OBJECT_KEY = /^objects\/[0-9a-f]{2}\/(\d{16})$/

export interface SweepSettings {
  /** How long an object stays after it was destroyed, or announced and not committed; milliseconds. */
  readonly graceMs: number
  /** How often expired objects are deleted, milliseconds. */
  readonly intervalMs: number
  /** About how often the store is listed to find orphans, milliseconds. A LIST request per 1000 objects. */
  readonly orphanIntervalMs: number
  /** Objects per call to the store and the metadata. S3 takes 1000. */
  readonly batch: number
}

export const SWEEP_SETTINGS: SweepSettings = {
  graceMs: 10 * MINUTE_MS,
  intervalMs: MINUTE_MS,
  orphanIntervalMs: 6 * 60 * MINUTE_MS,
  batch: 1_000
}

export interface ObjectSweeperParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metadata: Pick<Metadata, 'image' | 'expiredObjects' | 'forgetObjects' | 'knownObjects'>
  readonly stores: ObjectStores
  readonly settings?: SweepSettings
}

export interface SweepStats {
  /** Objects deleted because they expired. */
  readonly expired: number
  /** Objects deleted that the metadata did not know. */
  readonly orphans: number
}

export class ObjectSweeper {
  readonly #parts: ObjectSweeperParts
  readonly #settings: SweepSettings
  readonly #stats = { expired: 0, orphans: 0 }
  readonly #cancelTimers = new Set<() => void>()
  readonly #running = new Set<Promise<void>>()
  #closed = false

  constructor(parts: ObjectSweeperParts) {
    this.#parts = parts
    this.#settings = parts.settings ?? SWEEP_SETTINGS
  }

  start(): void {
    const { intervalMs, orphanIntervalMs } = this.#settings
    this.#repeat(
      () => intervalMs,
      () => this.sweep()
    )
    // Jittered, so that the nodes of a cluster do not list the store together.
    this.#repeat(
      () => orphanIntervalMs * (0.5 + this.#parts.random.float()),
      () => this.collectOrphans()
    )
  }

  /** Deletes what is due. A store that fails holds up its own objects only. */
  async sweep(): Promise<void> {
    const { clock, metadata, stores, log } = this.#parts
    const isOnly = stores.profiles().length === 1
    const stuck = new Set<number>()
    try {
      while (!this.#closed && stuck.size < STUCK_MAX) {
        const limit = this.#settings.batch + stuck.size
        const expired = await metadata.expiredObjects(clock.now() - this.#settings.graceMs, limit)
        const fresh = expired.filter(({ id }) => !stuck.has(id))
        for (const [profile, objects] of byProfile(fresh)) {
          if (await this.#delete(profile, objects)) continue
          if (isOnly) return
          for (const { id } of objects) stuck.add(id)
        }
        if (expired.length < limit) return
      }
    } catch (error) {
      if (!isFault(error)) throw error
      log.warn({ error: error.message }, 'expired objects stay until the next sweep')
    }
  }

  /**
   * Lists the stores and deletes what the metadata has forgotten: bytes that arrived after their object was given up. An
   * id above all committed ones that the metadata does not know was given out by another database: then the store
   * is shared, or the database was restored from an old copy, and nothing is deleted at all. A list that is stale does no
   * harm: ids are never given out twice.
   */
  async collectOrphans(): Promise<void> {
    for (const profile of this.#parts.stores.profiles()) {
      try {
        await this.#collectOrphansOf(profile)
      } catch (error) {
        if (!isFault(error)) throw error
        this.#parts.log.warn({ profile, error: error.message }, 'orphans stay until the store is listed again')
      }
    }
  }

  stats(): SweepStats {
    return { ...this.#stats }
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const cancel of this.#cancelTimers) cancel()
    await Promise.all(this.#running)
  }

  #repeat(delayMs: () => number, work: () => Promise<void>): void {
    if (this.#closed) return
    const cancel = this.#parts.clock.after(delayMs(), () => {
      this.#cancelTimers.delete(cancel)
      const running = work().finally(() => {
        this.#running.delete(running)
        this.#repeat(delayMs, work)
      })
      this.#running.add(running)
    })
    this.#cancelTimers.add(cancel)
  }

  /** False when the objects, or their rows, are still there. */
  async #delete(profile: string, objects: readonly StoredObject[]): Promise<boolean> {
    const { metadata, stores, log } = this.#parts
    try {
      await stores.store(profile).delete(objects.map(({ key }) => key))
    } catch (error) {
      if (!isFault(error)) throw error
      log.warn({ profile, objects: objects.length, error: error.message }, 'expired objects could not be deleted')
      return false
    }
    await metadata.forgetObjects(objects.map(({ id }) => id))
    this.#stats.expired += objects.length
    log.debug({ profile, objects: objects.length }, 'expired objects deleted')
    return true
  }

  async #collectOrphansOf(profile: string): Promise<void> {
    const { stores, log } = this.#parts
    const store = stores.store(profile)
    const orphans: string[] = []
    let batch = new Map<number, string>()
    let isForeign = false
    const look = async (): Promise<void> => {
      const { unknown, foreign } = await this.#unknownOf(batch)
      isForeign ||= foreign
      orphans.push(...unknown)
      batch = new Map()
    }
    for await (const { key } of store.list(OBJECTS_PREFIX)) {
      if (this.#closed) return
      const id = OBJECT_KEY.exec(key)?.[1]
      // Whatever else lies there is not ours.
      if (id === undefined) continue
      batch.set(Number(id), key)
      if (batch.size >= this.#settings.batch) await look()
      if (isForeign || orphans.length >= ORPHANS_MAX) break
    }
    await look()
    if (isForeign) {
      log.warn(
        { profile },
        'the object store holds objects of another database: give every cluster a prefix of its own; no orphans are deleted'
      )
      return
    }
    for (let at = 0; at < orphans.length; at += this.#settings.batch) {
      await store.delete(orphans.slice(at, at + this.#settings.batch))
    }
    this.#stats.orphans += orphans.length
    if (orphans.length > 0) log.info({ profile, orphans: orphans.length }, 'orphans deleted')
  }

  /** Keys of ids that were given out and forgotten; foreign when an id was never given out as far as one can tell. */
  async #unknownOf(keys: ReadonlyMap<number, string>): Promise<{ unknown: string[]; foreign: boolean }> {
    const { metadata } = this.#parts
    const known = await metadata.knownObjects([...keys.keys()])
    const unknown = [...keys].filter(([id]) => !known.has(id))
    let highest = 0
    if (unknown.length > 0) for (const { id } of metadata.image.objects()) highest = Math.max(highest, id)
    return { unknown: unknown.map(([, key]) => key), foreign: unknown.some(([id]) => id > highest) }
  }
}

function byProfile(objects: readonly StoredObject[]): Map<string, StoredObject[]> {
  const profiles = new Map<string, StoredObject[]>()
  for (const object of objects) {
    const others = profiles.get(object.profile)
    if (others === undefined) profiles.set(object.profile, [object])
    else others.push(object)
  }
  return profiles
}
