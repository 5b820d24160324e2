/**
 * Reads an object from its end to its blocks, for tools that must look at everything and trust nothing: blocks come in
 * groups of some megabytes, so that a full read costs few requests, and one damaged block does not hide the next.
 * Nodes read through `stream/objects/object-reader.ts` instead, which stops at the first contradiction.
 */
import type { ObjectStore } from '../../object-store/object-store.ts'
import { Fault, isFault } from '../../runtime/fault.ts'
import type { Entry } from '../../stream/entry.ts'
import { decodeDataBlock } from '../../stream/objects/data-block.ts'
import { decodeObjectFooter, FOOTER_BYTES } from '../../stream/objects/object-footer.ts'
import { type BlockRef, decodeObjectIndex } from '../../stream/objects/object-index.ts'

/** One GET; also the memory that reading an object takes, unless one block is larger. */
const GROUP_BYTES = 4 * 1024 * 1024
const TAIL_BYTES = 64 * 1024

export interface ObjectLayout {
  /** Where the blocks end and the index begins. */
  readonly indexPosition: number
  readonly indexBytes: number
  readonly blocks: readonly BlockRef[]
}

/**
 * Footer and index. Fault `corrupt` says what is wrong; `missing` and `unavailable` come from the store.
 * @param size bytes of the object, as the store has it.
 */
export async function loadLayout(store: ObjectStore, key: string, size: number): Promise<ObjectLayout> {
  const place = `object ${key}`
  if (size < FOOTER_BYTES) throw new Fault('corrupt', `${place} has only ${size} bytes`)
  const tailStart = Math.max(0, size - TAIL_BYTES)
  const tail = await store.get(key, { start: tailStart, end: size })
  const { indexPosition, indexBytes } = decodeObjectFooter(tail, size, place)
  const indexEnd = indexPosition + indexBytes
  // An index of no bytes cannot be asked for, and is none.
  const index =
    indexPosition >= tailStart || indexBytes === 0
      ? tail.subarray(Math.max(0, indexPosition - tailStart), Math.max(0, indexEnd - tailStart))
      : await store.get(key, { start: indexPosition, end: indexEnd })
  return { indexPosition, indexBytes, blocks: [...decodeObjectIndex(index, `${place} at position ${indexPosition}`)] }
}

export interface ReadBlock {
  readonly block: BlockRef
  /** Its entries, or the Fault `corrupt` that it is. */
  readonly content: readonly Entry[] | Fault
}

/**
 * The given blocks, which must lie inside the object and follow each other in it (not necessarily without gaps).
 * Throws the store's faults.
 */
export async function* readBlocks(
  store: ObjectStore,
  key: string,
  blocks: readonly BlockRef[]
): AsyncGenerator<ReadBlock> {
  for (const group of groups(blocks)) {
    const start = group[0]?.position ?? 0
    const last = group.at(-1)
    const bytes = await store.get(key, { start, end: last === undefined ? start : last.position + last.bytes })
    for (const block of group) {
      const at = block.position - start
      yield { block, content: decoded(bytes.subarray(at, at + block.bytes), block, key) }
    }
  }
}

function decoded(bytes: Buffer, block: BlockRef, key: string): readonly Entry[] | Fault {
  try {
    return decodeDataBlock(bytes, block.streamId, `object ${key} at position ${block.position}`)
  } catch (error) {
    if (isFault(error, 'corrupt')) return error
    throw error
  }
}

/** Neighbours together, up to the bytes of one GET; at least one block each. */
function* groups(blocks: readonly BlockRef[]): Generator<BlockRef[]> {
  let group: BlockRef[] = []
  for (const block of blocks) {
    const first = group[0]
    const previous = group.at(-1)
    const adjacent = previous === undefined || previous.position + previous.bytes === block.position
    const fits = first === undefined || block.position + block.bytes - first.position <= GROUP_BYTES
    if (!adjacent || !fits) {
      yield group
      group = []
    }
    group.push(block)
  }
  if (group.length > 0) yield group
}
