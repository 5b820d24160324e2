import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isFault } from '../runtime/fault.ts'
import { FrameReader } from './frame-reader.ts'

const FRAME_BYTES_MAX = 1000

function framed(body: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length)
  return Buffer.concat([length, body])
}

const body = fc.uint8Array({ minLength: 8, maxLength: 200 }).map((bytes) => Buffer.from(bytes))

/** Splits `bytes` after each of the given sizes, in turn, until nothing is left. */
function chunks(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const parts: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    parts.push(bytes.subarray(at, at + size))
    at += size
  }
  return parts
}

describe('frame reader', () => {
  it('any frames, cut into any chunks, come out as they went in', () => {
    fc.assert(
      fc.property(
        fc.array(body, { maxLength: 10 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 10 }),
        (bodies, sizes) => {
          const reader = new FrameReader(FRAME_BYTES_MAX)
          const stream = Buffer.concat(bodies.map(framed))
          const frames = chunks(stream, sizes).flatMap((chunk) => reader.push(chunk))
          assert.deepEqual(frames, bodies)
          assert.equal(reader.buffered, 0)
        }
      )
    )
  })

  it('an unfinished frame is held, and no more than what has come', () => {
    fc.assert(
      fc.property(body, fc.nat(), fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (last, cut, sizes) => {
        const reader = new FrameReader(FRAME_BYTES_MAX)
        const partial = framed(last).subarray(0, cut % (last.length + 4))
        for (const chunk of chunks(Buffer.concat([framed(Buffer.alloc(20)), partial]), sizes)) reader.push(chunk)
        assert.equal(reader.buffered, partial.length)
      })
    )
  })

  it('a length out of bounds is Fault invalid, however its bytes arrive', () => {
    for (const length of [-1, 0, 7, FRAME_BYTES_MAX + 1, 0x7fff_ffff, -0x8000_0000]) {
      for (const size of [1, 3, 4, 100]) {
        const reader = new FrameReader(FRAME_BYTES_MAX)
        const bytes = Buffer.alloc(104)
        bytes.writeInt32BE(length, 0)
        const push = () => {
          for (const chunk of chunks(bytes, [size])) reader.push(chunk)
        }
        assert.throws(push, (error) => isFault(error, 'invalid'), `length ${length} in chunks of ${size}`)
      }
    }
  })

  it('the shortest and the longest frame pass', () => {
    const reader = new FrameReader(FRAME_BYTES_MAX)
    const bodies = [Buffer.alloc(8, 1), Buffer.alloc(FRAME_BYTES_MAX, 2)]
    assert.deepEqual(reader.push(Buffer.concat(bodies.map(framed))), bodies)
  })

  it('a large announcement alone takes no memory', () => {
    const reader = new FrameReader(1 << 30)
    const before = process.memoryUsage().arrayBuffers
    const head = Buffer.alloc(5)
    head.writeInt32BE(1 << 30)
    assert.deepEqual(reader.push(head), [])
    assert.ok(process.memoryUsage().arrayBuffers - before < 1 << 20)
  })
})
