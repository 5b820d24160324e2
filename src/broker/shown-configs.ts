/** Topic settings as Kafka's tools show them: value, where it comes from, type, documentation. */
import type { BrokerSettings } from './broker-parts.ts'
import { type SettingName, type SettingType, TOPIC_SETTINGS } from './topic-settings.ts'

/** `DescribeConfigsResponse.ConfigSource` of Kafka's client. */
const SOURCE = { topic: 1, broker: 4, default: 5 } as const
/** `DescribeConfigsResponse.ConfigType` of Kafka's client. */
const TYPE = { boolean: 1, string: 2, int: 3, long: 5, double: 6, list: 7 } as const satisfies Record<
  SettingType,
  number
>

export interface ShownConfig {
  readonly name: string
  readonly value: string
  readonly readOnly: boolean
  readonly configSource: number
  readonly isSensitive: boolean
  readonly configType: number
  readonly documentation: string
  readonly synonyms: readonly { readonly name: string; readonly value: string; readonly source: number }[]
}

/** All settings of a topic whose own ones are `configs`, in order of name. */
export function shownConfigs(
  configs: Readonly<Record<string, string>>,
  defaults: Readonly<Partial<Record<SettingName, string>>>
): ShownConfig[] {
  return [...TOPIC_SETTINGS].map(([name, declaration]) => {
    const brokerValue = defaults[name as SettingName]
    const synonyms = [
      { name, value: configs[name], source: SOURCE.topic },
      { name, value: brokerValue === declaration.default ? undefined : brokerValue, source: SOURCE.broker },
      { name, value: declaration.default, source: SOURCE.default }
    ].filter((synonym): synonym is typeof synonym & { value: string } => synonym.value !== undefined)
    const [effective] = synonyms
    return {
      name,
      value: effective?.value ?? declaration.default,
      readOnly: false,
      configSource: effective?.source ?? SOURCE.default,
      isSensitive: false,
      configType: TYPE[declaration.type],
      documentation: declaration.documentation,
      synonyms
    }
  })
}

/** What this broker tells of itself: fixed at its start. */
export function shownBrokerConfigs(settings: BrokerSettings): ShownConfig[] {
  const show = (name: string, value: string, type: SettingType, documentation: string): ShownConfig => ({
    name,
    value,
    readOnly: true,
    configSource: SOURCE.broker,
    isSensitive: false,
    configType: TYPE[type],
    documentation,
    synonyms: [{ name, value, source: SOURCE.broker }]
  })
  return [
    show(
      'auto.create.topics.enable',
      String(settings.autoCreateTopics),
      'boolean',
      'Whether a topic comes into being when a client first names it.'
    ),
    show('broker.id', String(settings.nodeId), 'int', 'The id of this node.'),
    show('default.replication.factor', '1', 'int', 'What is acknowledged is as durable as the storage beneath.'),
    show('log.dirs', settings.logDir, 'string', 'The object store that holds the log.'),
    show('node.id', String(settings.nodeId), 'int', 'The id of this node.'),
    show(
      'num.partitions',
      String(settings.defaultPartitions),
      'int',
      'Partitions of a topic whose creator does not say.'
    )
  ]
}
