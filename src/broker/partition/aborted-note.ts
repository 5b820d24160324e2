/**
 * What lies beside each upload of a partition for read_committed readers (`Note` of the storage engine): the aborted
 * transactions whose marker is part of the upload, and how far back those can reach whose marker comes later.
 * Layout, big-endian: docs/formats/partition-notes.md.
 */
import { Fault } from '../../runtime/fault.ts'
import { Reader, Writer } from '../../wire/buffers.ts'

const VERSION = 1
const TWO_32 = 0x1_0000_0000

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
  /** Offset of its marker. */
  readonly lastOffset: number
}

export interface AbortedNote {
  /** First offset of the transactions that were open where the upload begins; that place itself when none was. */
  readonly stableOffset: number
  /** By marker. */
  readonly aborted: readonly AbortedTransaction[]
}

export function encodeAbortedNote({ stableOffset, aborted }: AbortedNote): Buffer {
  const writer = new Writer()
  writer.int16(VERSION)
  writer.int64(stableOffset)
  writer.int32(aborted.length)
  // There may be many: what costs a byte is told from the one before.
  let before = 0
  for (const { producerId, firstOffset, lastOffset } of aborted) {
    writeNumber(writer, producerId)
    writeNumber(writer, lastOffset - before)
    writeNumber(writer, lastOffset - firstOffset)
    before = lastOffset
  }
  return Buffer.concat(writer.finish())
}

/** Fault `corrupt` when the bytes are not a note of a version this release knows. */
export function decodeAbortedNote(bytes: Buffer): AbortedNote {
  const reader = new Reader(bytes)
  try {
    const version = reader.int16()
    if (version !== VERSION) {
      throw new Fault('corrupt', `partition note version ${version} is newer than ${VERSION}, which this release knows`)
    }
    const stableOffset = reader.int64()
    const aborted: AbortedTransaction[] = []
    let lastOffset = 0
    for (let left = reader.int32(); left > 0; left--) {
      const producerId = readNumber(reader)
      lastOffset += readNumber(reader)
      aborted.push({ producerId, firstOffset: lastOffset - readNumber(reader), lastOffset })
    }
    return { stableOffset, aborted }
  } catch (error) {
    throw new Fault('corrupt', 'a partition note cannot be read', { cause: error })
  }
}

/** A safe integer from 0 on, as two varints: its high and its low 32 bits. */
function writeNumber(writer: Writer, value: number): void {
  writer.uvarint(Math.floor(value / TWO_32))
  writer.uvarint(value % TWO_32)
}

function readNumber(reader: Reader): number {
  return reader.uvarint() * TWO_32 + reader.uvarint()
}
