import assert from 'node:assert/strict'
import { test } from 'node:test'
import { murmur2, partitionForKey } from './murmur2.ts'

/** From `Utils.murmur2` and `BuiltInPartitioner.partitionForKey(key, 12)` of Kafka 4.3.1: key, hash, partition. */
const GOLDEN: readonly (readonly [Buffer, number, number])[] = [
  [Buffer.from(''), 275646681, 9],
  [Buffer.from('a'), -1563381124, 4],
  [Buffer.from('ab'), 316155434, 2],
  [Buffer.from('abc'), 479470107, 3],
  [Buffer.from('abcd'), -1323649548, 8],
  [Buffer.from('21'), -973932308, 0],
  [Buffer.from('foobar'), -790332482, 6],
  [Buffer.from('a-little-bit-long-string'), -985981536, 8],
  [Buffer.from('a-little-bit-longer-string'), -1486304829, 11],
  [Buffer.from('lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8'), -58897971, 5],
  [Buffer.from(Array.from({ length: 257 }, (_, index) => index & 0xff)), -872042360, 0]
]

test('keys hash as the Java client hashes them', () => {
  for (const [key, hash] of GOLDEN) assert.equal(murmur2(key), hash, key.toString('hex'))
})

test('keys go to the partition the Java client gives them', () => {
  for (const [key, , partition] of GOLDEN) assert.equal(partitionForKey(key, 12), partition, key.toString('hex'))
})
