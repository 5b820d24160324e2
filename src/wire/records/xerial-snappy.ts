/**
 * Snappy as Kafka's Java client writes it: the block framing of snappy-java (`org.xerial.snappy`), which is not
 * snappy's own framing. Raw snappy, as librdkafka writes, is read too.
 *
 *   header   0x82 "SNAPPY" 0x00, version int32 1, lowest compatible version int32 1
 *   block    length int32, raw snappy of that length; any number of them. A further header may stand between
 *            blocks, where streams were joined.
 *
 * Source: https://github.com/xerial/snappy-java (`SnappyOutputStream`, `SnappyCodec`).
 */
import { compress, uncompress } from 'snappy'
import { Fault } from '../../runtime/fault.ts'

const MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const HEADER = Buffer.concat([MAGIC, Buffer.from([0, 0, 0, 1, 0, 0, 0, 1])])
/** snappy-java's default is half of it; readers take any. */
const BLOCK_BYTES = 64 * 1024
/** Snappy's densest element makes 64 bytes of 3. A block that claims more lies about its length. */
const RATIO_MAX = 64 / 3

export async function compressXerial(bytes: Buffer): Promise<Buffer> {
  const parts: Buffer[] = [HEADER]
  for (let position = 0; position < bytes.length; position += BLOCK_BYTES) {
    const block = await compress(bytes.subarray(position, position + BLOCK_BYTES))
    const length = Buffer.allocUnsafe(4)
    length.writeInt32BE(block.length)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}

/** Reads framed and raw snappy. Fault `corrupt`, or `invalid` when more than `maxBytes` would come out. */
export async function decompressSnappy(bytes: Buffer, maxBytes: number): Promise<Buffer> {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return decompressBlock(bytes, maxBytes)
  const parts: Buffer[] = []
  let free = maxBytes
  let position = 0
  while (position < bytes.length) {
    if (bytes.subarray(position, position + MAGIC.length).equals(MAGIC)) {
      position += HEADER.length
      continue
    }
    const length = bytes.length - position >= 4 ? bytes.readInt32BE(position) : -1
    position += 4
    if (length < 0 || length > bytes.length - position) throw corrupt(`a block of ${length} bytes is cut off`)
    const part = await decompressBlock(bytes.subarray(position, position + length), free)
    parts.push(part)
    free -= part.length
    position += length
  }
  if (position !== bytes.length) throw corrupt('its header is cut off')
  return Buffer.concat(parts)
}

async function decompressBlock(block: Buffer, maxBytes: number): Promise<Buffer> {
  const announced = announcedLength(block)
  if (announced > maxBytes)
    throw new Fault('invalid', `Snappy would decompress to more than the ${maxBytes} bytes allowed`)
  if (announced > block.length * RATIO_MAX) throw corrupt(`${block.length} bytes announce ${announced}`)
  let plain: string | Buffer
  try {
    plain = await uncompress(block, { asBuffer: true })
  } catch (cause) {
    throw corrupt('a block does not decode', cause)
  }
  if (typeof plain === 'string') throw corrupt('a block decoded to text')
  return plain
}

/** A raw block opens with its uncompressed length: up to 32 bits, seven a byte, lowest first. */
function announcedLength(block: Buffer): number {
  let length = 0
  for (let index = 0; index < 5; index++) {
    const byte = block[index]
    if (byte === undefined) break
    length += (byte & 0x7f) * 2 ** (7 * index)
    if (byte <= 0x7f) return length
  }
  throw corrupt('a block does not tell its length')
}

function corrupt(why: string, cause?: unknown): Fault {
  return new Fault('corrupt', `These bytes are not snappy: ${why}`, { cause })
}
