/** One store under the default profile: what most tests, and small tools, need of `ObjectStores`. */
import { Fault } from '../runtime/fault.ts'
import type { ObjectStore } from './object-store.ts'
import { DEFAULT_PROFILE, type ObjectStores } from './object-stores.ts'

export function singleObjectStore(store: ObjectStore): ObjectStores {
  return {
    store(profile) {
      if (profile === DEFAULT_PROFILE) return store
      throw new Fault('invalid', `there is no object store "${profile}"; there is only ${DEFAULT_PROFILE}`)
    },
    profiles: () => [DEFAULT_PROFILE],
    close: () => store.close()
  }
}
