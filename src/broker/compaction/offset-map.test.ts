import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { OffsetMap } from './offset-map.ts'

describe('an offset map', () => {
  it('knows the last offset of each key, and no other keys', () => {
    const map = new OffsetMap(5000, 1 << 20)
    for (let i = 0; i < 5000; i++) assert.ok(map.put(Buffer.from(`key-${i}`), i))
    for (let i = 0; i < 5000; i += 3) assert.ok(map.put(Buffer.from(`key-${i}`), 2 ** 52 + i))
    for (let i = 0; i < 5000; i++) assert.equal(map.get(Buffer.from(`key-${i}`)), i % 3 === 0 ? 2 ** 52 + i : i)
    for (let i = 0; i < 5000; i++) assert.equal(map.get(Buffer.from(`other-${i}`)), -1)
    assert.equal(map.size, 5000)
  })

  it('takes the empty key and offset 0', () => {
    const map = new OffsetMap(2, 1024)
    assert.ok(map.put(Buffer.alloc(0), 0))
    assert.equal(map.get(Buffer.alloc(0)), 0)
    assert.equal(map.get(Buffer.alloc(1)), -1)
  })

  it('keeps within its bytes, says when it is full, and then still takes keys that it knows', () => {
    const map = new OffsetMap(1e9, 2400)
    assert.ok(map.bytes <= 2400)
    assert.equal(map.capacity, 90, 'nine tenths of what fits, so that probing stays short')
    let taken = 0
    while (map.put(Buffer.from(`key-${taken}`), taken)) taken++
    assert.equal(taken, map.capacity)
    assert.equal(map.get(Buffer.from(`key-${taken}`)), -1)
    assert.ok(map.put(Buffer.from('key-0'), 777))
    assert.equal(map.get(Buffer.from('key-0')), 777)
  })

  it('is no larger than the keys it is for', () => {
    const map = new OffsetMap(100, 1 << 26)
    assert.ok(map.capacity >= 100 && map.bytes < 24 * 120, `${map.bytes} bytes`)
  })
})
