/**
 * The settings of a topic, ready to use, and whether a topic may have them. Names, bounds and documentation stand in
 * `settings/topic-declarations.ts`.
 */
import type { Codec } from '../wire/records/compression.ts'
import { listItems, valueProblem } from './settings/setting.ts'
import { TOPIC_DECLARATIONS, TOPIC_SETTINGS, type TopicSettingName } from './settings/topic-declarations.ts'

/** What this broker uses where a topic says nothing, as far as it differs from Kafka's defaults. */
export type TopicDefaults = Readonly<Partial<Record<TopicSettingName, string>>>

/** How batches are to be stored. */
export interface Compression {
  readonly codec: Codec
  /** As the codec counts; `undefined` where it has none. */
  readonly level: number | undefined
}

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
  /** How far timestamps may lie in the past and in the future; beyond 2⁵³: any distance. */
  readonly timestampBeforeMaxMs: number
  readonly timestampAfterMaxMs: number
  /** Undefined: each batch as its producer sent it. */
  readonly compression: Compression | undefined
  /** -1: no limit. */
  readonly retentionBytes: number
  /** -1: for ever. */
  readonly retentionMs: number
}

/** As long as a value may be (`ConfigurationControlManager`); it keeps the metadata small. */
const VALUE_LENGTH_MAX = 32_767

/** Why these settings cannot be, each for itself, or `undefined` when they can. */
export function checkSettings(configs: Readonly<Record<string, string | null | undefined>>): string | undefined {
  for (const [name, value] of Object.entries(configs)) {
    const declaration = TOPIC_SETTINGS.get(name)
    if (declaration === undefined) {
      return `Unknown topic config name: ${name}. Known are ${[...TOPIC_SETTINGS.keys()].join(', ')}.`
    }
    if (value === null || value === undefined) continue
    const problem = sizeProblem(name, value) ?? valueProblem(name, declaration, value)
    if (problem !== undefined) return problem
  }
  return undefined
}

export function sizeProblem(name: string, value: string): string | undefined {
  if (value.length <= VALUE_LENGTH_MAX) return undefined
  return `The value for configuration ${name} has ${value.length} characters; it may have ${VALUE_LENGTH_MAX}.`
}

/**
 * Why a topic cannot have these settings together on this broker, or `undefined` when it can. Each must have passed
 * `checkSettings`. `profiles`: names of the object stores there are.
 */
export function checkTogether(
  configs: Readonly<Record<string, string | undefined>>,
  profiles: readonly string[],
  defaults: TopicDefaults = {}
): string | undefined {
  const profile = configs['longhaul.object.store.profile']
  if (profile !== undefined && !profiles.includes(profile)) {
    return `Invalid value ${profile} for configuration longhaul.object.store.profile: the object stores here are ${profiles.join(', ')}.`
  }
  const value = (name: TopicSettingName): string => configs[name] ?? defaults[name] ?? TOPIC_DECLARATIONS[name].default
  if (value('remote.storage.enable').trim().toLowerCase() === 'true') {
    return 'Tiered storage is disabled: set remote.storage.enable to false. All records are in the object store anyway.'
  }
  const [min, max] = [BigInt(value('min.compaction.lag.ms')), BigInt(value('max.compaction.lag.ms'))]
  if (min <= max) return undefined
  return `Conflicting topic settings: min.compaction.lag.ms (${min}) is more than max.compaction.lag.ms (${max}).`
}

export function topicSettings(configs: Readonly<Record<string, string>>, defaults: TopicDefaults): TopicSettings {
  const value = (name: TopicSettingName): string => configs[name] ?? defaults[name] ?? TOPIC_DECLARATIONS[name].default
  const number = (name: TopicSettingName): number => Number(value(name))
  const policy = listItems(value('cleanup.policy'))
  return {
    compact: policy.includes('compact'),
    delete: policy.includes('delete'),
    deleteRetentionMs: number('delete.retention.ms'),
    maxCompactionLagMs: number('max.compaction.lag.ms'),
    minCleanableDirtyRatio: number('min.cleanable.dirty.ratio'),
    minCompactionLagMs: number('min.compaction.lag.ms'),
    objectStoreProfile: value('longhaul.object.store.profile'),
    maxMessageBytes: number('max.message.bytes'),
    logAppendTime: value('message.timestamp.type').trim() === 'LogAppendTime',
    timestampBeforeMaxMs: number('message.timestamp.before.max.ms'),
    timestampAfterMaxMs: number('message.timestamp.after.max.ms'),
    compression: compression(value),
    retentionBytes: Math.max(-1, number('retention.bytes')),
    retentionMs: Math.max(-1, number('retention.ms'))
  }
}

function compression(value: (name: TopicSettingName) => string): Compression | undefined {
  const type = value('compression.type').trim()
  switch (type) {
    case 'uncompressed':
      return { codec: 'none', level: undefined }
    case 'gzip':
      return { codec: 'gzip', level: Number(value('compression.gzip.level')) }
    case 'zstd':
      return { codec: 'zstd', level: Number(value('compression.zstd.level')) }
    case 'snappy':
    case 'lz4':
      return { codec: type, level: undefined }
    default:
      return undefined
  }
}
