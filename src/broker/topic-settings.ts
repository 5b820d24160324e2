/**
 * The topic settings that mean something here, by Kafka's names: declared once, with type, default, bounds and
 * documentation. CreateTopics and IncrementalAlterConfigs check against this table, DescribeConfigs shows it.
 */

import { DEFAULT_PROFILE } from '../object-store/object-stores.ts'

export type SettingType = 'boolean' | 'string' | 'int' | 'long' | 'double' | 'list'

interface SettingDeclaration {
  readonly type: SettingType
  readonly default: string
  readonly documentation: string
  /** Why `value` is not acceptable, or `undefined` when it is. */
  readonly check: (value: string) => string | undefined
}

const INT_MAX = 2 ** 31 - 1
/** Kafka's bound of a long, and its way to say never. Larger than any number that is reckoned with, so rounding it is harmless. */
const LONG_MAX = 2n ** 63n - 1n

function wholeNumber(min: number, max: number | bigint): (value: string) => string | undefined {
  return (value) => {
    const text = value.trim()
    const legal = /^-?\d+$/.test(text) && BigInt(text) >= BigInt(min) && BigInt(text) <= BigInt(max)
    return legal ? undefined : `must be a whole number from ${min} to ${max}`
  }
}

function fraction(value: string): string | undefined {
  const number = value.trim() === '' ? Number.NaN : Number(value)
  return number >= 0 && number <= 1 ? undefined : 'must be a number from 0 to 1'
}

function oneOf(...allowed: readonly string[]): (value: string) => string | undefined {
  return (value) => (allowed.includes(value) ? undefined : `must be one of ${allowed.join(', ')}`)
}

const POLICIES = ['delete', 'compact']

function policies(value: string): string | undefined {
  const items = listItems(value)
  const legal = new Set(items).size === items.length && items.every((item) => POLICIES.includes(item))
  return legal ? undefined : 'must be delete, compact, both with a comma between them, or nothing'
}

function listItems(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

const DECLARATIONS = {
  'cleanup.policy': {
    type: 'list',
    default: 'delete',
    documentation:
      'What happens to old records: delete drops them by age or size, compact drops those whose key was written again. Both together do both, an empty list does nothing.',
    check: policies
  },
  'compression.type': {
    type: 'string',
    default: 'producer',
    documentation: 'Batches are kept as the producer compressed them.',
    check: oneOf('producer')
  },
  'delete.retention.ms': {
    type: 'long',
    default: '86400000',
    documentation:
      'Milliseconds that compaction keeps a tombstone, or the marker of a transaction of which nothing is left, from the first cleaning that meets it.',
    check: wholeNumber(0, LONG_MAX)
  },
  'longhaul.object.store.profile': {
    type: 'string',
    default: DEFAULT_PROFILE,
    documentation:
      'Name of the object store that keeps the records, of those that the nodes are configured with. Holds for what is uploaded from now on.',
    check: (value) => (value.trim() === '' ? 'must name an object store' : undefined)
  },
  'max.compaction.lag.ms': {
    type: 'long',
    default: String(LONG_MAX),
    documentation: 'Milliseconds after which a record is compacted however little else there is to compact.',
    check: wholeNumber(1, LONG_MAX)
  },
  'max.message.bytes': {
    type: 'int',
    default: '1048588',
    documentation: 'The largest record batch, compressed, that the topic takes.',
    check: wholeNumber(0, INT_MAX)
  },
  'message.timestamp.type': {
    type: 'string',
    default: 'CreateTime',
    documentation: 'Whether records keep the timestamp of their producer or get the time of their append.',
    check: oneOf('CreateTime', 'LogAppendTime')
  },
  'min.cleanable.dirty.ratio': {
    type: 'double',
    default: '0.5',
    documentation: 'Share of a partition, in bytes, that must be new before it is compacted.',
    check: fraction
  },
  'min.compaction.lag.ms': {
    type: 'long',
    default: '0',
    documentation: 'Milliseconds for which a record is safe from compaction, by its timestamp.',
    check: wholeNumber(0, LONG_MAX)
  },
  'min.insync.replicas': {
    type: 'int',
    default: '1',
    documentation: 'Durability comes from the write-ahead log and the object store, so one replica is all there is.',
    check: oneOf('1')
  },
  'retention.bytes': {
    type: 'long',
    default: '-1',
    documentation: 'Bytes of a partition to keep; older ones are dropped. -1: no limit.',
    check: wholeNumber(-1, LONG_MAX)
  },
  'retention.ms': {
    type: 'long',
    default: '604800000',
    documentation: 'Milliseconds to keep a record, by its timestamp. -1: for ever.',
    check: wholeNumber(-1, LONG_MAX)
  },
  'segment.bytes': {
    type: 'int',
    default: '1073741824',
    documentation:
      'Accepted and without effect: there are no segments. Compaction and retention work on what is in objects, whatever their size.',
    check: wholeNumber(1024 * 1024, INT_MAX)
  },
  'segment.ms': {
    type: 'long',
    default: '604800000',
    documentation:
      'Accepted and without effect: there are no segments. Records are in reach of compaction and retention as soon as they are in objects.',
    check: wholeNumber(1, LONG_MAX)
  }
} as const satisfies Record<string, SettingDeclaration>

export type SettingName = keyof typeof DECLARATIONS

export const TOPIC_SETTINGS: ReadonlyMap<string, SettingDeclaration> = new Map(Object.entries(DECLARATIONS))

/** The settings of a topic, ready to use. */
export interface TopicSettings {
  /** Records whose key was written again are dropped; every record needs a key. */
  readonly compact: boolean
  /** Records are dropped by age and size. */
  readonly delete: boolean
  readonly deleteRetentionMs: number
  readonly maxCompactionLagMs: number
  readonly minCleanableDirtyRatio: number
  readonly minCompactionLagMs: number
  /** Of the object store that keeps the records. */
  readonly objectStoreProfile: string
  readonly maxMessageBytes: number
  readonly logAppendTime: boolean
  /** -1: no limit. */
  readonly retentionBytes: number
  /** -1: for ever. */
  readonly retentionMs: number
}

/** Why these settings cannot be, or `undefined` when they can. */
export function checkSettings(configs: Readonly<Record<string, string | null | undefined>>): string | undefined {
  for (const [name, value] of Object.entries(configs)) {
    const declaration = TOPIC_SETTINGS.get(name)
    if (declaration === undefined) {
      return `Unknown topic config name: ${name}. Known are ${[...TOPIC_SETTINGS.keys()].join(', ')}.`
    }
    if (value === null || value === undefined) continue
    const problem = declaration.check(value)
    if (problem !== undefined) return `Invalid value ${value} for configuration ${name}: ${problem}.`
  }
  return undefined
}

/**
 * Why a topic cannot have these settings together on this broker, or `undefined` when it can. Each must have passed
 * `checkSettings`. `profiles`: names of the object stores there are.
 */
export function checkTogether(
  configs: Readonly<Record<string, string | undefined>>,
  profiles: readonly string[]
): string | undefined {
  const profile = configs['longhaul.object.store.profile']
  if (profile !== undefined && !profiles.includes(profile)) {
    return `Invalid value ${profile} for configuration longhaul.object.store.profile: the object stores here are ${profiles.join(', ')}.`
  }
  const value = (name: SettingName): number => Number(configs[name] ?? DECLARATIONS[name].default)
  const [min, max] = [value('min.compaction.lag.ms'), value('max.compaction.lag.ms')]
  if (min <= max) return undefined
  return `Conflicting topic settings: min.compaction.lag.ms (${min}) is more than max.compaction.lag.ms (${max}).`
}

/** `defaults`: what this broker uses where neither the topic nor Kafka says otherwise. */
export function topicSettings(
  configs: Readonly<Record<string, string>>,
  defaults: Readonly<Partial<Record<SettingName, string>>>
): TopicSettings {
  const value = (name: SettingName): string => configs[name] ?? defaults[name] ?? DECLARATIONS[name].default
  const policy = listItems(value('cleanup.policy'))
  return {
    compact: policy.includes('compact'),
    delete: policy.includes('delete'),
    deleteRetentionMs: Number(value('delete.retention.ms')),
    maxCompactionLagMs: Number(value('max.compaction.lag.ms')),
    minCleanableDirtyRatio: Number(value('min.cleanable.dirty.ratio')),
    minCompactionLagMs: Number(value('min.compaction.lag.ms')),
    objectStoreProfile: value('longhaul.object.store.profile'),
    maxMessageBytes: Number(value('max.message.bytes')),
    logAppendTime: value('message.timestamp.type') === 'LogAppendTime',
    retentionBytes: Number(value('retention.bytes')),
    retentionMs: Number(value('retention.ms'))
  }
}
