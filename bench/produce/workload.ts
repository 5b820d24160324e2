/**
 * What a load generator sends, built once: the bytes of its requests, and where in them and in the answers the few
 * fields lie that differ from request to request. Both contenders get the same bytes and answer alike.
 */

import { Writer } from '../../src/wire/buffers.ts'
import { encodeResponseHeader } from '../../src/wire/headers.ts'
import { ProduceRequest, ProduceResponse } from '../../src/wire/messages/produce.ts'
import { buildBatch } from '../../src/wire/records/batch-builder.ts'
import { encodeRequest } from '../../test/faults/raw-client.ts'

export interface Workload {
  readonly name: string
  readonly recordBytes: number
  readonly recordsPerRequest: number
  readonly connections: number
}

/** Requests that a connection has under way, as Kafka's clients do (`max.in.flight.requests.per.connection`). */
export const WINDOW = 5
export const TOPIC = 'bench'
export const PARTITIONS = 6

/** Flexible, and the last that names topics instead of ids. */
const VERSION = 12
/** The three empty tag sections of partition, topic and request that follow the records. */
export const FRAME_BYTES_AFTER_BATCH = 3
export const CORRELATION_ID_AT = 8
export const ANSWER_CORRELATION_ID_AT = 4
/** Length, correlation id, tags, topic count, topic name with its length, partition count, partition index. */
export const ANSWER_ERROR_CODE_AT = 4 + 4 + 1 + 1 + (1 + TOPIC.length) + 1 + 4

const KIBIBYTE = 1024

/** Records of 1 KiB in batches that end just below the sizes that producers are told to fill. */
export const workloads: readonly Workload[] = [
  ...[1, 4].map((connections) => batches('256 KiB batches', 250, connections)),
  ...[1, 4].map((connections) => batches('1 MB batches', 1000, connections)),
  ...[1, 64].map((connections) => single('100 B', 100, connections)),
  ...[1, 64].map((connections) => single('1 KiB', KIBIBYTE, connections))
]

function batches(size: string, recordsPerRequest: number, connections: number): Workload {
  return {
    name: `1 KiB × ${recordsPerRequest} (${size}), ${counted(connections)}`,
    recordBytes: KIBIBYTE,
    recordsPerRequest,
    connections
  }
}

function single(size: string, recordBytes: number, connections: number): Workload {
  return { name: `${size} × 1, ${counted(connections)}`, recordBytes, recordsPerRequest: 1, connections }
}

function counted(connections: number): string {
  return connections === 1 ? '1 connection' : `${connections} connections`
}

/** The whole frame of a request; its bytes do not compress. `bytes(n)` gives n of them. */
export function requestFrame(workload: Workload, partition: number, bytes: (count: number) => Buffer): Buffer {
  const timestamp = Date.now()
  const records = Array.from({ length: workload.recordsPerRequest }, () => ({
    key: null,
    value: bytes(workload.recordBytes),
    timestamp
  }))
  const partitionData = [{ index: partition, records: [buildBatch(records)] }]
  const request = { acks: -1, timeoutMs: 30_000, topicData: [{ name: TOPIC, partitionData }] }
  return encodeRequest({ request: ProduceRequest }, VERSION, request, 0, 'bench')
}

/** Where the record batch begins in a frame. */
export function batchAt(frame: Buffer, workload: Workload): number {
  const values = Array.from({ length: workload.recordsPerRequest }, () => ({
    key: null,
    value: Buffer.alloc(workload.recordBytes),
    timestamp: 0
  }))
  return frame.length - FRAME_BYTES_AFTER_BATCH - buildBatch(values).length
}

/** The whole frame of an answer without error. */
export function answerFrame(): Buffer {
  const writer = new Writer()
  writer.startFrame()
  encodeResponseHeader(writer, 0, true)
  const partitionResponses = [{ index: 0, errorCode: 0, baseOffset: 0, logStartOffset: 0 }]
  ProduceResponse.encode(writer, VERSION, { responses: [{ name: TOPIC, partitionResponses }] })
  return Buffer.concat(writer.finishFrame())
}
