import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { compressFrame } from 'lz4-napi'
import { compress as rawSnappy } from 'snappy'
import { isFault } from '../../runtime/fault.ts'
import { type Codec, codecById, codecId, compress, decompress } from './compression.ts'
import { lz4WorstCase, zstdWorstCase } from './frame-bounds.ts'
import { SMALL_BATCHES, WIDE_BATCHES } from './golden-batches.ts'

const MIB = 1024 * 1024
const CODECS: readonly Codec[] = ['gzip', 'snappy', 'lz4', 'zstd']

const payload = (base64: string): Buffer => Buffer.from(base64, 'base64').subarray(61)

async function faultOf(codec: Codec, bytes: Buffer, maxBytes: number): Promise<'corrupt' | 'invalid' | undefined> {
  try {
    await decompress(codec, bytes, maxBytes)
    return undefined
  } catch (error) {
    assert.ok(isFault(error, 'corrupt') || isFault(error, 'invalid'), `${codec}: ${error}`)
    return error.kind === 'corrupt' ? 'corrupt' : 'invalid'
  }
}

/** A zstd frame of blocks that repeat one byte 128 KiB times each: 4 bytes in, 131 072 out. */
function zstdBomb(blocks: number): Buffer {
  const frame = [Buffer.from('28b52ffd0058', 'hex')]
  for (let index = 1; index <= blocks; index++) {
    const block = Buffer.alloc(4)
    block.writeUIntLE((131072 << 3) | 2 | (index === blocks ? 1 : 0), 0, 3)
    frame.push(block)
  }
  return Buffer.concat(frame)
}

test('codec ids are those of the attributes', () => {
  assert.deepEqual([0, 1, 2, 3, 4].map(codecById), ['none', 'gzip', 'snappy', 'lz4', 'zstd'])
  assert.deepEqual(CODECS.map(codecId), [1, 2, 3, 4])
  assert.throws(
    () => codecById(5),
    (error) => isFault(error, 'corrupt')
  )
})

test('what the Java client compressed comes out, at exactly the limit it needs', async () => {
  const plain = payload(SMALL_BATCHES.none)
  for (const codec of CODECS) {
    const bytes = payload(SMALL_BATCHES[codec as keyof typeof SMALL_BATCHES])
    assert.deepEqual(await decompress(codec, bytes, plain.length), plain, codec)
    assert.equal(await faultOf(codec, bytes, plain.length - 1), 'invalid', codec)
  }
})

test('every codec returns what it was given', async () => {
  const anyText = fc.array(fc.constantFrom('a', 'bc', 'longhaul'), { maxLength: 50 }).map((words) => words.join(''))
  const anyBytes = fc.oneof(fc.uint8Array({ maxLength: 500 }), anyText.map(Buffer.from))
  await fc.assert(
    fc.asyncProperty(anyBytes, fc.constantFrom(...CODECS, 'none' as const), async (bytes, codec) => {
      const plain = Buffer.from(bytes)
      assert.deepEqual(await decompress(codec, await compress(codec, plain), plain.length), plain)
    })
  )
})

test('data of several megabytes returns from every codec', async () => {
  const plain = Buffer.alloc(5 * MIB)
  for (let position = 0; position < plain.length; position += 4)
    plain.writeInt32LE((position * 2654435761) >> 12, position)
  for (const codec of CODECS) {
    const bytes = await compress(codec, plain)
    assert.ok((await decompress(codec, bytes, plain.length)).equals(plain), codec)
  }
})

test('raw snappy, as librdkafka writes it, is read', async () => {
  const plain = Buffer.from('longhaul '.repeat(1000))
  assert.deepEqual(await decompress('snappy', await rawSnappy(plain), plain.length), plain)
})

test('lz4 frames with checksums, as other clients write them, are read and their checksums kept', async () => {
  const plain = Buffer.from('longhaul '.repeat(1000))
  const bytes = await compressFrame(plain, { contentChecksum: true, blockChecksums: true })
  assert.deepEqual(await decompress('lz4', bytes, plain.length), plain)
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)
  assert.equal(await faultOf('lz4', bytes, plain.length), 'corrupt')
})

test('joined snappy streams and joined zstd frames are read', async () => {
  const plain = Buffer.from('longhaul '.repeat(100))
  for (const codec of ['snappy', 'zstd'] as const) {
    const bytes = await compress(codec, plain)
    assert.deepEqual(await decompress(codec, Buffer.concat([bytes, bytes]), MIB), Buffer.concat([plain, plain]), codec)
  }
})

test('bombs are refused before they expand', async () => {
  const zeros = Buffer.alloc(16 * MIB)
  const bombs: readonly [Codec, Buffer][] = [
    ['gzip', gzipSync(zeros)],
    ['snappy', await compress('snappy', zeros)],
    ['snappy', await rawSnappy(zeros)],
    ['lz4', await compress('lz4', zeros)],
    ['zstd', await compress('zstd', zeros)],
    ['zstd', zstdBomb(250)]
  ]
  for (const [codec, bytes] of bombs) assert.equal(await faultOf(codec, bytes, MIB), 'invalid', codec)
})

test('a bomb of 32 kB that stands for a gigabyte does not grow the process', async () => {
  const bomb = zstdBomb(8000)
  assert.equal(zstdWorstCase(bomb), 8000 * 131072)
  const before = process.memoryUsage.rss()
  assert.equal(await faultOf('zstd', bomb, MIB), 'invalid')
  assert.ok(process.memoryUsage.rss() - before < 32 * MIB)
  const snappyLie = Buffer.from('ffffffff0f00', 'hex')
  assert.equal(await faultOf('snappy', snappyLie, Number.MAX_SAFE_INTEGER), 'corrupt')
})

test('the bounds from the framing hold for real frames', async () => {
  const plain = Buffer.from('longhaul '.repeat(9000))
  for (const [bytes, worstCase] of [
    [payload(WIDE_BATCHES.lz4), lz4WorstCase],
    [await compress('lz4', plain), lz4WorstCase],
    [payload(WIDE_BATCHES.zstd), zstdWorstCase],
    [await compress('zstd', plain), zstdWorstCase]
  ] as const) {
    assert.ok(worstCase(bytes) >= plain.length)
    assert.ok(worstCase(bytes) <= 4 * MIB)
  }
})

test('every truncation is a typed fault', async () => {
  for (const codec of CODECS) {
    const bytes = payload(SMALL_BATCHES[codec as keyof typeof SMALL_BATCHES])
    for (let length = 0; length < bytes.length; length++) {
      const fault = await faultOf(codec, bytes.subarray(0, length), MIB)
      // Without a block, snappy's framing is complete and empty: what fails then is reading records.
      const complete = codec === 'snappy' && length === 16
      assert.equal(fault, complete ? undefined : 'corrupt', `${codec}, ${length} bytes`)
    }
  }
})

test('flipped bits and garbage give bytes within the limit or a typed fault', async () => {
  const anyCodec = fc.constantFrom(...CODECS)
  await fc.assert(
    fc.asyncProperty(anyCodec, fc.nat(), fc.nat(7), async (codec, place, bit) => {
      const bytes = Buffer.from(payload(SMALL_BATCHES[codec as keyof typeof SMALL_BATCHES]))
      const position = place % bytes.length
      bytes[position] = (bytes[position] ?? 0) ^ (1 << bit)
      await faultOf(codec, bytes, 4096)
    }),
    { numRuns: 300 }
  )
  await fc.assert(
    fc.asyncProperty(anyCodec, fc.uint8Array({ maxLength: 100 }), async (codec, bytes) => {
      await faultOf(codec, Buffer.from(bytes), 4096)
    })
  )
})
