/**
 * The floor: the least that a Node process does to take a batch durably. It reads sockets, cuts frames, checks the
 * batch's CRC-32C without copying a byte, collects what came while the disk was busy, and ends each round of one writev
 * and one fdatasync with the answers. The file has its full length before and is written from the start again when it
 * is full. It knows one request layout, offsets nothing, remembers nothing, and no byte can be read back through it.
 */

import * as fs from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { crc32c } from '@node-rs/crc32'
import { tuneHeap } from '../../src/node/heap.ts'
import { ANSWER_CORRELATION_ID_AT, answerFrame, CORRELATION_ID_AT, FRAME_BYTES_AFTER_BATCH } from './workload.ts'

export interface BareLoopOrder {
  readonly file: string
  readonly fileBytes: number
  /** Where the batch begins in every frame. */
  readonly batchAt: number
}

const ROUND_BYTES_MAX = 8 * 1024 * 1024
const MEBIBYTE = 1024 * 1024
/** Places in a record batch. */
const CRC_AT = 17
const CHECKED_FROM = 21
const EMPTY = Buffer.alloc(0)

interface Received {
  readonly socket: Socket
  readonly correlationId: number
  readonly crcExpected: number
  readonly parts: Buffer[]
  readonly bytes: number
  crc: number
  batchBytesLeft: number
  tailBytesLeft: number
}

const answer = answerFrame()

function serve(order: BareLoopOrder): void {
  const disk = new Disk(order)
  const server = createServer({ noDelay: true }, (socket) => {
    let current: Received | undefined
    let rest: Buffer = EMPTY
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      rest = EMPTY
      let at = 0
      while (at < bytes.length) {
        if (current === undefined) {
          if (bytes.length - at < order.batchAt + CHECKED_FROM) {
            rest = bytes.subarray(at)
            return
          }
          current = begin(socket, bytes, at, order.batchAt)
          at += order.batchAt
        }
        at += take(current, bytes, at)
        if (current.batchBytesLeft + current.tailBytesLeft > 0) return
        if (current.crc !== current.crcExpected) throw new Error('a batch came with a wrong checksum')
        disk.add(current)
        current = undefined
      }
    })
  })
  server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: (server.address() as AddressInfo).port })))
}

function begin(socket: Socket, bytes: Buffer, at: number, batchAt: number): Received {
  const batchBytes = 4 + bytes.readInt32BE(at) - batchAt - FRAME_BYTES_AFTER_BATCH
  return {
    socket,
    correlationId: bytes.readInt32BE(at + CORRELATION_ID_AT),
    crcExpected: bytes.readUInt32BE(at + batchAt + CRC_AT),
    parts: [],
    bytes: batchBytes,
    crc: 0,
    batchBytesLeft: batchBytes,
    tailBytesLeft: FRAME_BYTES_AFTER_BATCH
  }
}

/** Takes what belongs to the frame and returns how many bytes that is. */
function take(current: Received, bytes: Buffer, at: number): number {
  const batchBytes = Math.min(current.batchBytesLeft, bytes.length - at)
  if (batchBytes > 0) {
    const part = bytes.subarray(at, at + batchBytes)
    current.crc = crc32c(current.parts.length === 0 ? part.subarray(CHECKED_FROM) : part, current.crc)
    current.parts.push(part)
    current.batchBytesLeft -= batchBytes
  }
  const tailBytes = Math.min(current.tailBytesLeft, bytes.length - at - batchBytes)
  current.tailBytesLeft -= tailBytes
  return batchBytes + tailBytes
}

class Disk {
  readonly #descriptor: number
  readonly #bytes: number
  readonly #queue: Received[] = []
  #at = 0
  #busy = false

  constructor({ file, fileBytes }: BareLoopOrder) {
    this.#bytes = fileBytes
    this.#descriptor = fs.openSync(file, 'w+')
    const filling = Buffer.alloc(MEBIBYTE, 1)
    for (let at = 0; at < fileBytes; at += MEBIBYTE) fs.writeSync(this.#descriptor, filling, 0, MEBIBYTE, at)
    fs.fsyncSync(this.#descriptor)
  }

  add(received: Received): void {
    this.#queue.push(received)
    if (!this.#busy) this.#round()
  }

  #round(): void {
    const buffers: Buffer[] = []
    let count = 0
    let bytes = 0
    for (const { parts, bytes: more } of this.#queue) {
      if (count > 0 && bytes + more > ROUND_BYTES_MAX) break
      buffers.push(...parts)
      bytes += more
      count++
    }
    this.#busy = count > 0
    if (count === 0) return
    const round = this.#queue.splice(0, count)
    if (this.#at + bytes > this.#bytes) this.#at = 0
    const at = this.#at
    this.#at += bytes
    fs.writev(this.#descriptor, buffers, at, (failed, written) => {
      if (failed) throw failed
      if (written !== bytes) throw new Error(`${written} of ${bytes} bytes were written`)
      fs.fdatasync(this.#descriptor, (notSynced) => {
        if (notSynced) throw notSynced
        for (const received of round) acknowledge(received)
        this.#round()
      })
    })
  }
}

function acknowledge({ socket, correlationId }: Received): void {
  const frame = Buffer.from(answer)
  frame.writeInt32BE(correlationId, ANSWER_CORRELATION_ID_AT)
  socket.cork()
  socket.write(frame)
  process.nextTick(() => socket.uncork())
}

// As our broker does, so that neither spends its time on collecting garbage that the other leaves.
tuneHeap()
// An orderly end: only then does Node write its profile.
process.once('SIGTERM', () => process.exit(0))
serve(JSON.parse(process.argv[2] ?? '{}'))
