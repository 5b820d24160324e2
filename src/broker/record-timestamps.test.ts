import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ErrorCode } from '../wire/error-codes.ts'
import { buildBatch, buildCompressedBatch } from '../wire/records/batch-builder.ts'
import { parseBatchHeader, type RecordBatch } from '../wire/records/batch-header.ts'
import { BatchPreparation, isProblem, type Prepared } from './batch-preparation.ts'
import { mayBeMistimed } from './record-timestamps.ts'
import { topicSettings } from './topic-settings.ts'

const NOW = 1_700_000_000_000
const HOUR = 3_600_000
const NAME = { topicName: 't', index: 0 }

function records(timestamps: readonly number[], key: Buffer | null = null) {
  return timestamps.map((timestamp) => ({ key, value: Buffer.from('v'), timestamp }))
}

function batchOf(bytes: Buffer): RecordBatch {
  return { header: parseBatchHeader(bytes, 0), bytes }
}

function prepare(timestamps: readonly number[], configs: Record<string, string>): Prepared | Promise<Prepared> {
  return new BatchPreparation().prepare(NAME, topicSettings(configs, {}), batchOf(buildBatch(records(timestamps))), NOW)
}

function refusal(prepared: Prepared | Promise<Prepared>) {
  assert.ok(!(prepared instanceof Promise), 'nothing has to be unpacked')
  if (prepared === undefined) return undefined
  assert.ok(isProblem(prepared))
  return [prepared.errorCode, prepared.recordErrors.map(({ batchIndex }) => batchIndex)]
}

describe('timestamps of produced records', () => {
  it('with the defaults, up to an hour ahead is taken and any age', () => {
    assert.equal(refusal(prepare([0, NOW, NOW + HOUR], {})), undefined)
    assert.deepEqual(refusal(prepare([NOW, NOW + HOUR + 1, NOW], {})), [ErrorCode.INVALID_TIMESTAMP, [1]])
  })

  it('each record out of the bounds is told by its place; one without timestamp is in them', () => {
    const configs = { 'message.timestamp.before.max.ms': '1000', 'message.timestamp.after.max.ms': '0' }
    assert.equal(refusal(prepare([NOW - 1000, NOW, -1], configs)), undefined)
    const out = [NOW, NOW - 1001, NOW + 1, 0]
    assert.deepEqual(refusal(prepare(out, configs)), [ErrorCode.INVALID_TIMESTAMP, [1, 2, 3]])
  })

  it('a topic that stamps its records takes any timestamp', () => {
    const configs = { 'message.timestamp.type': 'LogAppendTime', 'message.timestamp.before.max.ms': '0' }
    assert.equal(refusal(prepare([0, NOW + 10 * HOUR], configs)), undefined)
  })

  it('with the defaults no record is looked into', () => {
    const settings = topicSettings({}, {})
    assert.equal(mayBeMistimed(batchOf(buildBatch(records([0, NOW]))).header, settings, NOW), false)
    const bytes = buildBatch(records([NOW]))
    bytes.fill(0xff, 61)
    assert.equal(new BatchPreparation().prepare(NAME, settings, batchOf(bytes), NOW), undefined)
  })

  it('records of a compressed batch are unpacked and judged alike', async () => {
    const bytes = await buildCompressedBatch('zstd', records([NOW, NOW + 2 * HOUR]))
    const prepared = await new BatchPreparation().prepare(NAME, topicSettings({}, {}), batchOf(bytes), NOW)
    assert.ok(isProblem(prepared))
    assert.deepEqual(prepared.recordErrors.map(({ batchIndex }) => batchIndex), [1]) // biome-ignore format: short
  })

  it('a header that claims a later time than its records is refused', () => {
    const bytes = buildBatch(records([NOW]))
    bytes.writeBigInt64BE(BigInt(NOW + 2 * HOUR), 35)
    const prepared = new BatchPreparation().prepare(NAME, topicSettings({}, {}), batchOf(bytes), NOW)
    assert.deepEqual(refusal(prepared), [ErrorCode.INVALID_TIMESTAMP, []])
  })

  it('of a record without key and out of time the key is told, and the time decides the answer', () => {
    const both = [...records([NOW + 2 * HOUR]), ...records([NOW + 2 * HOUR], Buffer.from('k')), ...records([NOW])]
    const settings = topicSettings({ 'cleanup.policy': 'compact' }, {})
    const prepared = new BatchPreparation().prepare(NAME, settings, batchOf(buildBatch(both)), NOW)
    assert.deepEqual(refusal(prepared), [ErrorCode.INVALID_TIMESTAMP, [0, 1, 2]])
    assert.match(
      isProblem(prepared as Prepared) ? JSON.stringify(prepared) : '',
      /without key.*out of range.*without key/
    )
  })
})
