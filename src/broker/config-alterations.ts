/**
 * Changes of settings, whatever they are of (topics, brokers, groups, client metrics subscriptions): each resource is
 * judged as a whole, then changed or not.
 *
 * Invariant: changes run one after another, so what a change was judged by is still so when it is made. Errors are those of
 * Kafka 4.3 (`ConfigAdminManager`, `ControllerConfigurationValidator`).
 */
import type { ConfiguredType, ConfigValues } from '../metadata/metadata.ts'
import { ErrorCode } from '../wire/error-codes.ts'
import type { BrokerParts } from './broker-parts.ts'
import { RESOURCE } from './config-resource.ts'
import { codeOf } from './fault-codes.ts'
import { BROKER_SETTINGS } from './settings/broker-declarations.ts'
import { CLIENT_METRICS_SETTINGS, intervalProblem, matchProblem } from './settings/client-metrics-declarations.ts'
import { groupDefaultProblem, groupProblem } from './settings/group-check.ts'
import { GROUP_SETTINGS } from './settings/group-declarations.ts'
import { ALL_BROKERS, topicDefaultsOf } from './settings/live-settings.ts'
import { type SettingDeclaration, valueProblem } from './settings/setting.ts'
import { TOPIC_SETTINGS } from './settings/topic-declarations.ts'
import { topicNameProblem } from './topic-names.ts'
import { checkSettings, checkTogether, sizeProblem } from './topic-settings.ts'

export interface ConfigProblem {
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** By name; undefined takes the setting back. */
export type ConfigChanges = ReadonlyMap<string, string | undefined>

type Declarations = ReadonlyMap<string, SettingDeclaration>

/** What is to become of a resource, told what is set for it and what could be. */
export type Plan = (own: ConfigValues, declarations: Declarations) => ConfigChanges | ConfigProblem

interface Target {
  readonly own: ConfigValues
  readonly declarations: Declarations
  /** Why this may not be: `changes` are set anew, `all` is what the resource has then. */
  check(changes: ConfigValues, all: ConfigValues): ConfigProblem | undefined
  apply(changes: Readonly<Record<string, string | undefined>>): Promise<void>
}

export interface Alteration {
  readonly resourceType: number
  readonly resourceName: string
  readonly plan: Plan
  readonly validateOnly: boolean
}

export class ConfigAlterations {
  readonly #parts: BrokerParts
  #before: Promise<unknown> = Promise.resolve()

  constructor(parts: BrokerParts) {
    this.#parts = parts
  }

  /** Makes the change, or says why not. */
  alter(alteration: Alteration): Promise<ConfigProblem | undefined> {
    const running = this.#before.then(() => this.#alter(alteration))
    this.#before = running.catch(() => undefined)
    return running
  }

  async #alter({ resourceType, resourceName, plan, validateOnly }: Alteration): Promise<ConfigProblem | undefined> {
    const target = this.#target(resourceType, resourceName)
    if ('errorCode' in target) return target
    const planned = plan(target.own, target.declarations)
    if ('errorCode' in planned) return planned
    const set = [...planned].filter((entry): entry is [string, string] => entry[1] !== undefined)
    const all = { ...target.own, ...Object.fromEntries(planned) }
    const kept = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined)
    const tooLong = set.map(([name, value]) => sizeProblem(name, value)).find((problem) => problem !== undefined)
    if (tooLong !== undefined) return invalidConfig(tooLong)
    const problem = target.check(Object.fromEntries(set), Object.fromEntries(kept))
    if (problem !== undefined || validateOnly) return problem
    try {
      await target.apply(Object.fromEntries(planned))
      return undefined
    } catch (error) {
      return { errorCode: codeOf(error), errorMessage: String(error) }
    }
  }

  #target(type: number, name: string): Target | ConfigProblem {
    switch (type) {
      case RESOURCE.topic:
        return this.#topic(name)
      case RESOURCE.broker:
        return this.#broker(name)
      case RESOURCE.group:
        return this.#group(name)
      case RESOURCE.clientMetrics:
        return this.#clientMetrics(name)
      default:
        return invalidRequest(`Unknown resource type ${type}: it has no settings that can be changed.`)
    }
  }

  #topic(name: string): Target | ConfigProblem {
    const { topics, settings, live } = this.#parts
    if (name === '') return invalidRequest('Name a topic: there are no settings of all topics.')
    const nameProblem = topicNameProblem(name)
    if (nameProblem !== undefined) return { errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION, errorMessage: nameProblem }
    const topic = topics.get(name)
    return {
      own: topic?.configs ?? {},
      declarations: TOPIC_SETTINGS,
      check: (changes, all) => {
        const problem = checkSettings(changes) ?? checkTogether(all, settings.objectStoreProfiles, live.topicDefaults())
        if (problem !== undefined) return invalidConfig(problem)
        return topic === undefined ? unknownTopic(name) : undefined
      },
      apply: async (changes) => {
        if (topic !== undefined) await topics.configure(topic, changes)
      }
    }
  }

  #broker(name: string): Target | ConfigProblem {
    const { settings, live } = this.#parts
    const problem = name === ALL_BROKERS ? undefined : brokerNameProblem(name, settings.nodeId)
    if (problem !== undefined) return problem
    // Kafka answers INVALID_REQUEST for whatever a broker does not take (KAFKA-13609).
    const check = (changes: ConfigValues, all: ConfigValues): ConfigProblem | undefined => {
      for (const [key, value] of Object.entries(changes)) {
        const declaration = BROKER_SETTINGS.get(key)
        if (declaration === undefined) return invalidRequest(`Unknown broker config name: ${key}.`)
        if (!declaration.dynamic) return invalidRequest(`Cannot update these configs dynamically: [${key}]`)
        const wrong = valueProblem(key, declaration, value)
        if (wrong !== undefined) return invalidRequest(wrong)
        const bounds = groupDefaultProblem(key, value, live)
        if (bounds !== undefined) return invalidRequest(bounds)
      }
      const layers = name === ALL_BROKERS ? [all, live.ofBroker] : [live.ofAllBrokers, all]
      const together = checkTogether({}, settings.objectStoreProfiles, {
        ...settings.topicDefaults,
        ...topicDefaultsOf(...layers)
      })
      return together === undefined ? undefined : invalidRequest(together)
    }
    const own = name === ALL_BROKERS ? live.ofAllBrokers : live.ofBroker
    return {
      ...this.#stored('broker', name === ALL_BROKERS ? name : String(settings.nodeId)),
      own,
      declarations: BROKER_SETTINGS,
      check
    }
  }

  #group(name: string): Target | ConfigProblem {
    if (name === '') return invalidRequest('Name a group: there are no settings of all groups.')
    const check = (changes: ConfigValues, all: ConfigValues): ConfigProblem | undefined => {
      const problem = groupProblem(changes, all, this.#parts.live)
      return problem === undefined ? undefined : invalidConfig(problem)
    }
    return { ...this.#stored('group', name), declarations: GROUP_SETTINGS, check }
  }

  #clientMetrics(name: string): Target | ConfigProblem {
    if (name === '') return invalidRequest('Name a subscription: its name cannot be empty.')
    return { ...this.#stored('client-metrics', name), declarations: CLIENT_METRICS_SETTINGS, check: checkClientMetrics }
  }

  /** What all resources that are no topics have in common. */
  #stored(type: ConfiguredType, name: string): Pick<Target, 'own' | 'apply'> {
    const { metadata } = this.#parts
    return {
      own: metadata.image.configs(type).get(name) ?? {},
      apply: (changes) => metadata.setResourceConfigs(type, name, changes)
    }
  }
}

/** Kafka's answer to a broker name that is not this broker's. */
export function brokerNameProblem(name: string, nodeId: number): ConfigProblem | undefined {
  if (!/^[-+]?\d{1,10}$/.test(name)) return invalidRequest(`Broker id must be an integer, but it is: ${name}`)
  if (Number(name) === nodeId) return undefined
  return invalidRequest(`Unexpected broker id, expected ${nodeId}, but received ${name}`)
}

export function invalidRequest(errorMessage: string): ConfigProblem {
  return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage }
}

export function invalidConfig(errorMessage: string): ConfigProblem {
  return { errorCode: ErrorCode.INVALID_CONFIG, errorMessage }
}

function unknownTopic(name: string): ConfigProblem {
  return { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: `The topic '${name}' does not exist.` }
}

function checkClientMetrics(changes: ConfigValues): ConfigProblem | undefined {
  for (const [name, value] of Object.entries(changes)) {
    const declaration = CLIENT_METRICS_SETTINGS.get(name)
    if (declaration === undefined) return invalidRequest(`Unknown client metrics configuration: ${name}`)
    const wrong = valueProblem(name, declaration, value)
    if (wrong !== undefined) return invalidConfig(wrong)
    const interval = name === 'interval.ms' ? intervalProblem(value) : undefined
    if (interval !== undefined) return invalidRequest(interval)
    const match = name === 'match' ? matchProblem(value) : undefined
    if (match !== undefined) return invalidConfig(match)
  }
  return undefined
}
