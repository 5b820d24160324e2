/** Produce and InitProducerId: what is stored, and every way a batch can be wrong. */
import { ZERO_UUID } from '../../../src/wire/buffers.ts'
import { buildBatch, buildCompressedBatch } from '../../../src/wire/records/batch-builder.ts'
import { BATCH_LENGTH_POSITION, compressionCodec, computeBatchCrc } from '../../../src/wire/records/batch-header.ts'
import type { Codec } from '../../../src/wire/records/compression.ts'
import { decompressRecords, readBatches } from '../../../src/wire/records/records.ts'
import { apis } from '../../faults/apis.ts'
import { type Case, casesOf } from './case.ts'
import { batchOf, type Fixture, type Peer, recordAt } from './peer.ts'

const UNKNOWN_ID = 'AAAAAAAAAAAAAAAAAAAAQQ'
// Positions in a batch's header.
const MAGIC_POSITION = 16
const CRC_POSITION = 17
const ATTRIBUTES_POSITION = 21
const RECORD_COUNT_POSITION = 57
const LAST_OFFSET_DELTA_POSITION = 23
const BASE_OFFSET_POSITION = 0

type Records = readonly Buffer[] | null

interface PartitionRecords {
  readonly index: number
  readonly records: Records
}

function produce(peer: Peer, version: number, topic: Fixture, partitionData: readonly PartitionRecords[], acks = -1) {
  const topicData = [{ name: topic.name, topicId: topic.id, partitionData: [...partitionData] }]
  return peer.send(apis.produce, version, { acks, timeoutMs: 5000, topicData })
}

/** Produces `records` to partition 0 of a new topic. */
const produces = (records: Records | (() => Promise<Records>), configs: Record<string, string> = {}, acks = -1) => {
  return async (peer: Peer, version: number) => {
    const topic = await peer.topic(1, configs)
    const found = typeof records === 'function' ? await records() : records
    return produce(peer, version, topic, [{ index: 0, records: found }], acks)
  }
}

/** A good batch, changed after it was built; the CRC is made right again unless the change is the CRC. */
function changed(change: (batch: Buffer) => void, fixCrc = true): Buffer[] {
  const batch = batchOf(3)
  change(batch)
  if (fixCrc) batch.writeUInt32BE(computeBatchCrc(batch, 0, batch.length), CRC_POSITION)
  return [batch]
}

/** Which codec a batch is stored with, and whether the records are still the same; the bytes are the codec's affair. */
const storesAs = (type: string) => async (peer: Peer, version: number) => {
  const topic = await peer.topic(1, { 'compression.type': type })
  const records = [await buildCompressedBatch('gzip', [recordAt(1), recordAt(2)])]
  const answer = await produce(peer, version, topic, [{ index: 0, records }])
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000, currentLeaderEpoch: -1 }]
  const topics = [{ topic: topic.name, topicId: topic.id, partitions }]
  const sizes = { maxWaitMs: 100, minBytes: 1, maxBytes: 1_000_000 }
  const fetched = await peer.send(apis.fetch, 12, { ...sizes, sessionEpoch: -1, topics, forgottenTopicsData: [] })
  const stored = []
  for (const batch of readBatches(Buffer.concat(fetched.responses[0]?.partitions[0]?.records ?? []))) {
    const plain = await decompressRecords(batch, 1_000_000)
    stored.push({ codec: compressionCodec(batch.header), records: plain.toString('hex') })
  }
  return { answer, stored }
}

const compressed = (codec: Codec) => async () => [await buildCompressedBatch(codec, [recordAt(1), recordAt(2)])]

async function producerId(peer: Peer): Promise<{ producerId: number; producerEpoch: number }> {
  const request = { transactionalId: null, transactionTimeoutMs: 60_000 }
  for (;;) {
    const response = await peer.send(apis.initProducerId, 4, request)
    if (response.errorCode === 0) return response
    if (response.errorCode !== 14) throw new Error(`InitProducerId answered ${response.errorCode}`)
  }
}

/** Sends batches of one idempotent producer, given as [epoch, base sequence, records]; returns all answers. */
const sequence = (...batches: readonly (readonly [epoch: number, baseSequence: number, records: number])[]) => {
  return async (peer: Peer, version: number) => {
    const topic = await peer.topic()
    const { producerId: id, producerEpoch } = await producerId(peer)
    const answers: unknown[] = []
    for (const [epoch, baseSequence, count] of batches) {
      const batch = batchOf(count, 0, { producerId: id, producerEpoch: producerEpoch + epoch, baseSequence })
      answers.push(await produce(peer, version, topic, [{ index: 0, records: [batch] }]))
    }
    return answers
  }
}

export const produceCases: Case[] = [
  ...casesOf(
    apis.produce,
    ['stores a batch', produces([batchOf(3)])],
    ['stores a batch for one acknowledgement', produces([batchOf(3)], {}, 1)],
    ['refuses to wait for two', produces([batchOf(3)], {}, 2)],
    [
      'answers nothing when no acknowledgement is asked for, and stores the batch',
      async (peer, version) => {
        const topic = await peer.topic()
        const unanswered = produce(peer, version, topic, [{ index: 0, records: [batchOf(3)] }], 0).catch(() => {})
        const later = new Promise((resolve) => setTimeout(resolve, 200, 'no answer'))
        const outcome = await Promise.race([unanswered, later])
        peer.close()
        await unanswered
        return [outcome, await produce(peer, version, topic, [{ index: 0, records: [batchOf(1)] }])]
      }
    ],
    ...(['gzip', 'snappy', 'lz4', 'zstd'] as const).map(
      (codec) => [`stores ${codec}`, produces(compressed(codec))] as const
    ),
    ['refuses null records', [9, 9], produces(null)],
    ['refuses no bytes at all', produces([])],
    ['refuses a header cut off', produces([batchOf(3).subarray(0, 40)])],
    ['refuses a batch cut off', produces([batchOf(3).subarray(0, -5)])],
    ['refuses two batches at once', produces([batchOf(2), batchOf(2)])],
    ['refuses bytes after the batch', produces([batchOf(2), Buffer.alloc(20)])],
    ['refuses a wrong CRC', produces(changed((batch) => batch.writeUInt32BE(1, CRC_POSITION), false))],
    ['refuses magic 1', produces(changed((batch) => batch.writeInt8(1, MAGIC_POSITION)))],
    ['refuses magic 3', produces(changed((batch) => batch.writeInt8(3, MAGIC_POSITION)))],
    ['refuses a codec that does not exist', produces(changed((batch) => batch.writeInt16BE(6, ATTRIBUTES_POSITION)))],
    [
      'refuses a count that is not the offsets',
      produces(changed((batch) => batch.writeInt32BE(7, RECORD_COUNT_POSITION)))
    ],
    ['refuses a negative count', produces(changed((batch) => batch.writeInt32BE(-1, RECORD_COUNT_POSITION)))],
    [
      'refuses an offset delta that is not the count',
      produces(changed((batch) => batch.writeInt32BE(9, LAST_OFFSET_DELTA_POSITION)))
    ],
    [
      'refuses a base offset other than zero',
      produces(changed((batch) => batch.writeBigInt64BE(5n, BASE_OFFSET_POSITION)))
    ],
    ['refuses a control batch', produces([batchOf(1, 0, { control: true, producerId: 1, producerEpoch: 0 })])],
    ['refuses a transactional batch outside a transaction', produces([batchOf(1, 0, { transactional: true })])],
    ['refuses a producer id without a sequence', produces([batchOf(1, 0, { producerId: 5, producerEpoch: 0 })])],
    ['refuses more than max.message.bytes', produces([batchOf(400)], { 'max.message.bytes': '1000' })],
    [
      'refuses a record without key on a compacted topic',
      produces([buildBatch([{ ...recordAt(1), key: null }, recordAt(2)])], { 'cleanup.policy': 'compact' })
    ],
    ['refuses timestamps beyond the limit', produces([buildBatch([{ ...recordAt(1), timestamp: 9_000_000_000_000 }])])],
    [
      'stamps its own time where the topic says so',
      produces([batchOf(2)], { 'message.timestamp.type': 'LogAppendTime' })
    ],
    [
      'does not know the topic',
      (peer, version) =>
        produce(peer, version, { name: peer.scoped('none'), id: UNKNOWN_ID }, [{ index: 0, records: [batchOf(1)] }])
    ],
    [
      'does not know the topic without a name or id',
      (peer, version) => produce(peer, version, { name: '', id: ZERO_UUID }, [{ index: 0, records: [batchOf(1)] }])
    ],
    [
      'stores the good partitions of a request',
      async (peer, version) => {
        const topic = await peer.topic(2)
        const bad = changed((batch) => batch.writeUInt32BE(1, CRC_POSITION), false)
        return produce(peer, version, topic, [
          { index: 1, records: [batchOf(2)] },
          { index: 9, records: [batchOf(1)] },
          { index: -1, records: [batchOf(1)] },
          { index: 0, records: bad }
        ])
      }
    ],
    ['refuses acknowledgements of -2', produces([batchOf(1)], {}, -2)],
    ...(['uncompressed', 'gzip', 'snappy', 'lz4', 'zstd', 'producer'] as const).map(
      (type) => [`stores as ${type}`, [9, 13], storesAs(type)] as const
    ),
    ['refuses timestamps before the limit', produces([batchOf(1)], { 'message.timestamp.before.max.ms': '3600000' })],
    [
      'refuses timestamps after a limit of its own',
      produces([buildBatch([{ ...recordAt(1), timestamp: Date.now() + 60_000 }])], {
        'message.timestamp.after.max.ms': '1000'
      })
    ],
    [
      'does not mind timestamps that it replaces',
      produces([buildBatch([{ ...recordAt(1), timestamp: 9_000_000_000_000 }])], {
        'message.timestamp.type': 'LogAppendTime'
      })
    ],
    ['takes records without a timestamp', produces([buildBatch([{ ...recordAt(1), timestamp: -1 }])])],
    [
      'takes a record without a value on a compacted topic',
      produces([buildBatch([{ ...recordAt(1), value: null }])], { 'cleanup.policy': 'compact' })
    ],
    [
      'refuses a compressed record without key on a compacted topic',
      produces(async () => [await buildCompressedBatch('gzip', [recordAt(1), { ...recordAt(2), key: null }])], {
        'cleanup.policy': 'compact'
      })
    ],
    [
      'takes a batch of exactly max.message.bytes',
      produces([batchOf(3)], { 'max.message.bytes': String(batchOf(3).length) })
    ],
    [
      'refuses a byte more than max.message.bytes',
      produces([batchOf(3)], { 'max.message.bytes': String(batchOf(3).length - 1) })
    ],
    ['refuses a negative length', produces(changed((batch) => batch.writeInt32BE(-1, BATCH_LENGTH_POSITION), false))],
    [
      'refuses a length beyond the end',
      produces(changed((batch) => batch.writeInt32BE(9999, BATCH_LENGTH_POSITION), false))
    ],
    [
      'takes a partition named twice',
      async (peer, version) => {
        const topic = await peer.topic()
        const one = { index: 0, records: [batchOf(1)] }
        return produce(peer, version, topic, [one, one])
      }
    ],
    ...(['__consumer_offsets', '__transaction_state'] as const).map(
      (name) =>
        [
          `refuses records of ${name}`,
          [3, 12],
          (peer: Peer, version: number) =>
            produce(peer, version, { name, id: ZERO_UUID }, [{ index: 0, records: [batchOf(1)] }])
        ] as const
    )
  ),
  ...casesOf(
    apis.produce,
    ['takes sequences in order', sequence([0, 0, 3], [0, 3, 2], [0, 5, 1])],
    ['answers a duplicate with its offset', sequence([0, 0, 3], [0, 3, 2], [0, 0, 3], [0, 3, 2])],
    ['refuses a gap', sequence([0, 0, 3], [0, 4, 1])],
    ['takes any first sequence', sequence([0, 1000, 3], [0, 1003, 1])],
    [
      'refuses a duplicate of the sixth last batch',
      sequence([0, 0, 1], [0, 1, 1], [0, 2, 1], [0, 3, 1], [0, 4, 1], [0, 5, 1], [0, 0, 1])
    ],
    [
      'answers a duplicate of the fifth last batch',
      sequence([0, 0, 1], [0, 1, 1], [0, 2, 1], [0, 3, 1], [0, 4, 1], [0, 0, 1])
    ],
    ['refuses an overlap that is no duplicate', sequence([0, 0, 3], [0, 0, 2])],
    ['refuses a wider overlap', sequence([0, 0, 3], [0, 0, 5])],
    ['takes sequence zero with the next epoch', sequence([0, 0, 3], [1, 0, 1])],
    ['refuses another sequence with the next epoch', sequence([0, 0, 3], [1, 3, 1])],
    ['refuses an older epoch', sequence([1, 0, 3], [0, 0, 1])],
    ['wraps sequences at 2^31', sequence([0, 0x7fff_fffe, 4], [0, 2, 1])]
  ),
  ...casesOf(
    apis.initProducerId,
    [
      'gives an id',
      async (peer, version) => {
        await producerId(peer)
        return peer.send(apis.initProducerId, version, { transactionalId: null, transactionTimeoutMs: 60_000 })
      }
    ],
    [
      'refuses an empty transactional id',
      (peer, version) => peer.send(apis.initProducerId, version, { transactionalId: '', transactionTimeoutMs: 60_000 })
    ],
    [
      'takes an id and epoch without a transaction',
      [3, 100],
      (peer, version) => {
        const given = { producerId: 7, producerEpoch: 3 }
        return peer.send(apis.initProducerId, version, {
          transactionalId: null,
          transactionTimeoutMs: 60_000,
          ...given
        })
      }
    ]
  )
]
