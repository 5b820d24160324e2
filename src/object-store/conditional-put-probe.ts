/**
 * Finds out, before anything rests on it, whether a store keeps the promise of `ifAbsent`. Some S3-compatible stores
 * ignore `If-None-Match` and replace the object: a log fenced by such puts would lose acknowledged data silently.
 */
import { Fault, isFault } from '../runtime/fault.ts'
import { type Random, uuid } from '../runtime/random.ts'
import type { ObjectStore } from './object-store.ts'

/** Of objects that a probe which died may have left; they are empty and may be deleted at any time. */
const PROBE_PREFIX = 'conditional-put-probe/'

/**
 * Puts a key twice. Fault `invalid` when the second put succeeds; other Faults (no access, unavailable) pass through.
 * `name` tells the store in messages: its URL.
 */
export async function requireConditionalPut(store: ObjectStore, random: Random, name: string): Promise<void> {
  const key = PROBE_PREFIX + uuid(random)
  try {
    await store.put(key, [Buffer.from('first')], { ifAbsent: true })
    await store.put(key, [Buffer.from('second')], { ifAbsent: true })
  } catch (error) {
    if (isFault(error, 'conflict')) return
    throw error
  } finally {
    // Its failure must not hide the answer; what it leaves harms nobody.
    await store.delete([key]).catch(() => undefined)
  }
  throw new Fault(
    'invalid',
    `object store ${name} ignores conditional writes (If-None-Match: *): it replaced an object that was to be ` +
      'written only when absent. The object WAL needs them: use Amazon S3 or a compatible store that has them, such as ' +
      'versitygw or MinIO, or a file WAL (wal: file:///…)'
  )
}
