/** The adapter of `Random` to the operating system's cryptographic source. */
import { randomBytes, randomInt } from 'node:crypto'
import type { Random } from './random.ts'

export const systemRandom: Random = {
  float: () => randomInt(0x1_0000_0000_0000) / 0x1_0000_0000_0000,
  int: (bound) => randomInt(bound),
  bytes: (length) => randomBytes(length)
}
