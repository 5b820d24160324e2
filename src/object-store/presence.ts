/** Asking for objects that may not be there: their absence is an answer, every other Fault passes through. */
import { isFault } from '../runtime/fault.ts'
import type { ByteRange, ObjectStore } from './object-store.ts'

/** The object, or the bytes of `range`; undefined when there is none. */
export function getIfPresent(
  store: Pick<ObjectStore, 'get'>,
  key: string,
  range?: ByteRange
): Promise<Buffer | undefined> {
  return unlessMissing(store.get(key, range))
}

export async function objectExists(store: Pick<ObjectStore, 'head'>, key: string): Promise<boolean> {
  return (await unlessMissing(store.head(key))) !== undefined
}

async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (isFault(error, 'missing')) return undefined
    throw error
  }
}
