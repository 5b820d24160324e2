/**
 * The topic settings that mean something here, by Kafka's names: declared once, with type, default, bounds and
 * documentation. CreateTopics and IncrementalAlterConfigs check against this table, DescribeConfigs shows it.
 */

export type SettingType = 'boolean' | 'string' | 'int' | 'long' | 'list'

interface SettingDeclaration {
  readonly type: SettingType
  readonly default: string
  readonly documentation: string
  /** Why `value` is not acceptable, or `undefined` when it is. */
  readonly check: (value: string) => string | undefined
}

const INT_MAX = 2 ** 31 - 1

function wholeNumber(min: number, max: number): (value: string) => string | undefined {
  return (value) => {
    const number = Number(value)
    if (!/^-?\d+$/.test(value.trim()) || number < min || number > max) {
      return `must be a whole number from ${min} to ${max}`
    }
    return undefined
  }
}

function oneOf(...allowed: readonly string[]): (value: string) => string | undefined {
  return (value) => (allowed.includes(value) ? undefined : `must be one of ${allowed.join(', ')}`)
}

const DECLARATIONS = {
  'cleanup.policy': {
    type: 'list',
    default: 'delete',
    documentation: 'What happens to old records. Only delete: drop them by age or size.',
    check: oneOf('delete')
  },
  'compression.type': {
    type: 'string',
    default: 'producer',
    documentation: 'Batches are kept as the producer compressed them.',
    check: oneOf('producer')
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
    check: wholeNumber(-1, Number.MAX_SAFE_INTEGER)
  },
  'retention.ms': {
    type: 'long',
    default: '604800000',
    documentation: 'Milliseconds to keep a record, by its timestamp. -1: for ever.',
    check: wholeNumber(-1, Number.MAX_SAFE_INTEGER)
  }
} as const satisfies Record<string, SettingDeclaration>

export type SettingName = keyof typeof DECLARATIONS

export const TOPIC_SETTINGS: ReadonlyMap<string, SettingDeclaration> = new Map(Object.entries(DECLARATIONS))

/** The settings of a topic, ready to use. */
export interface TopicSettings {
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

/** `defaults`: what this broker uses where neither the topic nor Kafka says otherwise. */
export function topicSettings(
  configs: Readonly<Record<string, string>>,
  defaults: Readonly<Partial<Record<SettingName, string>>>
): TopicSettings {
  const value = (name: SettingName): string => configs[name] ?? defaults[name] ?? DECLARATIONS[name].default
  return {
    maxMessageBytes: Number(value('max.message.bytes')),
    logAppendTime: value('message.timestamp.type') === 'LogAppendTime',
    retentionBytes: Number(value('retention.bytes')),
    retentionMs: Number(value('retention.ms'))
  }
}
