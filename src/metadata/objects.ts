/**
 * Queries on the life of objects: prepared → committed → destroyed → gone. `commit-upload.ts` makes the second step.
 * Each runs inside a transaction that holds the feed lock.
 */
import { Fault } from '../runtime/fault.ts'
import type { ChangeSet } from './change-feed.ts'
import { batches, type Tx } from './database.ts'
import { objectOf } from './image-loader.ts'
import type { StoredObject } from './metadata.ts'
import { allocate } from './sequences.ts'

/**
 * `objects/<2 hex digits>/<id>`. Stores spread load by key prefix, so that neighbouring ids must not share one: the
 * digits are the top byte of the id times 2^32 divided by the golden ratio (Fibonacci hashing).
 */
function objectKey(id: number): string {
  const spread = Math.imul(id, 0x9e3779b1) >>> 24
  return `objects/${spread.toString(16).padStart(2, '0')}/${String(id).padStart(16, '0')}`
}

/** No change is announced: the image shows an object once it is committed. */
export async function prepareObject(tx: Tx, profile: string, now: number): Promise<StoredObject> {
  const id = await allocate(tx, 'object', 1)
  const object: StoredObject = { id, key: objectKey(id), bytes: 0, profile }
  await tx
    .insertInto('object')
    .values({ ...object, state: 'prepared', state_changed_at: now, upload_digest: null })
    .execute()
  return object
}

/** Of the given committed objects, destroys those that hold no range any more. */
export async function destroyEmptyObjects(
  tx: Tx,
  changes: ChangeSet,
  objectIds: readonly number[],
  now: number
): Promise<void> {
  for (const ids of batches(objectIds)) {
    const rows = await tx
      .updateTable('object')
      .set({ state: 'destroyed', state_changed_at: now })
      .where('id', 'in', ids)
      .where('state', '=', 'committed')
      .where(({ not, exists, selectFrom }) =>
        not(exists(selectFrom('stream_range').select('object_id').whereRef('object_id', '=', 'object.id')))
      )
      .returning('id')
      .execute()
    for (const row of rows) changes.objects.add(row.id)
  }
}

/**
 * Objects that are due for deletion. Those that were only prepared are given up here and now: whoever still tries to
 * commit one is refused, rather than left with an object whose bytes are being deleted.
 */
export async function expiredObjects(tx: Tx, before: number): Promise<StoredObject[]> {
  await tx
    .updateTable('object')
    .set({ state: 'destroyed' })
    .where('state', '=', 'prepared')
    .where('state_changed_at', '<', before)
    .execute()
  const rows = await tx
    .selectFrom('object')
    .selectAll()
    .where('state', '=', 'destroyed')
    .where('state_changed_at', '<', before)
    .orderBy('id')
    .execute()
  return rows.map(objectOf)
}

export async function forgetObjects(tx: Tx, objectIds: readonly number[]): Promise<void> {
  for (const ids of batches(objectIds)) {
    const live = await tx
      .selectFrom('object')
      .select('id')
      .where('id', 'in', ids)
      .where('state', '=', 'committed')
      .executeTakeFirst()
    if (live !== undefined) throw new Fault('invalid', `object ${live.id} is in use and cannot be forgotten`)
    await tx.deleteFrom('object').where('id', 'in', ids).execute()
  }
}
