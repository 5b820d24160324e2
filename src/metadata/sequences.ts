/** Numbers that are handed out once: ids of streams, objects and producers, places in the change feed, epochs of feature levels. */
import type { Tx } from './database.ts'

export type SequenceName = 'stream' | 'object' | 'producer' | 'change' | 'feature'

/**
 * Reserves `count` numbers and returns the first; a sequence starts at 1. A rolled-back transaction gives them back.
 * The row stays locked until the transaction ends; with a count of 0 that lock is the only effect.
 */
export async function allocate(tx: Tx, name: SequenceName, count: number): Promise<number> {
  const row = await tx
    .insertInto('sequence')
    .values({ name, next: 1 + count })
    .onConflict((conflict) => conflict.column('name').doUpdateSet((eb) => ({ next: eb('sequence.next', '+', count) })))
    .returning('next')
    .executeTakeFirstOrThrow()
  return row.next - count
}
