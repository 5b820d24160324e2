import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isFault } from '../../runtime/fault.ts'
import { VarintReader, varintSize, writeVarint } from './varint.ts'

function written(value: number): Buffer {
  const buffer = Buffer.alloc(10)
  return buffer.subarray(0, writeVarint(buffer, 0, value))
}

test('small numbers take the bytes that Protocol Buffers gives them', () => {
  assert.equal(written(0).toString('hex'), '00')
  assert.equal(written(-1).toString('hex'), '01')
  assert.equal(written(63).toString('hex'), '7e')
  assert.equal(written(-64).toString('hex'), '7f')
  assert.equal(written(64).toString('hex'), '8001')
  assert.equal(written(2 ** 31 - 1).toString('hex'), 'feffffff0f')
  assert.equal(written(-(2 ** 31)).toString('hex'), 'ffffffff0f')
})

test('every 32-bit number survives as a varint and as a varlong', () => {
  fc.assert(
    fc.property(fc.integer(), (value) => {
      const bytes = written(value)
      assert.equal(bytes.length, varintSize(value))
      assert.equal(new VarintReader(bytes, 0).varint(), value)
      assert.equal(new VarintReader(bytes, 0).varlong(), value)
    })
  )
})

test('every number within 2^52 survives as a varlong', () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 52), max: 2 ** 52 }), (value) => {
      const bytes = written(value)
      assert.equal(bytes.length, varintSize(value))
      assert.equal(new VarintReader(bytes, 0).varlong(), value)
    })
  )
})

test('numbers without end, and 64-bit numbers beyond 2^53, are corrupt', () => {
  const endless = new VarintReader(Buffer.alloc(20, 0xff), 0)
  assert.throws(
    () => endless.varint(),
    (error) => isFault(error, 'corrupt')
  )
  endless.position = 0
  assert.throws(
    () => endless.varlong(),
    (error) => isFault(error, 'corrupt')
  )
  const longMax = new VarintReader(Buffer.from('feffffffffffffffff01', 'hex'), 0)
  assert.throws(
    () => longMax.varlong(),
    (error) => isFault(error, 'corrupt') && error.message.includes('2^53')
  )
  assert.equal(longMax.position, 10)
})
