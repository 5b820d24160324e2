/** Messages that carry their own version in two bytes before them: consumer protocol and `__consumer_offsets`. */
import { Reader, WireFault, Writer } from './buffers.ts'
import type { Message } from './message.ts'

export function encodeVersioned<Input>(message: Message<unknown, Input>, version: number, value: Input): Buffer {
  const writer = new Writer()
  writer.int16(version)
  message.encode(writer, version, value)
  return Buffer.concat(writer.finish())
}

/** A version that the message does not know is a `WireFault`. */
export function decodeVersioned<Output>(message: Message<Output, unknown>, buffer: Buffer): Output {
  const reader = new Reader(buffer)
  return message.decode(reader, reader.int16())
}

/** Reads a version newer than ours as our newest, where the protocol promises only to append fields. */
export function decodeVersionedOrNewer<Output>(message: Message<Output, unknown>, buffer: Buffer): Output {
  const reader = new Reader(buffer)
  return message.decode(reader, Math.min(reader.int16(), message.maxVersion))
}

export function versionOf(buffer: Buffer): number {
  if (buffer.length < 2) throw new WireFault(`${buffer.length} bytes are too few for a version`)
  return buffer.readInt16BE(0)
}
