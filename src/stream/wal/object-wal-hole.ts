/**
 * Tells a hole in the log from its end. This only guards against lost objects and a wrong mark: where the log ends, the
 * first missing key says, and no list is trusted for it.
 */
import type { ByteRange, ObjectInfo } from '../../object-store/object-store.ts'
import { decodeObjectHeader, OBJECT_HEADER_BYTES } from './object-wal-object.ts'
import { keyOf, type LogPlace, prefixOfLog, sequenceOf } from './object-wal-place.ts'

/** How the objects of a log are looked at; whoever asks decides about trying again. */
export interface LogAccess {
  /** The last of the objects with this prefix, by key. */
  last(prefix: string): Promise<ObjectInfo | undefined>
  getIfPresent(key: string, range?: ByteRange): Promise<Buffer | undefined>
}

/**
 * Whether the object at `place`, which was not found, had been stored: the last object of the log says so. Objects behind
 * the end alone say nothing, as PUTs overtake each other. Fault `corrupt` when that last object is damaged.
 */
export async function isHole(access: LogAccess, nodeId: number, place: LogPlace): Promise<boolean> {
  const last = await access.last(prefixOfLog(nodeId, place.epoch))
  const sequence = last === undefined ? undefined : sequenceOf(last.key)
  if (last === undefined || sequence === undefined || sequence <= place.sequence) return false
  const range = { start: 0, end: Math.min(last.size, OBJECT_HEADER_BYTES) }
  const found = await access.getIfPresent(last.key, range)
  if (found === undefined) return false
  const header = decodeObjectHeader(found, nodeId, { epoch: place.epoch, sequence })
  if (header.kind === 'batch' && header.durableTo <= place.sequence) return false
  // Written while we looked? Then it is there now.
  return (await access.getIfPresent(keyOf(nodeId, place))) === undefined
}

export async function lastOf(objects: AsyncIterable<ObjectInfo>): Promise<ObjectInfo | undefined> {
  let last: ObjectInfo | undefined
  for await (const object of objects) last = object
  return last
}
