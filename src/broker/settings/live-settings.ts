/**
 * The settings of this broker, of all brokers, of groups and of client metrics subscriptions as they hold right now: what
 * the node was started with, and above it what the metadata has for all brokers and for this one.
 *
 * Invariant: a change is seen as soon as the image of the metadata shows it. What is derived is derived anew only when the
 * image's map is another one, so asking costs a comparison.
 */
import type { ConfigValues, MetadataImage } from '../../metadata/metadata.ts'
import type { ClientMetricsSubscription } from '../client-metrics-settings.ts'
import type { GroupSettings, ShareOffsetReset } from '../group-settings.ts'
import type { TopicDefaults } from '../topic-settings.ts'
import { BROKER_SETTINGS } from './broker-declarations.ts'
import { clientMetricsSubscription } from './client-metrics-declarations.ts'
import { GROUP_DECLARATIONS, type GroupSettingName, parseDuration } from './group-declarations.ts'
import { TOPIC_SETTINGS } from './topic-declarations.ts'

/** What a broker says of itself at its start; the rest has Kafka's default. */
export interface StartSettings {
  readonly nodeId: number
  readonly rack: string | null
  readonly logDir: string
  readonly autoCreateTopics: boolean
  readonly defaultPartitions: number
  readonly topicDefaults: TopicDefaults
  /** Others, by Kafka's names. */
  readonly startedWith?: ConfigValues
}

/** The resource that stands for all brokers. */
export const ALL_BROKERS = ''

const NOTHING: ConfigValues = {}

export class LiveSettings {
  readonly #image: Pick<MetadataImage, 'configs'>
  readonly #broker: string
  /** What the node was started with, where it is not the default. */
  readonly fixed: ConfigValues
  readonly #startedTopicDefaults: TopicDefaults
  #brokerConfigs: ReadonlyMap<string, ConfigValues> | undefined
  #topicDefaults: TopicDefaults = {}
  #metricsConfigs: ReadonlyMap<string, ConfigValues> | undefined
  #clientMetrics: ReadonlyMap<string, ClientMetricsSubscription> = new Map()

  constructor(image: Pick<MetadataImage, 'configs'>, settings: StartSettings) {
    this.#image = image
    this.#broker = String(settings.nodeId)
    this.#startedTopicDefaults = settings.topicDefaults
    this.fixed = startedWith(settings)
  }

  /** Set for this broker alone. */
  get ofBroker(): ConfigValues {
    return this.#image.configs('broker').get(this.#broker) ?? NOTHING
  }

  /** Set for all brokers. */
  get ofAllBrokers(): ConfigValues {
    return this.#image.configs('broker').get(ALL_BROKERS) ?? NOTHING
  }

  /** The value of a broker setting; undefined when it has none. */
  brokerValue(name: string): string | undefined {
    return this.ofBroker[name] ?? this.ofAllBrokers[name] ?? this.fixed[name] ?? BROKER_SETTINGS.get(name)?.default
  }

  /** What topics have that say nothing; the same object until it changes. */
  topicDefaults(): TopicDefaults {
    const configs = this.#image.configs('broker')
    if (configs !== this.#brokerConfigs) {
      this.#brokerConfigs = configs
      this.#topicDefaults = { ...this.#startedTopicDefaults, ...topicDefaultsOf(this.ofAllBrokers, this.ofBroker) }
    }
    return this.#topicDefaults
  }

  readonly clientMetrics = (): ReadonlyMap<string, ClientMetricsSubscription> => {
    const configs = this.#image.configs('client-metrics')
    if (configs !== this.#metricsConfigs) {
      this.#metricsConfigs = configs
      this.#clientMetrics = new Map([...configs].map(([name, values]) => [name, clientMetricsSubscription(values)]))
    }
    return this.#clientMetrics
  }

  readonly groupSettings = (groupId: string): GroupSettings => {
    const own = this.#image.configs('group').get(groupId) ?? NOTHING
    const text = (name: GroupSettingName): string => own[name] ?? this.groupDefault(name)
    const number = (name: GroupSettingName): number => this.#bounded(name, Number(text(name)))
    return {
      consumerSessionTimeoutMs: number('consumer.session.timeout.ms'),
      consumerHeartbeatIntervalMs: number('consumer.heartbeat.interval.ms'),
      consumerAssignmentIntervalMs: number('consumer.assignment.interval.ms'),
      shareSessionTimeoutMs: number('share.session.timeout.ms'),
      shareHeartbeatIntervalMs: number('share.heartbeat.interval.ms'),
      shareRecordLockDurationMs: number('share.record.lock.duration.ms'),
      shareDeliveryCountLimit: number('share.delivery.count.limit'),
      sharePartitionMaxRecordLocks: number('share.partition.max.record.locks'),
      shareAutoOffsetReset: offsetReset(text('share.auto.offset.reset').trim()),
      shareIsolationLevel:
        text('share.isolation.level').trim() === 'read_committed' ? 'read_committed' : 'read_uncommitted',
      shareRenewAcknowledgeEnable: text('share.renew.acknowledge.enable').trim().toLowerCase() === 'true',
      shareAssignmentIntervalMs: number('share.assignment.interval.ms'),
      streamsSessionTimeoutMs: number('streams.session.timeout.ms'),
      streamsHeartbeatIntervalMs: number('streams.heartbeat.interval.ms'),
      streamsNumStandbyReplicas: number('streams.num.standby.replicas'),
      streamsInitialRebalanceDelayMs: number('streams.initial.rebalance.delay.ms'),
      streamsAssignmentIntervalMs: number('streams.assignment.interval.ms')
    }
  }

  /** What a group has that says nothing. */
  groupDefault(name: GroupSettingName): string {
    const { brokerName, default: fallback } = GROUP_DECLARATIONS[name]
    return (brokerName === undefined ? undefined : this.brokerValue(brokerName)) ?? fallback
  }

  /** What was set for a group when the broker's bounds were wider is kept within those that hold now. */
  #bounded(name: GroupSettingName, value: number): number {
    const { min, max } = GROUP_DECLARATIONS[name]
    const [least, most] = [min, max].map((bound) => (bound === undefined ? undefined : this.brokerValue(bound)))
    return Math.min(Math.max(value, Number(least ?? value)), Number(most ?? value))
  }
}

/** By topic setting; what is set later is stronger. */
export function topicDefaultsOf(...layers: readonly ConfigValues[]): TopicDefaults {
  const defaults: Record<string, string> = {}
  for (const [name, { brokerName }] of TOPIC_SETTINGS) {
    for (const layer of layers) {
      const value = brokerName === undefined ? undefined : layer[brokerName]
      if (value !== undefined) defaults[name] = value
    }
  }
  return defaults
}

function startedWith(settings: StartSettings): ConfigValues {
  const given: Record<string, string | undefined> = {
    'auto.create.topics.enable': String(settings.autoCreateTopics),
    'broker.id': String(settings.nodeId),
    'broker.rack': settings.rack ?? undefined,
    'log.dirs': settings.logDir,
    'node.id': String(settings.nodeId),
    'num.partitions': String(settings.defaultPartitions),
    ...settings.startedWith
  }
  for (const [name, value] of Object.entries(settings.topicDefaults)) {
    const brokerName = TOPIC_SETTINGS.get(name)?.brokerName
    if (brokerName !== undefined) given[brokerName] = value
  }
  const values = Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return Object.fromEntries(values.filter(([name, value]) => BROKER_SETTINGS.get(name)?.default !== value))
}

function offsetReset(value: string): ShareOffsetReset {
  if (value === 'earliest' || value === 'latest') return { kind: value }
  return { kind: 'by-duration', durationMs: parseDuration(value.slice(value.indexOf(':') + 1)) ?? 0 }
}
