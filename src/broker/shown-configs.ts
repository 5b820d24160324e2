/**
 * Settings as Kafka's tools show them: value, where it comes from, type, documentation, and its synonyms in the order in
 * which they count (KIP-226). A value that was set stands under each name that it was set by.
 */
import type { ConfigValues } from '../metadata/metadata.ts'
import { BROKER_SETTINGS, brokerSynonyms } from './settings/broker-declarations.ts'
import { CLIENT_METRICS_SETTINGS } from './settings/client-metrics-declarations.ts'
import { GROUP_SETTINGS } from './settings/group-declarations.ts'
import type { LiveSettings } from './settings/live-settings.ts'
import { kafkaLevel, type LogLevel, ROOT_LOGGER } from './settings/logger-levels.ts'
import type { SettingDeclaration, SettingType } from './settings/setting.ts'
import { TOPIC_SETTINGS } from './settings/topic-declarations.ts'

/** `DescribeConfigsResponse.ConfigSource` of Kafka's client. */
const SOURCE = {
  topic: 1,
  dynamicBroker: 2,
  dynamicDefaultBroker: 3,
  staticBroker: 4,
  default: 5,
  brokerLogger: 6,
  clientMetrics: 7,
  group: 8
} as const
/** `DescribeConfigsResponse.ConfigType` of Kafka's client. */
const TYPE = {
  unknown: 0,
  boolean: 1,
  string: 2,
  int: 3,
  short: 4,
  long: 5,
  double: 6,
  list: 7
} as const satisfies Record<SettingType | 'unknown', number>

interface Synonym {
  readonly name: string
  readonly value: string
  readonly source: number
}

export interface ShownConfig {
  readonly name: string
  readonly value: string | null
  readonly readOnly: boolean
  readonly configSource: number
  readonly isSensitive: boolean
  readonly configType: number
  readonly documentation: string
  readonly synonyms: readonly Synonym[]
}

/** All settings of a topic whose own ones are `configs`, in order of name. */
export function shownTopicConfigs(configs: ConfigValues, live: LiveSettings): ShownConfig[] {
  return [...TOPIC_SETTINGS].map(([name, declaration]) => {
    const { brokerName } = declaration
    const inherited = brokerName === undefined ? [] : synonymsOf(brokerName, live)
    return shown(name, declaration, [...own(name, declaration, configs, SOURCE.topic), ...inherited])
  })
}

/** All settings of this broker. */
export function shownBrokerConfigs(live: LiveSettings): ShownConfig[] {
  return [...BROKER_SETTINGS].map(([name, declaration]) => ({
    ...shown(name, declaration, synonymsOf(name, live)),
    value: live.brokerValue(name) ?? null,
    readOnly: !declaration.dynamic
  }))
}

/** What is set for all brokers. */
export function shownClusterConfigs(live: LiveSettings): ShownConfig[] {
  return Object.entries(live.ofAllBrokers)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => {
      const source = SOURCE.dynamicDefaultBroker
      const declaration = BROKER_SETTINGS.get(name)
      const synonyms = synonymsOf(name, live).filter((synonym) => synonym.source === source)
      return {
        name,
        value,
        readOnly: declaration?.dynamic !== true,
        configSource: source,
        isSensitive: false,
        configType: declaration === undefined ? TYPE.unknown : TYPE[declaration.type],
        documentation: declaration?.documentation ?? '',
        synonyms
      }
    })
}

/** All settings of a group whose own ones are `configs`. */
export function shownGroupConfigs(configs: ConfigValues, live: LiveSettings): ShownConfig[] {
  return [...GROUP_SETTINGS].map(([name, declaration]) => {
    const { brokerName, default: value } = declaration
    const inherited =
      brokerName === undefined ? [{ name, value, source: SOURCE.default }] : synonymsOf(brokerName, live)
    return shown(name, declaration, [...own(name, declaration, configs, SOURCE.group), ...inherited])
  })
}

/** All settings of a client metrics subscription. */
export function shownClientMetricsConfigs(configs: ConfigValues): ShownConfig[] {
  return [...CLIENT_METRICS_SETTINGS].map(([name, declaration]) =>
    shown(name, declaration, own(name, declaration, configs, SOURCE.clientMetrics))
  )
}

/** The loggers of this broker with their levels. */
export function shownLoggers(logLevel: LogLevel): ShownConfig[] {
  return [
    {
      name: ROOT_LOGGER,
      value: kafkaLevel(logLevel),
      readOnly: false,
      configSource: SOURCE.brokerLogger,
      isSensitive: false,
      configType: TYPE.unknown,
      documentation: 'Least serious log line that is written.',
      synonyms: []
    }
  ]
}

function shown(name: string, declaration: SettingDeclaration, synonyms: readonly Synonym[]): ShownConfig {
  const [effective] = synonyms
  return {
    name,
    value: effective === undefined ? (declaration.default ?? null) : effective.value,
    readOnly: false,
    configSource: effective?.source ?? SOURCE.default,
    isSensitive: false,
    configType: TYPE[declaration.type],
    documentation: declaration.documentation,
    synonyms
  }
}

function own(name: string, { normalize }: SettingDeclaration, configs: ConfigValues, source: number): Synonym[] {
  const value = configs[name]
  return value === undefined ? [] : [{ name, value: normalize(value), source }]
}

/** Under all names that mean the same; what comes before the first under its own name does not count for it, as in Kafka. */
function synonymsOf(brokerName: string, live: LiveSettings): Synonym[] {
  const names = brokerSynonyms(brokerName)
  const from = (values: (name: string) => string | undefined, source: number): Synonym[] =>
    names.flatMap((name) => {
      const value = values(name)
      return value === undefined ? [] : [{ name, value, source }]
    })
  const all = [
    ...from((name) => live.ofBroker[name], SOURCE.dynamicBroker),
    ...from((name) => live.ofAllBrokers[name], SOURCE.dynamicDefaultBroker),
    ...from((name) => live.fixed[name], SOURCE.staticBroker),
    ...from((name) => BROKER_SETTINGS.get(name)?.default, SOURCE.default)
  ]
  const first = all.findIndex(({ name }) => name === brokerName)
  return first === -1 ? [] : all.slice(first)
}
