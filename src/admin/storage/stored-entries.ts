/**
 * Entries as they are stored, one after the other: of an object, or all that is stored of a stream. Damage is handed out
 * in its place, and reading goes on behind it.
 */
import type { ObjectStore } from '../../object-store/object-store.ts'
import { Fault, isFault } from '../../runtime/fault.ts'
import type { BlockRef } from '../../stream/objects/object-index.ts'
import { loadLayout, readBlocks } from './object-layout.ts'
import type { StoredData } from './stored-data.ts'
import type { EntryOrProblem } from './stored-entry.ts'
import { loadStoredState, type StoredState } from './stored-state.ts'

/** How often a stream is begun again because a node moved data from the log to objects, or between objects, meanwhile. */
const ROUNDS_MAX = 5

/** Everything that an object holds, whatever the metadata says of it. Fault `missing`; `corrupt` when no block can be found. */
export async function* readObject(
  store: ObjectStore,
  key: string,
  wanted: (block: BlockRef) => boolean = () => true
): AsyncGenerator<EntryOrProblem> {
  const { size } = await store.head(key)
  const layout = await loadLayout(store, key, size)
  for await (const { block, content } of readBlocks(store, key, layout.blocks.filter(wanted))) {
    const place = `${key} at byte ${block.position}`
    if (isFault(content)) yield { place, problem: content.message, nextOffset: block.lastOffset + 1 }
    else for (const entry of content) yield { streamId: block.streamId, entry, place }
  }
}

/**
 * What is stored of a stream from the entry that holds `fromOffset` on: first what objects hold, then what is in the log
 * alone. Fault `missing` when the stream is gone.
 */
export async function* readStream(
  data: StoredData,
  streamId: number,
  fromOffset: number
): AsyncGenerator<EntryOrProblem> {
  let next = fromOffset
  for (let round = 1; ; round++) {
    const last = round === ROUNDS_MAX
    const state = await loadStoredState(data.database)
    const stream = state.streams.get(streamId)
    if (stream === undefined) throw new Fault('missing', `stream ${streamId} was deleted`)
    next = Math.max(next, stream.startOffset)
    try {
      for await (const item of readRanges(data, state, streamId, next)) {
        next = Math.max(next, nextOffset(item) ?? next)
        yield item
      }
      next = Math.max(next, stream.endOffset)
      let gap = false
      for await (const item of readLogs(data, streamId, next)) {
        // What lies between went from the log to objects meanwhile.
        gap = 'entry' in item && item.entry.baseOffset > next && !last
        if (gap) break
        next = Math.max(next, nextOffset(item) ?? next)
        yield item
      }
      if (!gap) return
    } catch (error) {
      // Compacted away, or a segment used again, while it was read.
      if (!isFault(error, 'missing') || last) throw error
    }
  }
}

function nextOffset(item: EntryOrProblem): number | undefined {
  return 'entry' in item ? item.entry.lastOffset + 1 : item.nextOffset
}

async function* readRanges(
  { stores }: StoredData,
  state: StoredState,
  streamId: number,
  fromOffset: number
): AsyncGenerator<EntryOrProblem> {
  for (const range of state.ranges.get(streamId) ?? []) {
    const object = state.objects.get(range.objectId)
    if (range.endOffset <= fromOffset || object === undefined) continue
    const from = Math.max(fromOffset, range.startOffset)
    const wanted = (block: BlockRef): boolean =>
      block.streamId === streamId && block.lastOffset >= from && block.firstOffset < range.endOffset
    for await (const item of readObject(stores.store(object.profile), object.key, wanted)) {
      if ('entry' in item && (item.entry.lastOffset < from || item.entry.baseOffset >= range.endOffset)) continue
      yield item
    }
  }
}

/** Entries of a stream from `fromOffset` on, and whatever of the logs cannot be read. */
async function* readLogs(data: StoredData, streamId: number, fromOffset: number): AsyncGenerator<EntryOrProblem> {
  for (const log of data.logs) {
    for await (const item of log.entries()) {
      const wanted = !('entry' in item) || (item.streamId === streamId && item.entry.lastOffset >= fromOffset)
      if (wanted) yield item
    }
  }
}
