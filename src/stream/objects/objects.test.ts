import assert from 'node:assert/strict'
import { it } from 'node:test'
import { crc32c } from '@node-rs/crc32'
import fc from 'fast-check'
import { MemoryObjectStore } from '../../object-store/memory-object-store.ts'
import type { ByteRange } from '../../object-store/object-store.ts'
import { isFault } from '../../runtime/fault.ts'
import { seededRandom } from '../../runtime/random.ts'
import type { Entry } from '../entry.ts'
import { dataBlockBytes, decodeDataBlock, encodeDataBlock } from './data-block.ts'
import { decodeObjectFooter, encodeObjectFooter } from './object-footer.ts'
import { type BlockRef, decodeObjectIndex, encodeObjectIndex } from './object-index.ts'
import { ObjectReader } from './object-reader.ts'
import { buildObject, type StreamEntries } from './object-writer.ts'

const plain = { noNullPrototype: true }

/** Entries in offset order, with gaps. */
const entryLists: fc.Arbitrary<Entry[]> = fc
  .array(
    fc.record({
      gap: fc.nat(100),
      span: fc.nat(50),
      maxTimestamp: fc.oneof(fc.constant(-1), fc.maxSafeNat()),
      payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
    }),
    { minLength: 1, maxLength: 20 }
  )
  .map((steps) => {
    let next = 0
    return steps.map(({ gap, span, maxTimestamp, payload }) => {
      const baseOffset = next + gap
      const lastOffset = baseOffset + span
      next = lastOffset + 1
      return { baseOffset, lastOffset, maxTimestamp, payload }
    })
  })

const streamLists: fc.Arbitrary<StreamEntries[]> = fc.uniqueArray(
  fc.record({ streamId: fc.maxSafeNat(), entries: entryLists }, plain),
  { selector: ({ streamId }) => streamId, maxLength: 6 }
)

/** A store that counts what is read from it. */
class CountingStore extends MemoryObjectStore {
  readonly reads: number[] = []

  override get(key: string, range?: ByteRange): Promise<Buffer> {
    this.reads.push(range === undefined ? -1 : range.end - range.start)
    return super.get(key, range)
  }
}

async function stored(bytes: Buffer, size = bytes.length): Promise<{ store: CountingStore; reader: ObjectReader }> {
  const store = new CountingStore()
  await store.put('o', [bytes])
  return { store, reader: new ObjectReader({ store, key: 'o', size }) }
}

async function readAll(reader: ObjectReader): Promise<StreamEntries[]> {
  const streams = new Map<number, Entry[]>()
  for (const block of await reader.loadIndex()) {
    streams.set(block.streamId, [...(streams.get(block.streamId) ?? []), ...(await reader.loadBlock(block))])
  }
  return [...streams].map(([streamId, entries]) => ({ streamId, entries }))
}

it('what is built is read back, sorted by stream', async () => {
  await fc.assert(
    fc.asyncProperty(streamLists, fc.integer({ min: 1, max: 2000 }), async (streams, blockBytes) => {
      const built = buildObject(streams, blockBytes)
      const bytes = Buffer.concat(built.parts)
      assert.equal(bytes.length, built.bytes)
      const expected = [...streams].sort((a, b) => a.streamId - b.streamId)
      const { reader } = await stored(bytes)
      assert.deepEqual(await readAll(reader), expected)
      assert.deepEqual(
        built.ranges,
        expected.map(({ streamId, entries }) => ({
          streamId,
          startOffset: entries[0]?.baseOffset,
          endOffset: (entries.at(-1)?.lastOffset ?? 0) + 1,
          bytes: entries.reduce((sum, { payload }) => sum + payload.length, 0),
          maxTimestamp: Math.max(...entries.map(({ maxTimestamp }) => maxTimestamp))
        }))
      )
    }),
    { numRuns: 60 }
  )
})

it('finding gives the blocks from an offset on, of one stream only', async () => {
  await fc.assert(
    fc.asyncProperty(streamLists, fc.nat(600), fc.nat(7), async (streams, fromOffset, pick) => {
      const { reader } = await stored(Buffer.concat(buildObject(streams, 400).parts))
      const streamId = streams[pick]?.streamId ?? 12_345
      const index = await reader.loadIndex()
      const expected = [...index].filter((block) => block.streamId === streamId && block.lastOffset >= fromOffset)
      assert.deepEqual([...index.blocks(streamId, fromOffset)], expected)
    }),
    { numRuns: 60 }
  )
})

it('blocks have about the target size, an entry that is larger one of its own, and payloads are not copied', () => {
  const sizes = [100_000, 300_000, 200_000, 2_000_000, 10, 10]
  const entries = sizes.map((size, offset) => ({
    baseOffset: offset,
    lastOffset: offset,
    maxTimestamp: -1,
    payload: Buffer.alloc(size)
  }))
  const { parts, bytes } = buildObject([{ streamId: 1, entries }])
  const blocks = [...decodeObjectIndex(parts.at(-2) ?? Buffer.alloc(0), 'o')]
  assert.deepEqual(
    blocks.map((block) => [block.firstOffset, block.lastOffset, block.entries]),
    [
      [0, 1, 2],
      [2, 2, 1],
      [3, 3, 1],
      [4, 5, 2]
    ]
  )
  for (const { payload } of entries) assert.ok(parts.includes(payload))
  assert.equal(
    bytes,
    parts.reduce((sum, part) => sum + part.length, 0)
  )
})

it('a small object costs one read for its index and one per block; a short index does not keep the tail in memory', async () => {
  const entries = Array.from({ length: 50 }, (_, offset) => ({
    baseOffset: offset,
    lastOffset: offset,
    maxTimestamp: offset,
    payload: Buffer.alloc(5000, offset)
  }))
  const { store, reader } = await stored(Buffer.concat(buildObject([{ streamId: 1, entries }], 100_000).parts))
  const index = await reader.loadIndex()
  assert.deepEqual(store.reads, [64 * 1024])
  assert.equal(index.row(0).firstOffset, 0)
  assert.equal(index.bytes, 12 + 48 * index.length)
  const [block] = index.blocks(1, 30)
  assert.ok(block !== undefined && block.firstOffset <= 30)
  await reader.loadBlock(block)
  assert.deepEqual(store.reads, [64 * 1024, block.bytes])
})

it('neighbouring blocks that were loaded together are decoded one by one', async () => {
  const entries = Array.from({ length: 9 }, (_, offset) => ({
    baseOffset: offset,
    lastOffset: offset,
    maxTimestamp: offset,
    payload: Buffer.alloc(1000, offset)
  }))
  const { reader } = await stored(Buffer.concat(buildObject([{ streamId: 1, entries }], 4000).parts))
  const blocks = [...(await reader.loadIndex())]
  const bytes = await reader.loadRaw(
    0,
    blocks.reduce((sum, block) => sum + block.bytes, 0)
  )
  assert.ok(blocks.length > 2)
  assert.deepEqual(
    blocks.flatMap((block) => reader.decodeBlock(block, bytes.subarray(block.position, block.position + block.bytes))),
    entries
  )
})

it('an index that is larger than the tail costs one more read', async () => {
  const entries = Array.from({ length: 3000 }, (_, offset) => ({
    baseOffset: offset,
    lastOffset: offset,
    maxTimestamp: offset,
    payload: Buffer.from('x')
  }))
  const { store, reader } = await stored(Buffer.concat(buildObject([{ streamId: 1, entries }], 1).parts))
  assert.equal((await reader.loadIndex()).length, 3000)
  assert.equal(store.reads.length, 2)
})

it('a load that failed is tried again', async () => {
  const { parts, bytes } = buildObject([])
  const store = new MemoryObjectStore()
  const reader = new ObjectReader({ store, key: 'o', size: bytes })
  await assert.rejects(reader.loadIndex(), (error) => isFault(error, 'missing'))
  await store.put('o', parts)
  assert.deepEqual([...(await reader.loadIndex())], [])
})

it('whatever bit flips and wherever an object is cut, a reader meets Fault corrupt or the truth', async () => {
  const random = seededRandom(6)
  const streams = [1, 2, 7].map((streamId) => ({
    streamId,
    entries: Array.from({ length: 8 }, (_, index) => ({
      baseOffset: index * 3,
      lastOffset: index * 3 + 2,
      maxTimestamp: index,
      payload: random.bytes(random.int(60))
    }))
  }))
  const intact = Buffer.concat(buildObject(streams, 200).parts)
  for (let position = 0; position < intact.length; position++) {
    const flipped = Buffer.from(intact)
    flipped.writeUInt8(flipped.readUInt8(position) ^ (1 << random.int(8)), position)
    await rejectsAsCorrupt(flipped, intact.length, `flip at ${position}`)
    await rejectsAsCorrupt(intact.subarray(0, position), position, `cut at ${position}, size known`)
    await rejectsAsCorrupt(intact.subarray(0, position), intact.length, `cut at ${position}`)
  }
})

async function rejectsAsCorrupt(bytes: Buffer, size: number, what: string): Promise<void> {
  const { reader } = await stored(bytes, size)
  await assert.rejects(readAll(reader), (error) => {
    assert.ok(isFault(error, 'corrupt'), `${what}: ${error}`)
    assert.match(error.message, /object o/)
    return true
  })
}

it('decoders of arbitrary bytes throw nothing but Fault corrupt', () => {
  const corrupt = (decode: () => unknown) => {
    try {
      decode()
    } catch (error) {
      assert.ok(isFault(error, 'corrupt'), String(error))
    }
  }
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      (bytes) => {
        for (const magic of [0x4c484201, 0x4c484901, 0x4c484f01]) {
          if (bytes.length >= 4) bytes.writeUInt32BE(magic, magic === 0x4c484f01 ? bytes.length - 4 : 0)
          corrupt(() => decodeDataBlock(bytes, 1, 'object o'))
          corrupt(() => decodeObjectIndex(bytes, 'object o'))
          corrupt(() => decodeObjectFooter(bytes, 1000, 'object o'))
        }
      }
    )
  )
})

it('a block of another stream, or one that the index does not describe, is corrupt', async () => {
  const entry = { baseOffset: 1, lastOffset: 1, maxTimestamp: 1, payload: Buffer.from('x') }
  const block = Buffer.concat(encodeDataBlock(5, [entry]))
  assert.equal(block.length, dataBlockBytes([entry]))
  assert.deepEqual(decodeDataBlock(block, 5, 'o'), [entry])
  assert.throws(
    () => decodeDataBlock(block, 6, 'o'),
    (error) => isFault(error, 'corrupt')
  )
  const { reader } = await stored(Buffer.concat(buildObject([{ streamId: 5, entries: [entry] }]).parts))
  const [ref] = [...(await reader.loadIndex())]
  assert.ok(ref !== undefined)
  await assert.rejects(reader.loadBlock({ ...ref, firstOffset: 0 }), (error) => isFault(error, 'corrupt'))
})

it('an index decodes to what was encoded, and so does a footer', () => {
  const uint32 = fc.integer({ min: 0, max: 0xffff_ffff })
  const number = fc.maxSafeNat()
  const refs: fc.Arbitrary<BlockRef> = fc.record(
    {
      streamId: number,
      firstOffset: number,
      lastOffset: number,
      position: number,
      bytes: uint32,
      entries: uint32,
      maxTimestamp: fc.oneof(fc.constant(-1), number)
    },
    plain
  )
  fc.assert(
    fc.property(fc.array(refs), (blocks) =>
      assert.deepEqual([...decodeObjectIndex(encodeObjectIndex(blocks), 'o')], blocks)
    )
  )
  fc.assert(
    fc.property(fc.nat(2 ** 31), uint32, (indexPosition, indexBytes) => {
      const footer = { indexPosition, indexBytes }
      assert.deepEqual(decodeObjectFooter(encodeObjectFooter(footer), indexPosition + indexBytes + 20, 'o'), footer)
    })
  )
})

it('the layout of the smallest object is the one that is documented', () => {
  const entry = { baseOffset: 1, lastOffset: 2, maxTimestamp: -1, payload: Buffer.from('hi') }
  const [block, header, payload, index, footer] = buildObject([{ streamId: 3, entries: [entry] }]).parts
  const hex = (bytes: Buffer | undefined, from = 0, to?: number) => bytes?.toString('hex', from, to)
  assert.equal(hex(block, 0, 4), '4c484201')
  assert.equal(hex(block, 8), `0000000000000003${'00000001'}${'00000036'}`)
  assert.equal(hex(header), `0000000000000001${'0000000000000002'}${'ffffffffffffffff'}${'00000002'}`)
  assert.equal(payload?.toString(), 'hi')
  assert.equal(hex(index, 0, 4), '4c484901')
  assert.equal(hex(index, 8, 28), `00000001${'0000000000000003'}${'0000000000000001'}`)
  assert.equal(hex(index, 28), `0000000000000002${'0000000000000000'}${'00000036'}${'00000001'}${'ffffffffffffffff'}`)
  assert.equal(hex(footer, 0, 12), `0000000000000036${'0000003c'}`)
  assert.equal(hex(footer, 16), '4c484f01')
})

it('notes are found by stream and offset, and an index without any is written as it always was', () => {
  const note = (streamId: number, offset: number, text: string) => ({ streamId, offset, bytes: Buffer.from(text) })
  const notes = [note(1, 0, 'a'), note(1, 40, ''), note(7, 5, 'b'), note(7, 9, 'c'), note(7, 30, 'd')]
  const index = decodeObjectIndex(encodeObjectIndex([], notes), 'o')
  const found = (streamId: number, from: number, to: number) =>
    index.notes(streamId, from, to).map(({ bytes }) => bytes.toString())
  assert.deepEqual(found(1, 0, 100), ['a', ''])
  assert.deepEqual(found(7, 9, 30), ['c'])
  assert.deepEqual(found(2, 0, 100), [])
  assert.equal(encodeObjectIndex([], notes).readUInt8(3), 2)
  assert.equal(encodeObjectIndex([]).readUInt8(3), 1)
})

it('notes that are out of order, cut off or followed by something are refused', () => {
  const index = encodeObjectIndex(
    [],
    [
      { streamId: 1, offset: 5, bytes: Buffer.from('x') },
      { streamId: 1, offset: 6, bytes: Buffer.from('y') }
    ]
  )
  const refused = (changed: Buffer, message: RegExp) => {
    changed.writeUInt32BE(crc32c(changed.subarray(8)), 4)
    assert.throws(
      () => decodeObjectIndex(changed, 'o'),
      (error) => isFault(error, 'corrupt') && message.test(error.message)
    )
  }
  // The offset of the second note; the first begins behind header and count.
  const disordered = Buffer.from(index)
  disordered.writeUInt8(5, 12 + 4 + 21 + 15)
  refused(disordered, /not in order/)
  refused(Buffer.from(index.subarray(0, -1)), /does not have its 2 notes/)
  refused(Buffer.concat([index, Buffer.alloc(1)]), /does not have its 2 notes/)
  refused(Buffer.from(index.subarray(0, 12)), /does not have its 0 rows/)
})
