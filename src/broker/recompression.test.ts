import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ErrorCode } from '../wire/error-codes.ts'
import { buildBatch, buildCompressedBatch, type NewRecord } from '../wire/records/batch-builder.ts'
import { compressionCodec, computeBatchCrc, parseBatchHeader, type RecordBatch } from '../wire/records/batch-header.ts'
import { type Codec, codecId } from '../wire/records/compression.ts'
import { decompressRecords, readRecords } from '../wire/records/records.ts'
import { BatchPreparation, isProblem } from './batch-preparation.ts'
import { topicSettings } from './topic-settings.ts'

const NOW = 1_700_000_000_000
const NAME = { topicName: 't', index: 0 }
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

function batchOf(bytes: Buffer): RecordBatch {
  return { header: parseBatchHeader(bytes, 0), bytes }
}

function build(codec: Codec, records: readonly NewRecord[], options = {}): Promise<Buffer> {
  return codec === 'none'
    ? Promise.resolve(buildBatch(records, options))
    : buildCompressedBatch(codec, records, options)
}

async function prepare(batch: RecordBatch, configs: Record<string, string>) {
  return await new BatchPreparation().prepare(NAME, topicSettings(configs, {}), batch, NOW)
}

async function recordsOf(batch: RecordBatch) {
  return [...readRecords(batch.header, await decompressRecords(batch, 1 << 24))]
}

const recordArbitrary: fc.Arbitrary<NewRecord> = fc.record({
  key: fc.option(fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes))),
  value: fc.option(fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes))),
  timestamp: fc.integer({ min: 0, max: NOW })
})

describe('recompression', () => {
  it('changes nothing but codec, length and checksum, from any codec to any other', async () => {
    const codec = fc.constantFrom(...CODECS)
    const property = fc.asyncProperty(
      codec,
      codec,
      fc.array(recordArbitrary, { minLength: 1 }),
      async (from, to, list) => {
        const options = { producerId: 9, producerEpoch: 2, baseSequence: 4, transactional: true }
        const sent = batchOf(await build(from, list, options))
        const type = to === 'none' ? 'uncompressed' : to
        const prepared = await prepare(sent, { 'compression.type': type })
        if (from === to) return assert.equal(prepared, undefined, 'stays as it is')
        assert.ok(prepared !== undefined && !isProblem(prepared))
        const { header, bytes } = prepared
        assert.equal(compressionCodec(header), codecId(to))
        assert.equal(header.sizeInBytes, bytes.length)
        assert.equal(header.crc, computeBatchCrc(bytes, 0, bytes.length))
        const { batchLength, sizeInBytes, crc, attributes, ...kept } = sent.header
        assert.deepEqual({ ...header, ...kept }, header)
        assert.equal(header.attributes & ~7, attributes & ~7)
        assert.deepEqual(await recordsOf(prepared), await recordsOf(sent))
      }
    )
    await fc.assert(property, { numRuns: 60, verbose: 1 })
  })

  it('a level changes how small a batch gets, and only of batches that are compressed anew', async () => {
    const value = Buffer.from(Array.from({ length: 30_000 }, (_, i) => (i * i * 7919) % 997).join())
    const sent = batchOf(buildBatch([{ key: null, value, timestamp: NOW }]))
    for (const [type, least, most] of [
      ['gzip', '1', '9'],
      ['zstd', '-50', '19']
    ] as const) {
      // biome-ignore format: short
      const sizes = []
      for (const level of [least, most]) {
        const prepared = await prepare(sent, { 'compression.type': type, [`compression.${type}.level`]: level })
        assert.ok(prepared !== undefined && !isProblem(prepared))
        sizes.push(prepared.bytes.length)
        const again = await prepare(prepared, { 'compression.type': type, [`compression.${type}.level`]: least })
        assert.equal(again, undefined)
      }
      assert.ok((sizes[1] ?? 0) < (sizes[0] ?? 0), `${type} ${sizes}`)
    }
  })

  it('a batch that is too large already is not unpacked: the partition refuses it', async () => {
    const sent = batchOf(await buildCompressedBatch('gzip', [{ key: null, value: Buffer.alloc(100), timestamp: NOW }]))
    assert.equal(await prepare(sent, { 'compression.type': 'lz4', 'max.message.bytes': '50' }), undefined)
  })

  it('records that cannot be unpacked are refused', async () => {
    const sent = batchOf(await buildCompressedBatch('gzip', [{ key: null, value: Buffer.alloc(100), timestamp: NOW }]))
    sent.bytes.fill(0, 61)
    const prepared = await prepare(sent, { 'compression.type': 'uncompressed' })
    assert.ok(isProblem(prepared))
    assert.equal(prepared.errorCode, ErrorCode.INVALID_RECORD)
  })
})
