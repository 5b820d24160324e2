/**
 * What a broker checks in the records of a produce request before it appends them: it walks the batches and judges
 * each by its header and checksum alone. The result is a value: which error the client gets, per partition.
 *
 * Invariant: what passes has been read in full exactly once (by the CRC), and its offsets, sequences and timestamps
 * are safe to calculate with. It does not look at records, so a batch whose record bytes are wrong although their
 * checksum is right passes; Kafka reads the records and answers INVALID_RECORD.
 *
 * Errors are those of Kafka 4 (`ProduceRequest.validateRecords`, `UnifiedLog.analyzeAndValidateRecords`,
 * `LogValidator.validateBatch`), and stricter where Kafka lets pass, or answers UNKNOWN_SERVER_ERROR: an unknown codec, a delete horizon, log append time whatever the topic's setting, a producer id without
 * epoch, a transaction without producer id, 64-bit fields beyond 2⁵³.
 */
import {
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_OVERHEAD,
  BATCH_LENGTH_POSITION,
  type BatchHeader,
  compressionCodec,
  computeBatchCrc,
  hasDeleteHorizon,
  hasProducerId,
  isControl,
  isTransactional,
  lastSequence,
  MAGIC_POSITION,
  MAGIC_V2,
  nextSequence,
  parseBatchHeader,
  type RecordBatch,
  timestampType
} from './batch-header.ts'

const ZSTD = 4
/** Smallest length a batch or message of any format can have: Kafka's bound before it looks at the magic byte. */
const LEGACY_LENGTH_MIN = 14

/** Kafka's names of the errors. CORRUPT_MESSAGE makes a client send again, the others make it give up. */
export type RecordsError =
  | 'CORRUPT_MESSAGE'
  | 'INVALID_RECORD'
  | 'INVALID_TIMESTAMP'
  | 'MESSAGE_TOO_LARGE'
  | 'UNSUPPORTED_COMPRESSION_TYPE'

export interface SplitLimits {
  /** Bytes a batch may have, `max.message.bytes` of the topic. Default: no limit. */
  readonly batchBytesMax?: number
  /** Default 1: from Produce v3 on Kafka refuses more with INVALID_RECORD. */
  readonly batchesMax?: number
  /** False for Produce v3 to v6, which came before zstd (KIP-110). Default true. */
  readonly zstdAllowed?: boolean
}

export interface SplitBatches {
  /** At least one. Their bytes are slices of the request. */
  readonly batches: readonly RecordBatch[]
  readonly error: undefined
}

export interface SplitFailure {
  readonly batches: undefined
  readonly error: RecordsError
  /** Fit to be the `error_message` of the answer. */
  readonly message: string
}

/**
 * Splits a produce request's records for one partition into batches and validates each. Copies nothing; one bad
 * batch refuses all of the partition's. Never throws.
 */
export function splitBatches(records: Buffer, limits: SplitLimits = {}): SplitBatches | SplitFailure {
  const batchesMax = limits.batchesMax ?? 1
  const batches: RecordBatch[] = []
  let position = 0
  while (position < records.length) {
    const failed = validateFrame(records, position, limits.batchBytesMax ?? Number.POSITIVE_INFINITY)
    if (batches.length === batchesMax) return surplus(records.length - position, batchesMax, failed === undefined)
    if (failed !== undefined) return failed
    const header = parseBatchHeader(records, position)
    const invalid = validateBatch(records, position, header, batches.at(-1)?.header, limits.zstdAllowed ?? true)
    if (invalid !== undefined) return invalid
    batches.push({ header, bytes: records.subarray(position, position + header.sizeInBytes) })
    position += header.sizeInBytes
  }
  if (batches.length === 0) return failure('INVALID_RECORD', 'A produce request needs a record batch per partition')
  return { batches, error: undefined }
}

function surplus(bytes: number, batchesMax: number, isBatch: boolean): SplitFailure {
  if (!isBatch) return failure('CORRUPT_MESSAGE', `${bytes} bytes behind the last batch are none`)
  return failure('INVALID_RECORD', `A produce request may carry ${batchesMax} batch(es) per partition, found more`)
}

/** Whether a whole batch of our format and of a legal size stands at `position`. */
function validateFrame(records: Buffer, position: number, batchBytesMax: number): SplitFailure | undefined {
  const left = records.length - position
  if (left <= MAGIC_POSITION) return failure('INVALID_RECORD', `${left} bytes are too few for a record batch`)
  const batchLength = records.readInt32BE(position + BATCH_LENGTH_POSITION)
  if (batchLength < LEGACY_LENGTH_MIN) {
    return failure('CORRUPT_MESSAGE', `Batch length ${batchLength} is less than any batch has`)
  }
  const magic = records.readInt8(position + MAGIC_POSITION)
  if (magic < 0 || magic > MAGIC_V2) return failure('CORRUPT_MESSAGE', `Unknown record format, magic ${magic}`)
  const sizeInBytes = batchLength + BATCH_LENGTH_OVERHEAD
  if (sizeInBytes > left) {
    return failure('INVALID_RECORD', `A batch of ${sizeInBytes} bytes was announced, ${left} bytes came`)
  }
  if (magic !== MAGIC_V2) {
    return failure('INVALID_RECORD', `Records have the old format ${magic}; only format 2 (Kafka 0.11) is accepted`)
  }
  if (sizeInBytes < BATCH_HEADER_BYTES) {
    return failure('CORRUPT_MESSAGE', `A batch of ${sizeInBytes} bytes is smaller than its header`)
  }
  if (sizeInBytes > batchBytesMax) {
    return failure(
      'MESSAGE_TOO_LARGE',
      `The batch has ${sizeInBytes} bytes, the topic's max.message.bytes is ${batchBytesMax}`
    )
  }
  return undefined
}

function validateBatch(
  records: Buffer,
  position: number,
  header: BatchHeader,
  previous: BatchHeader | undefined,
  zstdAllowed: boolean
): SplitFailure | undefined {
  const crc = computeBatchCrc(records, position, header.sizeInBytes)
  if (crc !== header.crc) {
    return failure('CORRUPT_MESSAGE', `The batch's CRC-32C is ${hex(header.crc)}, its bytes give ${hex(crc)}`)
  }
  return validateCounts(header) ?? validateAttributes(header, zstdAllowed) ?? validateProducer(header, previous)
}

function validateCounts(header: BatchHeader): SplitFailure | undefined {
  if (header.baseOffset !== 0) {
    return failure('INVALID_RECORD', `Base offset must be 0 in a produce request, it is ${header.baseOffset}`)
  }
  if (header.recordCount <= 0) return failure('INVALID_RECORD', `Record count ${header.recordCount} is not positive`)
  if (header.lastOffsetDelta !== header.recordCount - 1) {
    return failure(
      'INVALID_RECORD',
      `Last offset delta ${header.lastOffsetDelta} does not fit record count ${header.recordCount}`
    )
  }
  if (!Number.isSafeInteger(header.baseTimestamp) || !Number.isSafeInteger(header.maxTimestamp)) {
    return failure('INVALID_TIMESTAMP', 'A timestamp of the batch is beyond 2^53 milliseconds')
  }
  return undefined
}

function validateAttributes(header: BatchHeader, zstdAllowed: boolean): SplitFailure | undefined {
  const codec = compressionCodec(header)
  if (codec > ZSTD) return failure('UNSUPPORTED_COMPRESSION_TYPE', `Unknown compression codec ${codec}`)
  if (codec === ZSTD && !zstdAllowed) {
    return failure('UNSUPPORTED_COMPRESSION_TYPE', 'zstd needs Produce version 7 or newer')
  }
  if (isControl(header)) return failure('INVALID_RECORD', 'Clients are not allowed to write control records')
  if (hasDeleteHorizon(header)) return failure('INVALID_RECORD', 'Clients are not allowed to set a delete horizon')
  if (timestampType(header) === 'log-append-time') {
    return failure('INVALID_TIMESTAMP', 'Producers must not set the timestamp type to LogAppendTime')
  }
  return undefined
}

/** Producers that are not idempotent (id -1) put anything into epoch and sequence: kafkajs sends 0. */
function validateProducer(header: BatchHeader, previous: BatchHeader | undefined): SplitFailure | undefined {
  if (hasProducerId(header)) {
    if (!Number.isSafeInteger(header.producerId)) {
      return failure('INVALID_RECORD', 'No broker of this cluster gave out that producer id')
    }
    if (header.producerEpoch < 0 || header.baseSequence < 0) {
      return failure(
        'INVALID_RECORD',
        `Producer ${header.producerId} sent epoch ${header.producerEpoch}, sequence ${header.baseSequence}`
      )
    }
  } else if (isTransactional(header)) {
    return failure('INVALID_RECORD', 'A transactional batch needs a producer id')
  }
  return previous === undefined ? undefined : validateSuccessor(previous, header)
}

function validateSuccessor(previous: BatchHeader, header: BatchHeader): SplitFailure | undefined {
  if (
    header.producerId !== previous.producerId ||
    header.producerEpoch !== previous.producerEpoch ||
    isTransactional(header) !== isTransactional(previous)
  ) {
    return failure('INVALID_RECORD', 'All batches of a partition must come from one producer and transaction')
  }
  if (hasProducerId(header) && header.baseSequence !== nextSequence(previous)) {
    return failure('INVALID_RECORD', `Sequence ${header.baseSequence} does not follow ${lastSequence(previous)}`)
  }
  return undefined
}

function failure(error: RecordsError, message: string): SplitFailure {
  return { batches: undefined, error, message }
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0')
}
