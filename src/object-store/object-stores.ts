/**
 * The object stores of a node by profile: a name for a bucket, region and prefix. Every object's metadata carries the
 * profile that holds it, and a topic may name the one that its records must go to (residency).
 */
import type { ObjectStore } from './object-store.ts'

/** The profile of everything that names none. */
export const DEFAULT_PROFILE = 'default'

export interface ObjectStores {
  /** Fault `invalid` when no such profile is configured. */
  store(profile: string): ObjectStore
  /** Names, the default first. */
  profiles(): readonly string[]
  close(): Promise<void>
}
