/** The adapter of `Random` to the operating system's cryptographic source. */
import { randomBytes, randomInt } from 'node:crypto'
import type { Random } from './random.ts'

export const systemRandom: Random = {
  // 2^48 - 1 is the largest bound that randomInt takes.
  float: () => randomInt(0xffff_ffff_ffff) / 0xffff_ffff_ffff,
  int: (bound) => randomInt(bound),
  bytes: (length) => randomBytes(length)
}
