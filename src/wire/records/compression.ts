/**
 * Kafka's compression codecs, for whoever must look inside a batch: off the event loop, each in the format that
 * Kafka's Java client writes and reads. The broker itself stores batches as they come.
 *
 * Invariant: what `decompress` holds at once is bounded by the caller's limit, not by what the input claims or
 * expands to. gzip stops at the limit by itself. The native decoders of the others have no limit of their own, so
 * the framing is walked first and the worst that it can expand to is judged before they run (`frame-bounds.ts`,
 * `xerial-snappy.ts`).
 *
 * Formats: gzip RFC 1952; snappy in snappy-java's block framing (raw snappy is read as well, librdkafka writes it);
 * LZ4 frames (independent blocks, no content checksum); zstd frames RFC 8878 (content size may be unknown).
 */
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { decompress as zstdDecompress } from '@mongodb-js/zstd'
import { compressFrame, decompressFrame } from 'lz4-napi'
import { Fault } from '../../runtime/fault.ts'
import { lz4WorstCase, zstdWorstCase } from './frame-bounds.ts'
import { compressXerial, decompressSnappy } from './xerial-snappy.ts'

/** By the id that stands in a batch's attributes. */
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
export type Codec = (typeof CODECS)[number]

/**
 * The framing tells only an upper bound of what comes out. It may exceed the caller's limit by so much before the
 * input is refused unread; what really comes out must keep the limit itself.
 */
const WORST_CASE_FACTOR = 4
const WORST_CASE_BYTES_MIN = 4 * 1024 * 1024

const gzipAsync: (bytes: Buffer, options: { level?: number }) => Promise<Buffer> = promisify(gzip)
/** The package's own function forgets the level on its way to the bindings. */
const zstdBindings = createRequire(import.meta.url)('@mongodb-js/zstd/bindings.js') as {
  compress(bytes: Buffer, level?: number): Promise<Buffer>
}
const gunzipAsync: (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer> = promisify(gunzip)

/** Fault `corrupt` for an id that is no codec. */
export function codecById(id: number): Codec {
  const codec = CODECS[id]
  if (codec === undefined) throw new Fault('corrupt', `Unknown compression codec ${id}`)
  return codec
}

export function codecId(codec: Codec): number {
  return CODECS.indexOf(codec)
}

/** `level`: how hard gzip (-1 to 9) and zstd (-131072 to 22) try; the other codecs know none. */
export async function compress(codec: Codec, bytes: Buffer, level?: number): Promise<Buffer> {
  switch (codec) {
    case 'none':
      return bytes
    case 'gzip':
      return gzipAsync(bytes, level === undefined ? {} : { level })
    case 'snappy':
      return compressXerial(bytes)
    case 'lz4':
      return compressFrame(bytes)
    case 'zstd':
      return zstdBindings.compress(bytes, level)
  }
}

/**
 * Fault `corrupt` when `bytes` are not of the codec's format, `invalid` when they expand, or by their framing might
 * expand, to more than `maxBytes` allows.
 */
export async function decompress(codec: Codec, bytes: Buffer, maxBytes: number): Promise<Buffer> {
  const plain = await decode(codec, bytes, maxBytes)
  if (plain.length > maxBytes) throw tooLarge(codec, maxBytes)
  return plain
}

function decode(codec: Codec, bytes: Buffer, maxBytes: number): Buffer | Promise<Buffer> {
  switch (codec) {
    case 'none':
      return bytes
    case 'gzip':
      return decodeGzip(bytes, maxBytes)
    case 'snappy':
      return decompressSnappy(bytes, maxBytes)
    case 'lz4':
      return decodeBounded(codec, bytes, lz4WorstCase(bytes), maxBytes, decompressFrame)
    case 'zstd':
      return decodeBounded(codec, bytes, zstdWorstCase(bytes), maxBytes, zstdDecompress)
  }
}

async function decodeGzip(bytes: Buffer, maxBytes: number): Promise<Buffer> {
  try {
    return await gunzipAsync(bytes, { maxOutputLength: Math.max(1, maxBytes) })
  } catch (cause) {
    if (cause instanceof RangeError) throw tooLarge('gzip', maxBytes, cause)
    throw new Fault('corrupt', 'These bytes are not gzip', { cause })
  }
}

async function decodeBounded(
  codec: Codec,
  bytes: Buffer,
  worstCase: number,
  maxBytes: number,
  native: (bytes: Buffer) => Promise<Buffer>
): Promise<Buffer> {
  if (worstCase > Math.max(WORST_CASE_FACTOR * maxBytes, WORST_CASE_BYTES_MIN)) throw tooLarge(codec, maxBytes)
  try {
    return await native(bytes)
  } catch (cause) {
    throw new Fault('corrupt', `These bytes are not ${codec}`, { cause })
  }
}

function tooLarge(codec: Codec, maxBytes: number, cause?: unknown): Fault {
  return new Fault('invalid', `These ${codec} bytes may decompress to more than the ${maxBytes} bytes allowed`, {
    cause
  })
}
