import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Reader, WireFault, Writer, ZERO_UUID } from './buffers.ts'

function written(write: (writer: Writer) => void): Buffer {
  const writer = new Writer()
  write(writer)
  return Buffer.concat(writer.finish())
}

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

test('large byte fields are referenced, not copied, and small ones are gathered', () => {
  const large = Buffer.alloc(5000, 1)
  const small = Buffer.alloc(1023, 2)
  const writer = new Writer()
  writer.int32(7)
  writer.records([large, small, large], true, false)
  writer.int16(8)
  const length = writer.length
  const chunks = writer.finish()
  assert.equal(chunks[1], large)
  assert.equal(chunks.filter((chunk) => chunk === large).length, 2)
  const frame = Buffer.concat(chunks)
  assert.equal(frame.length, length)
  const reader = new Reader(frame)
  assert.equal(reader.int32(), 7)
  assert.deepEqual(reader.records(true, false), [Buffer.concat([large, small, large])])
  assert.equal(reader.int16(), 8)
})

test('reading bytes and records gives slices of the frame', () => {
  const frame = written((writer) => writer.records([Buffer.from('batch')], false, false))
  const [slice] = new Reader(frame).records(false, false) ?? []
  assert.equal(slice?.buffer, frame.buffer)
  assert.equal(slice?.byteOffset, frame.byteOffset + 4)
})

test('fields keep their place whatever the block in which they begin', () => {
  for (let padding = 480; padding < 520; padding++) {
    const frame = written((writer) => {
      for (let i = 0; i < padding; i++) writer.bool(true)
      writer.int64(-5)
      writer.uvarint(300)
      writer.string('straße', true, false)
      writer.int64Saturated(Number.MAX_SAFE_INTEGER)
      writer.uuid('AQIDBAUGBwgJCgsMDQ4PEA')
      writer.float64(0.5)
      writer.int32(9)
    })
    const reader = new Reader(frame, padding)
    assert.deepEqual(
      [reader.int64(), reader.uvarint(), reader.string(true, false), reader.int64Saturated()],
      [-5, 300, 'straße', Number.MAX_SAFE_INTEGER]
    )
    assert.deepEqual([reader.uuid(), reader.float64(), reader.int32()], ['AQIDBAUGBwgJCgsMDQ4PEA', 0.5, 9])
    assert.equal(reader.remaining, 0)
  }
})

test('a frame begins with its size', () => {
  const writer = new Writer()
  writer.startFrame()
  writer.bytes(Buffer.alloc(2000), false, false)
  const frame = Buffer.concat(writer.finishFrame())
  assert.equal(frame.readInt32BE(0), 2004)
  assert.equal(frame.length, 2008)
})

test('integers round trip, and those that do not fit are faults', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      assert.equal(new Reader(written((writer) => writer.int64(value))).int64(), value)
    })
  )
  const writer = new Writer()
  const unfit: [(value: number) => void, readonly number[]][] = [
    [(value) => writer.int8(value), [128, -129, 0.5, Number.NaN]],
    [(value) => writer.int16(value), [0x8000, -0x8001]],
    [(value) => writer.uint16(value), [-1, 0x10000]],
    [(value) => writer.int32(value), [2 ** 31, -(2 ** 31) - 1, Number.POSITIVE_INFINITY]],
    [(value) => writer.int64(value), [2 ** 53, 0.5]],
    [(value) => writer.uvarint(value), [-1, 2 ** 32]]
  ]
  for (const [write, values] of unfit) for (const value of values) assert.throws(() => write(value), WireFault)
})

test('an int64 beyond the safe integers is a fault, or saturates where the schema says so', () => {
  const largest = hex('7fffffffffffffff')
  const smallest = hex('8000000000000000')
  assert.throws(() => new Reader(largest).int64(), WireFault)
  assert.throws(() => new Reader(hex('0020000000000000')).int64(), WireFault)
  assert.equal(new Reader(hex('001fffffffffffff')).int64(), Number.MAX_SAFE_INTEGER)
  assert.equal(new Reader(hex('ffffffffffffffff')).int64(), -1)
  assert.equal(new Reader(largest).int64Saturated(), Number.MAX_SAFE_INTEGER)
  assert.equal(new Reader(smallest).int64Saturated(), Number.MIN_SAFE_INTEGER)
  assert.equal(new Reader(hex('fffffffffffffffe')).int64Saturated(), -2)
  assert.deepEqual(
    written((writer) => writer.int64Saturated(Number.MAX_SAFE_INTEGER)),
    largest
  )
  assert.deepEqual(
    written((writer) => writer.int64Saturated(Number.MIN_SAFE_INTEGER)),
    smallest
  )
})

test('varints have at most five bytes', () => {
  assert.equal(new Reader(hex('ffffffff0f')).uvarint(), 2 ** 32 - 1)
  assert.equal(new Reader(hex('ac02')).uvarint(), 300)
  assert.throws(() => new Reader(hex('808080808001')).uvarint(), WireFault)
})

test('uuids look as Kafka prints them', () => {
  assert.equal(new Reader(Buffer.alloc(16)).uuid(), ZERO_UUID)
  assert.deepEqual(
    written((writer) => writer.uuid('__79_Pv6-fj39vX08_Lx8A')),
    hex('fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0')
  )
  for (const wrong of ['', 'AAAA', 'AAAAAAAAAAAAAAAAAAAAA!', 'AAAAAAAAAAAAAAAAAAAAAAA']) {
    assert.throws(() => new Writer().uuid(wrong), WireFault)
  }
})

test('lengths below null, and null where it is not allowed, are faults', () => {
  for (const read of [
    () => new Reader(hex('fffe')).string(false, true),
    () => new Reader(hex('fffffffe')).bytes(false, true),
    () => new Reader(hex('fffffffe')).count(false, true, 1),
    () => new Reader(hex('ffff')).string(false, false),
    () => new Reader(hex('00')).string(true, false),
    () => new Reader(hex('00')).records(true, false),
    () => new Writer().string(null, false, false),
    () => new Writer().string('x'.repeat(0x8000), false, false)
  ]) {
    assert.throws(read, WireFault)
  }
  assert.equal(new Reader(hex('ffff')).string(false, true), null)
  assert.equal(new Reader(hex('00')).count(true, true, 1), -1)
})

test('an array longer than the rest of the frame allows is refused before anything is allocated', () => {
  const frame = Buffer.concat([hex('00000003'), Buffer.alloc(11)])
  assert.throws(() => new Reader(frame).count(false, false, 4), /array of 3 before byte 4 cannot fit in 11 bytes/)
  assert.equal(new Reader(Buffer.concat([frame, Buffer.alloc(1)])).count(false, false, 4), 3)
  assert.throws(() => new Reader(hex('7fffffff')).count(false, false, 1), WireFault)
})

test('a tagged field cannot be read past its own size, nor left unread', () => {
  const reader = new Reader(Buffer.alloc(8))
  const outer = reader.enter(3)
  assert.throws(() => reader.int32(), WireFault)
  reader.int16()
  assert.throws(() => reader.leave(outer), WireFault)
  reader.int8()
  reader.leave(outer)
  assert.equal(reader.remaining, 5)
  assert.throws(() => reader.enter(6), WireFault)
})
