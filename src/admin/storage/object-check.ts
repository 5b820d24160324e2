/**
 * Checks one object against itself and against the ranges that the metadata has of it: footer, index, every block's
 * checksum, order of entries, sizes, offsets and timestamps. Memory is bounded by a few megabytes, whatever its size.
 *
 * What the metadata no longer refers to (trimmed, deleted or rewritten offsets) may still lie in an object: that is
 * read and checked too, but nothing is expected of it.
 */
import type { ObjectRange, StoredObject } from '../../metadata/metadata.ts'
import type { ObjectStore } from '../../object-store/object-store.ts'
import { type Fault, isFault } from '../../runtime/fault.ts'
import type { Entry } from '../../stream/entry.ts'
import type { BlockRef } from '../../stream/objects/object-index.ts'
import { damage, type Finding } from './finding.ts'
import { loadLayout, type ObjectLayout, readBlocks } from './object-layout.ts'
import { RangeCheck } from './range-check.ts'

export interface CheckedEntry {
  readonly records: number
  /** What is wrong with the entry's payload; undefined when nothing is. */
  readonly problem: string | undefined
}

/** Looks into payloads, which the storage engine itself does not understand. */
export type EntryCheck = (entry: Entry) => Promise<CheckedEntry>

export interface ObjectCheckParts {
  readonly store: ObjectStore
  readonly object: StoredObject
  /** What the metadata has of the object, by stream and offset. */
  readonly ranges: readonly ObjectRange[]
  /** False for streams that are not to be looked at. */
  readonly wanted: (streamId: number) => boolean
  /** First offset of a stream from which on every offset must be in an entry; Infinity when gaps are legal everywhere. */
  readonly denseFrom: (streamId: number) => number
  readonly nameOf: (streamId: number) => string
  readonly checkEntry?: EntryCheck
}

export interface CheckedObject {
  readonly findings: readonly Finding[]
  /** Bytes of blocks that were read. */
  readonly bytes: number
  readonly blocks: number
  readonly entries: number
  /** 0 unless `checkEntry` was given. */
  readonly records: number
}

export async function checkObject(parts: ObjectCheckParts): Promise<CheckedObject> {
  const check = new ObjectCheck(parts)
  try {
    await check.run()
  } catch (error) {
    check.failed(error)
  }
  return check.result()
}

class ObjectCheck {
  readonly #parts: ObjectCheckParts
  readonly #findings: Finding[] = []
  /** By stream, each by offset. */
  readonly #ranges = new Map<number, RangeCheck[]>()
  #bytes = 0
  #blocks = 0
  #entries = 0
  #records = 0

  constructor(parts: ObjectCheckParts) {
    this.#parts = parts
    for (const range of parts.ranges) {
      const { streamId } = range
      if (!parts.wanted(streamId)) continue
      const ofStream = this.#ranges.get(streamId) ?? []
      this.#ranges.set(streamId, [...ofStream, new RangeCheck(range, parts.denseFrom(streamId))])
    }
  }

  async run(): Promise<void> {
    const { store, object, wanted } = this.#parts
    const { size } = await store.head(object.key)
    if (size !== object.bytes) this.#report('', `it has ${size} bytes, the metadata says ${object.bytes}`)
    const layout = await loadLayout(store, object.key, size)
    // An index that contradicts itself says nothing about the bytes that it points at.
    if (!this.#checkIndex(layout)) return
    const blocks = layout.blocks.filter((block) => wanted(block.streamId))
    let previous: Entry | undefined
    let previousStream = -1
    for await (const { block, content } of readBlocks(store, object.key, blocks)) {
      this.#blocks++
      this.#bytes += block.bytes
      if (block.streamId !== previousStream) previous = undefined
      previousStream = block.streamId
      previous = await this.#checkBlock(block, content, previous)
    }
    for (const range of [...this.#ranges.values()].flat()) this.#checkRange(range)
  }

  /** What ended the check early. */
  failed(error: unknown): void {
    if (isFault(error, 'missing')) this.#report('', 'the metadata names it, the store does not have it')
    else if (isFault(error, 'corrupt')) this.#report('', error.message)
    else if (isFault(error)) {
      const remedy = 'see that the object store answers, and verify again'
      this.#findings.push({ kind: 'unreadable', place: this.#parts.object.key, problem: error.message, remedy })
    } else throw error
  }

  result(): CheckedObject {
    return {
      findings: this.#findings,
      bytes: this.#bytes,
      blocks: this.#blocks,
      entries: this.#entries,
      records: this.#records
    }
  }

  #checkIndex({ blocks, indexPosition }: ObjectLayout): boolean {
    let position = 0
    let previous: BlockRef | undefined
    for (const [row, block] of blocks.entries()) {
      const place = ` at byte ${indexPosition}, index row ${row}`
      if (block.position !== position || block.bytes === 0) {
        this.#report(place, `the block is said to be at byte ${block.position}, the one before ends at ${position}`)
        return false
      }
      const rises =
        previous === undefined ||
        block.streamId > previous.streamId ||
        (block.streamId === previous.streamId && block.firstOffset > previous.lastOffset)
      if (!rises || block.lastOffset < block.firstOffset) {
        this.#report(place, `${this.#span(block)} is out of order`)
        return false
      }
      position += block.bytes
      previous = block
    }
    if (position === indexPosition) return true
    this.#report(
      ` at byte ${indexPosition}`,
      `the index describes ${position} bytes of blocks, there are ${indexPosition}`
    )
    return false
  }

  /** Returns the last entry of the stream so far. */
  async #checkBlock(
    block: BlockRef,
    content: readonly Entry[] | Fault,
    before: Entry | undefined
  ): Promise<Entry | undefined> {
    const range = this.#ranges.get(block.streamId)?.find((one) => one.touches(block))
    if (isFault(content)) {
      range?.damaged()
      this.#report(` at byte ${block.position}`, `${content.message}; it holds ${this.#span(block)}`, block)
      return undefined
    }
    const differs = differences(block, content)
    if (differs !== undefined) this.#report(` at byte ${block.position}`, `${this.#span(block)}: ${differs}`, block)
    let previous = before
    for (const entry of content) {
      this.#entries++
      if (entry.lastOffset < entry.baseOffset || (previous !== undefined && entry.baseOffset <= previous.lastOffset)) {
        const after = previous === undefined ? '' : ` after one that ends at ${previous.lastOffset}`
        const problem = `there is an entry with offsets ${entry.baseOffset} to ${entry.lastOffset}${after}`
        this.#report(` at byte ${block.position}`, `${this.#span(block)}: ${problem}`, block)
      }
      range?.add(entry)
      await this.#checkPayload(block, entry)
      previous = entry
    }
    return previous
  }

  async #checkPayload(block: BlockRef, entry: Entry): Promise<void> {
    if (this.#parts.checkEntry === undefined) return
    const { records, problem } = await this.#parts.checkEntry(entry)
    this.#records += records
    if (problem === undefined) return
    const where = `${this.#parts.nameOf(block.streamId)} offset ${entry.baseOffset}`
    this.#report(` at byte ${block.position}`, `${where}: ${problem}`, block)
  }

  #checkRange(range: RangeCheck): void {
    for (const problem of range.problems()) {
      const { streamId, startOffset, endOffset } = range.range
      const place = `, ${this.#parts.nameOf(streamId)} [${startOffset}, ${endOffset})`
      const remedy = 'restore metadata and objects from the same moment, and keep a copy of both for a report'
      this.#findings.push(damage(this.#parts.object.key + place, problem, remedy))
    }
  }

  #span(block: BlockRef): string {
    return `offsets ${block.firstOffset} to ${block.lastOffset} of ${this.#parts.nameOf(block.streamId)}`
  }

  /** @param at continues the object's key. @param block what is lost, when it is not the whole object. */
  #report(at: string, problem: string, block?: BlockRef): void {
    const otherwise =
      block === undefined
        ? `what it held is told by: longhaul storage describe object:${this.#parts.object.id}`
        : `delete records of that partition up to offset ${block.lastOffset + 1} so that consumers can go on`
    const remedy = `restore this object from a copy of the store; where there is none, ${otherwise}`
    this.#findings.push(damage(this.#parts.object.key + at, problem, remedy))
  }
}

/** How a block differs from the index row that describes it. */
function differences(block: BlockRef, entries: readonly Entry[]): string | undefined {
  const first = entries[0]
  const last = entries.at(-1)
  if (first === undefined || last === undefined) return 'the block is empty'
  const maxTimestamp = entries.reduce((max, entry) => Math.max(max, entry.maxTimestamp), -1)
  const differs = [
    [block.entries, entries.length, 'entries'],
    [block.firstOffset, first.baseOffset, 'as first offset'],
    [block.lastOffset, last.lastOffset, 'as last offset'],
    [block.maxTimestamp, maxTimestamp, 'as largest timestamp']
  ].flatMap(([row, found, what]) => (row === found ? [] : [`the index says ${row} ${what}, the block ${found}`]))
  return differs.length === 0 ? undefined : differs.join('; ')
}
