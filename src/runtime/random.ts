/** Randomness as every component sees it. */

export interface Random {
  /** Uniform in [0, 1). */
  float(): number
  /** A whole number, uniform in [0, bound). */
  int(bound: number): number
  bytes(length: number): Buffer
}

/** RFC 4122 version 4 UUID in canonical text form. */
export function uuid(random: Random): string {
  const bytes = random.bytes(16)
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** A repeatable source (mulberry32): the same seed gives the same sequence on every machine. Not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const float = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000
  }
  const int = (bound: number): number => Math.floor(float() * bound)
  return {
    float,
    int,
    bytes(length) {
      const bytes = Buffer.alloc(length)
      for (let i = 0; i < length; i++) bytes[i] = int(256)
      return bytes
    }
  }
}
