/**
 * MurmurHash2 as Kafka's Java client computes it, and the partition it gives a key. Every client that keeps records
 * of a key together with the Java client's must agree with it bit by bit. Not for records without key.
 *
 * Source: `org.apache.kafka.common.utils.Utils.murmur2`, `BuiltInPartitioner.partitionForKey`.
 */
const SEED = 0x9747b28c
const M = 0x5bd1e995

/** The hash as a signed 32-bit number. */
export function murmur2(bytes: Buffer): number {
  const whole = bytes.length & ~3
  let hash = SEED ^ bytes.length
  for (let position = 0; position < whole; position += 4) {
    let word = Math.imul(bytes.readInt32LE(position), M)
    word ^= word >>> 24
    hash = Math.imul(hash, M) ^ Math.imul(word, M)
  }
  if (whole < bytes.length) {
    hash = Math.imul(hash ^ bytes.readUIntLE(whole, bytes.length - whole), M)
  }
  hash = Math.imul(hash ^ (hash >>> 13), M)
  return hash ^ (hash >>> 15)
}

/** The partition in [0, partitions) that Kafka's default partitioner gives `key`. */
export function partitionForKey(key: Buffer, partitions: number): number {
  return (murmur2(key) & 0x7fff_ffff) % partitions
}
