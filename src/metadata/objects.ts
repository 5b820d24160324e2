/**
 * Queries on the life of objects: prepared → committed → destroyed → gone. `committed-objects.ts` makes the second step.
 * Each runs inside a transaction of `Database.write`.
 */
import { Fault } from '../runtime/fault.ts'
import type { ChangeSet } from './change-feed.ts'
import { batches, type Tx } from './database.ts'
import { objectOf } from './image-loader.ts'
import type { StoredObject } from './metadata.ts'
import type { ObjectState, Tables } from './schema.ts'
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
  const row = { id, key: objectKey(id), profile, bytes: 0, state_changed_at: now }
  await tx
    .insertInto('object')
    .values({ ...row, state: 'prepared', upload_digest: null })
    .execute()
  return objectOf(row)
}

export async function renewObjects(tx: Tx, objectIds: readonly number[], now: number): Promise<void> {
  for (const ids of batches(objectIds)) {
    await tx
      .updateTable('object')
      .set({ state_changed_at: now })
      .where('id', 'in', ids)
      .where('state', '=', 'prepared')
      .execute()
  }
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
 * Objects that are due for deletion, oldest first, at most `limit`. Those that were only prepared are given up here and
 * now: whoever still tries to commit one is refused, rather than left with an object whose bytes are being deleted.
 * Being given up does not make an object younger, so that it is due again if the caller fails to delete it.
 */
export async function expiredObjects(tx: Tx, before: number, limit: number): Promise<StoredObject[]> {
  if (!Number.isSafeInteger(limit) || limit < 1) throw new Fault('invalid', `ask for at least 1 object, not ${limit}`)
  // By state, because the index can give the oldest of one state without sorting them all.
  const due = [...(await oldest(tx, 'destroyed', before, limit)), ...(await oldest(tx, 'prepared', before, limit))]
  const rows = due.toSorted((a, b) => a.state_changed_at - b.state_changed_at || a.id - b.id).slice(0, limit)
  for (const ids of batches(rows.filter((row) => row.state === 'prepared').map((row) => row.id))) {
    await tx.updateTable('object').set({ state: 'destroyed' }).where('id', 'in', ids).execute()
  }
  return rows.map(objectOf)
}

function oldest(tx: Tx, state: ObjectState, before: number, limit: number): Promise<Tables['object'][]> {
  return tx
    .selectFrom('object')
    .selectAll()
    .where('state', '=', state)
    .where('state_changed_at', '<', before)
    .orderBy('state_changed_at')
    .orderBy('id')
    .limit(limit)
    .execute()
}

export async function knownObjects(tx: Tx, objectIds: readonly number[]): Promise<Set<number>> {
  const known = new Set<number>()
  for (const ids of batches(objectIds)) {
    const rows = await tx.selectFrom('object').select('id').where('id', 'in', ids).execute()
    for (const row of rows) known.add(row.id)
  }
  return known
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
