import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import {
  CLOSED_MARK_AT,
  decodeSegmentPage,
  encodeClosedMark,
  encodeFreedMark,
  encodeSegmentPage,
  FREED_MARK_AT,
  SEGMENT_PAGE_BYTES
} from './wal-segment.ts'

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff })
const headers = fc.record({ sequence: uint32, salt: uint32, base: fc.maxSafeNat() }, { noNullPrototype: true })
const marks = fc.record({ sequence: uint32, end: fc.maxSafeNat() }, { noNullPrototype: true })

it('the first page decodes to what was encoded, with and without marks', () => {
  fc.assert(
    fc.property(
      headers,
      fc.option(marks, { nil: undefined }),
      fc.option(marks, { nil: undefined }),
      (header, freed, closed) => {
        const page = encodeSegmentPage(header, freed)
        if (closed !== undefined) encodeClosedMark(closed).copy(page, CLOSED_MARK_AT)
        assert.equal(page.length, SEGMENT_PAGE_BYTES)
        assert.deepEqual(decodeSegmentPage(page), { header, freed, closed })
      }
    )
  )
})

it('a flipped bit takes away the part it is in, and no other', () => {
  fc.assert(
    fc.property(
      headers,
      marks,
      marks,
      fc.nat(23),
      fc.nat(19),
      fc.nat(7),
      (header, freed, closed, inHeader, inMark, bit) => {
        const flipped = (at: number) => {
          const page = encodeSegmentPage(header, freed)
          encodeClosedMark(closed).copy(page, CLOSED_MARK_AT)
          page.writeUInt8(page.readUInt8(at) ^ (1 << bit), at)
          return decodeSegmentPage(page)
        }
        assert.deepEqual(flipped(inHeader), { header: undefined, freed, closed })
        assert.deepEqual(flipped(FREED_MARK_AT + inMark), { header, freed: undefined, closed })
        assert.deepEqual(flipped(CLOSED_MARK_AT + inMark), { header, freed, closed: undefined })
      }
    )
  )
})

it('a page of zeros, a short one and none have no parts', () => {
  const nothing = { header: undefined, freed: undefined, closed: undefined }
  for (const bytes of [0, 3, 24, FREED_MARK_AT + 3, SEGMENT_PAGE_BYTES]) {
    assert.deepEqual(decodeSegmentPage(Buffer.alloc(bytes)), nothing)
  }
})

it('the layout of the page is the one that is documented', () => {
  const page = encodeSegmentPage({ sequence: 2, salt: 3, base: 2 ** 32 }, { sequence: 1, end: 5 })
  assert.equal(page.toString('hex', 0, 20), '4c48530100000002000000030000000100000000')
  assert.equal(page.toString('hex', 512, 528), '4c484601000000010000000000000005')
  assert.equal(encodeFreedMark({ sequence: 1, end: 5 }).compare(page, 512, 532), 0)
  assert.equal(encodeClosedMark({ sequence: 1, end: 5 }).toString('hex', 0, 16), '4c484301000000010000000000000005')
})
