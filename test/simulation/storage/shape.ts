/** What one seed decides before anything happens: the kind of node, its limits, and how long it is watched. */
import type { Random } from '../../../src/runtime/random.ts'

export interface Shape {
  readonly walKind: 'file' | 'object'
  readonly logCacheBytes: number
  readonly blockCacheBytes: number
  readonly coldReadBytesPerSecond: number
  readonly uploadBytes: number
  readonly uploadIntervalMs: number
  readonly compactionIntervalMs: number
  readonly objectGraceMs: number
  /** Of the file WAL. */
  readonly segmentBytes: number
  readonly walBytesMax: number
  /** Of one entry. */
  readonly payloadBytesMax: number
  /** Bursts of load, with quiet between them. */
  readonly episodes: number
  /** Longest quiet between two bursts, milliseconds; shorter ones are commoner. */
  readonly quietMsMax: number
  /** Whether it is watched until every object that nobody needs must be gone, which takes hours. */
  readonly isSwept: boolean
}

const KIBIBYTE = 1024
const MEBIBYTE = 1024 * KIBIBYTE
const MINUTE_MS = 60_000

/** Small limits are reached often; the large ones are for objects of one stream, which take 8 MiB. */
const SIZES = {
  small: {
    logCacheBytes: 64 * KIBIBYTE,
    blockCacheBytes: 32 * KIBIBYTE,
    uploadBytes: 16 * KIBIBYTE,
    segmentBytes: 256 * KIBIBYTE,
    walBytesMax: MEBIBYTE,
    payloadBytesMax: 3_000,
    episodes: 30
  },
  large: {
    logCacheBytes: 24 * MEBIBYTE,
    blockCacheBytes: 2 * MEBIBYTE,
    uploadBytes: 9 * MEBIBYTE,
    segmentBytes: 16 * MEBIBYTE,
    walBytesMax: 64 * MEBIBYTE,
    payloadBytesMax: 600_000,
    episodes: 10
  }
}

export interface ShapeOptions {
  /** By seed when undefined. */
  readonly walKind?: Shape['walKind']
  /** A run of minutes instead of days: for what shows at once or never. */
  readonly isBrief?: boolean
}

export function drawShape(random: Random, { walKind, isBrief = false }: ShapeOptions): Shape {
  const pick = <T>(...choices: readonly T[]): T => choices[random.int(choices.length)] as T
  const drawn = pick<Shape['walKind']>('file', 'object')
  const sizes = random.int(16) === 0 && !isBrief ? SIZES.large : SIZES.small
  return {
    ...sizes,
    walKind: walKind ?? drawn,
    logCacheBytes: sizes.logCacheBytes * pick(1, 1, 4),
    blockCacheBytes: sizes.blockCacheBytes / pick(1, 1, 8),
    coldReadBytesPerSecond: pick(0, 0, 8 * sizes.uploadBytes),
    uploadIntervalMs: pick(200, 1_000, 20_000),
    compactionIntervalMs: pick(20_000, 60_000, 600_000),
    objectGraceMs: pick(60_000, 600_000),
    quietMsMax: isBrief ? MINUTE_MS : 240 * MINUTE_MS,
    isSwept: !isBrief
  }
}
