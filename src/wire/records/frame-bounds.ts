/**
 * How much an LZ4 or zstd frame can expand to at most, from its framing alone: a pass over block headers, nothing is
 * decoded. Fault `corrupt` when the framing itself is broken or cut off.
 *
 * Sources: LZ4 frame format 1.6 (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md), RFC 8878 section 3.1.
 */
import { Fault } from '../../runtime/fault.ts'

const LZ4_MAGIC = 0x184d2204
/** One byte of an LZ4 block stands for at most 255 bytes of output. */
const LZ4_RATIO_MAX = 255
const ZSTD_MAGIC = 0xfd2fb528
const ZSTD_SKIPPABLE_MAGIC = 0x184d2a50
const ZSTD_BLOCK_BYTES_MAX = 128 * 1024
const DICTIONARY_ID_BYTES = [0, 1, 2, 4]

/** Reads forward, little-endian as both formats are. */
class FrameReader {
  readonly #bytes: Buffer
  readonly #format: string
  position = 0

  constructor(bytes: Buffer, format: string) {
    this.#bytes = bytes
    this.#format = format
  }

  get left(): number {
    return this.#bytes.length - this.position
  }

  uint(length: 1 | 3 | 4): number {
    this.skip(length)
    return this.#bytes.readUIntLE(this.position - length, length)
  }

  skip(length: number): void {
    if (length > this.left) throw this.corrupt('it is cut off')
    this.position += length
  }

  corrupt(why: string): Fault {
    return new Fault('corrupt', `These bytes are not ${this.#format}: ${why} (byte ${this.position})`)
  }
}

/** `bytes` must be exactly one frame, as Kafka's clients write. */
export function lz4WorstCase(bytes: Buffer): number {
  const reader = new FrameReader(bytes, 'lz4')
  if (reader.uint(4) !== LZ4_MAGIC) throw reader.corrupt('no LZ4 frame starts here')
  const flags = reader.uint(1)
  const blockSizeId = (reader.uint(1) >> 4) & 7
  if (flags >> 6 !== 1 || (flags & 0x01) !== 0 || blockSizeId < 4) throw reader.corrupt('unsupported frame header')
  const contentSizeBytes = (flags & 0x08) === 0 ? 0 : 8
  const blockChecksumBytes = (flags & 0x10) === 0 ? 0 : 4
  const contentChecksumBytes = (flags & 0x04) === 0 ? 0 : 4
  reader.skip(contentSizeBytes + 1)
  const blockBytesMax = 1 << (8 + 2 * blockSizeId)
  let worstCase = 0
  for (let block = reader.uint(4); block !== 0; block = reader.uint(4)) {
    const size = block & 0x7fff_ffff
    const stored = block > 0x7fff_ffff
    if (size > blockBytesMax) throw reader.corrupt(`a block of ${size} bytes is larger than its frame allows`)
    reader.skip(size + blockChecksumBytes)
    worstCase += stored ? size : Math.min(blockBytesMax, size * LZ4_RATIO_MAX)
  }
  reader.skip(contentChecksumBytes)
  if (reader.left > 0) throw reader.corrupt('bytes are left after the frame')
  return worstCase
}

/** `bytes` may be several frames one after the other. */
export function zstdWorstCase(bytes: Buffer): number {
  const reader = new FrameReader(bytes, 'zstd')
  let worstCase = 0
  do {
    const magic = reader.uint(4)
    if (magic === ZSTD_MAGIC) worstCase += zstdFrame(reader)
    else if ((magic & 0xffff_fff0) >>> 0 === ZSTD_SKIPPABLE_MAGIC) reader.skip(reader.uint(4))
    else throw reader.corrupt('no zstd frame starts here')
  } while (reader.left > 0)
  return worstCase
}

function zstdFrame(reader: FrameReader): number {
  const descriptor = reader.uint(1)
  const singleSegment = (descriptor & 0x20) !== 0
  const contentSizeId = descriptor >> 6
  const contentSizeBytes = contentSizeId === 0 ? (singleSegment ? 1 : 0) : 1 << contentSizeId
  const windowBytes = singleSegment ? 0 : 1
  reader.skip(windowBytes + (DICTIONARY_ID_BYTES[descriptor & 3] ?? 0) + contentSizeBytes)
  let worstCase = 0
  for (let last = false; !last; ) {
    const block = reader.uint(3)
    last = (block & 1) === 1
    const type = (block >> 1) & 3
    const size = block >> 3
    if (type === 3 || size > ZSTD_BLOCK_BYTES_MAX) throw reader.corrupt('no block starts here')
    // Raw bytes stand for themselves, one repeated byte for `size` of them, a compressed block for up to a full one.
    reader.skip(type === 1 ? 1 : size)
    worstCase += type === 2 ? ZSTD_BLOCK_BYTES_MAX : size
  }
  reader.skip((descriptor & 0x04) === 0 ? 0 : 4)
  return worstCase
}
