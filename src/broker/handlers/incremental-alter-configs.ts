/**
 * IncrementalAlterConfigs v0 and v1 (KIP-339): sets, deletes, and for lists appends to and subtracts from, settings of
 * topics, of this broker or all brokers (KIP-226), of groups and of client metrics subscriptions; sets the level of this
 * broker's log (KIP-412).
 *
 * Of the changes to one resource all are made or none; resources do not touch each other. Unlike Kafka, a broker refuses
 * names that it does not know, and lists of client metrics subscriptions can be appended to.
 */
import type { ConfigValues } from '../../metadata/metadata.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse
} from '../../wire/messages/incremental-alter-configs.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import {
  brokerNameProblem,
  type ConfigAlterations,
  type ConfigChanges,
  type ConfigProblem,
  invalidConfig,
  invalidRequest
} from '../config-alterations.ts'
import { isRepeated, requestProblem } from '../config-requests.ts'
import { RESOURCE } from '../config-resource.ts'
import type { Handler } from '../handler.ts'
import { KAFKA_LEVELS, ROOT_LOGGER, setKafkaLevel } from '../settings/logger-levels.ts'
import { listItems, type SettingDeclaration } from '../settings/setting.ts'

type Answer = InferInput<typeof IncrementalAlterConfigsResponse>
type Result = Answer['responses'][number]
type Wanted = IncrementalAlterConfigsRequest['resources'][number]
type Change = Wanted['configs'][number]

/** `AlterConfigOp.OpType` of Kafka's client. */
const OPERATION = { set: 0, delete: 1, append: 2, subtract: 3 } as const

export function incrementalAlterConfigsHandler(
  parts: BrokerParts,
  alterations: ConfigAlterations
): Handler<IncrementalAlterConfigsRequest, Answer> {
  const alter = async (wanted: Wanted, validateOnly: boolean): Promise<ConfigProblem | undefined> => {
    const { resourceType, resourceName, configs } = wanted
    const problem = requestProblem(
      configs.filter(({ configOperation }) => configOperation !== OPERATION.delete),
      configs
    )
    if (problem !== undefined) return problem
    if (resourceType === RESOURCE.brokerLogger) return alterLogger(parts, wanted, validateOnly)
    const plan = (own: ConfigValues, declarations: ReadonlyMap<string, SettingDeclaration>) =>
      planChanges(configs, own, declarations)
    return alterations.alter({ resourceType, resourceName, plan, validateOnly })
  }

  return async (request) => {
    const responses: Result[] = []
    for (const wanted of request.resources) {
      const { resourceType, resourceName } = wanted
      const problem = isRepeated(wanted, request.resources)
        ? invalidRequest('Each resource must appear at most once.')
        : await alter(wanted, request.validateOnly)
      responses.push({ ...(problem ?? { errorCode: ErrorCode.NONE, errorMessage: null }), resourceType, resourceName })
    }
    return { throttleTimeMs: 0, responses }
  }
}

/** What the operations amount to. */
function planChanges(
  configs: readonly Change[],
  own: ConfigValues,
  declarations: ReadonlyMap<string, SettingDeclaration>
): ConfigChanges | ConfigProblem {
  const changes = new Map<string, string | undefined>()
  for (const { name, configOperation, value } of configs) {
    if (configOperation === OPERATION.delete) changes.set(name, undefined)
    else if (configOperation === OPERATION.set) changes.set(name, value ?? '')
    else if (configOperation === OPERATION.append || configOperation === OPERATION.subtract) {
      const declaration = declarations.get(name)
      if (declaration?.type !== 'list') {
        return invalidConfig(`Can't append to or subtract from ${name}: it is not a list.`)
      }
      const items = new Set(listItems(own[name] ?? declaration.default ?? ''))
      for (const item of listItems(value ?? '')) {
        if (configOperation === OPERATION.append) items.add(item)
        else items.delete(item)
      }
      changes.set(name, [...items].join(','))
    } else return invalidRequest(`Unknown operation ${configOperation} on ${name}.`)
  }
  return changes
}

/** Levels are not stored: they hold until the node ends, as in Kafka. */
function alterLogger(
  { settings, logLevel }: BrokerParts,
  { resourceName, configs }: Wanted,
  validateOnly: boolean
): ConfigProblem | undefined {
  const problem =
    brokerNameProblem(resourceName, settings.nodeId) ??
    configs.map((change) => loggerProblem(change, logLevel !== undefined)).find((found) => found !== undefined)
  if (problem !== undefined || validateOnly || logLevel === undefined) return problem
  for (const { value } of configs) setKafkaLevel(logLevel, value ?? '')
  return undefined
}

function loggerProblem({ name, configOperation, value }: Change, changeable: boolean): ConfigProblem | undefined {
  const known = changeable && name === ROOT_LOGGER
  if (configOperation === OPERATION.set) {
    if (!known) return invalidConfig(`Logger ${name} does not exist! There is ${ROOT_LOGGER} only.`)
    if (KAFKA_LEVELS.includes(value ?? '')) return undefined
    return invalidConfig(`${value} is not a log level: it must be one of ${KAFKA_LEVELS.join(', ')}.`)
  }
  if (configOperation === OPERATION.delete) {
    if (!known) return invalidConfig(`Logger ${name} does not exist! There is ${ROOT_LOGGER} only.`)
    return invalidRequest(`The level of the ${ROOT_LOGGER} logger cannot be taken away, only set to another.`)
  }
  return invalidRequest(`Operation ${configOperation} is not allowed for a logger: set its level.`)
}
