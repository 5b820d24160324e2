/**
 * The object stores of a node as its configuration names them: one URL per profile, `file:///directory` or
 * `s3://bucket/prefix?…` (`s3-location.ts`). The only place that knows which stores there are; each is metered.
 */
import { fileURLToPath } from 'node:url'
import type { Clock } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import type { Random } from '../runtime/random.ts'
import { DirectoryObjectStore } from './directory-object-store.ts'
import { MeteredObjectStore } from './metered-object-store.ts'
import { DEFAULT_PROFILE, type ObjectStores } from './object-stores.ts'
import type { S3Credentials } from './s3-client.ts'
import { parseS3Location } from './s3-location.ts'
import type { S3Settings } from './s3-settings.ts'

export interface ObjectStoreEffects {
  readonly clock: Clock
  readonly random: Random
  /** Of S3 stores; undefined: the standard AWS chain. */
  readonly credentials?: S3Credentials | undefined
  readonly s3Settings?: Partial<S3Settings>
}

/** Fault `invalid` when the URL names no store; the message says what to change. */
export async function openObjectStore(url: string, effects: ObjectStoreEffects): Promise<MeteredObjectStore> {
  if (url.startsWith('file:')) {
    return new MeteredObjectStore({ store: await DirectoryObjectStore.open({ ...effects, root: directoryOf(url) }) })
  }
  if (!url.startsWith('s3:')) {
    throw new Fault('invalid', `object store ${url}: expected file:///directory or s3://bucket/prefix?region=…`)
  }
  const location = parseS3Location(url)
  // The AWS SDK takes 77 ms to load: only who uses it shall pay for it.
  const { openS3ObjectStore } = await import('./s3-object-store.ts')
  const store = openS3ObjectStore({ ...effects, location, settings: effects.s3Settings ?? {} })
  return new MeteredObjectStore({ store, requests: () => ({ ...store.requestCounts }) })
}

export class ConfiguredObjectStores implements ObjectStores {
  readonly #stores: ReadonlyMap<string, MeteredObjectStore>

  /** Opens all at once: a wrong URL shall keep a node from starting, not surface with the first topic that uses it. */
  static async open(
    urls: Readonly<Record<string, string>>,
    effects: ObjectStoreEffects
  ): Promise<ConfiguredObjectStores> {
    if (urls[DEFAULT_PROFILE] === undefined) {
      throw new Fault(
        'invalid',
        `no object store has the name ${DEFAULT_PROFILE}, which everything uses that names none`
      )
    }
    const profiles = [DEFAULT_PROFILE, ...Object.keys(urls).filter((profile) => profile !== DEFAULT_PROFILE)]
    const stores = new Map<string, MeteredObjectStore>()
    try {
      for (const profile of profiles) stores.set(profile, await openObjectStore(urls[profile] ?? '', effects))
    } catch (error) {
      await closeAll(stores)
      throw error
    }
    return new ConfiguredObjectStores(stores)
  }

  private constructor(stores: ReadonlyMap<string, MeteredObjectStore>) {
    this.#stores = stores
  }

  store(profile: string): MeteredObjectStore {
    const store = this.#stores.get(profile)
    if (store !== undefined) return store
    throw new Fault('invalid', `there is no object store "${profile}"; configured are ${this.profiles().join(', ')}`)
  }

  profiles(): readonly string[] {
    return [...this.#stores.keys()]
  }

  async close(): Promise<void> {
    await closeAll(this.#stores)
  }
}

async function closeAll(stores: ReadonlyMap<string, MeteredObjectStore>): Promise<void> {
  await Promise.all([...stores.values()].map((store) => store.close()))
}

function directoryOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !url.startsWith('file:///') || parsed.search !== '' || parsed.hash !== '') {
    throw new Fault('invalid', `object store ${url}: expected file:///directory, an absolute path and nothing after it`)
  }
  return fileURLToPath(parsed)
}
