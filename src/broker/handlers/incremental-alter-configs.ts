/** IncrementalAlterConfigs v0 and v1 (KIP-339) for topics: set, delete, and append or subtract for lists. */
import type { Topic } from '../../metadata/metadata.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse
} from '../../wire/messages/incremental-alter-configs.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { RESOURCE } from '../config-resource.ts'
import { codeOf } from '../fault-codes.ts'
import type { Handler } from '../handler.ts'
import { checkSettings, checkTogether, TOPIC_SETTINGS } from '../topic-settings.ts'

type Answer = InferInput<typeof IncrementalAlterConfigsResponse>
type Result = Answer['responses'][number]
type Wanted = IncrementalAlterConfigsRequest['resources'][number]
type Change = Wanted['configs'][number]

/** `AlterConfigOp.OpType` of Kafka's client. */
const OPERATION = { set: 0, delete: 1, append: 2, subtract: 3 } as const

interface Problem {
  readonly errorCode: number
  readonly errorMessage: string | null
}

export function incrementalAlterConfigsHandler(parts: BrokerParts): Handler<IncrementalAlterConfigsRequest, Answer> {
  return async (request) => {
    const responses: Result[] = []
    for (const wanted of request.resources) {
      const { resourceType, resourceName } = wanted
      const problem = await alter(parts, wanted, request)
      responses.push({ ...(problem ?? { errorCode: ErrorCode.NONE, errorMessage: null }), resourceType, resourceName })
    }
    return { throttleTimeMs: 0, responses }
  }
}

async function alter(
  parts: BrokerParts,
  wanted: Wanted,
  request: IncrementalAlterConfigsRequest
): Promise<Problem | undefined> {
  const { resourceType, resourceName } = wanted
  const same = request.resources.filter((r) => r.resourceType === resourceType && r.resourceName === resourceName)
  if (same.length > 1)
    return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: `${resourceName} is named twice in the request.` }
  if (resourceType !== RESOURCE.topic) {
    return {
      errorCode: ErrorCode.INVALID_REQUEST,
      errorMessage: 'Only topic settings can be changed while the broker runs.'
    }
  }
  const topic = parts.topics.get(resourceName)
  if (topic === undefined) {
    return {
      errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      errorMessage: `The topic '${resourceName}' does not exist.`
    }
  }
  const planned = new Map<string, string | undefined>()
  for (const change of wanted.configs) {
    const problem = plan(topic, change, planned)
    if (problem !== undefined) return problem
  }
  const changes = Object.fromEntries(planned)
  // What is taken back need not be known: an older release may have known it.
  const problem =
    checkSettings(Object.fromEntries([...planned].filter(([, value]) => value !== undefined))) ??
    checkTogether({ ...topic.configs, ...changes }, parts.settings.objectStoreProfiles)
  if (problem !== undefined) return { errorCode: ErrorCode.INVALID_CONFIG, errorMessage: problem }
  try {
    if (!request.validateOnly) await parts.topics.configure(topic, changes)
    return undefined
  } catch (error) {
    return { errorCode: codeOf(error), errorMessage: String(error) }
  }
}

/** Adds what one operation amounts to, or says why it cannot be done. */
function plan(topic: Topic, change: Change, changes: Map<string, string | undefined>): Problem | undefined {
  const { name, configOperation, value } = change
  if (changes.has(name))
    return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: `${name} is changed twice in the request.` }
  if (configOperation === OPERATION.delete) {
    changes.set(name, undefined)
    return undefined
  }
  if (value === null)
    return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: `Null value not supported for ${name}.` }
  if (configOperation === OPERATION.set) {
    changes.set(name, value)
    return undefined
  }
  const declaration = TOPIC_SETTINGS.get(name)
  if (configOperation !== OPERATION.append && configOperation !== OPERATION.subtract) {
    return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: `Unknown operation ${configOperation} on ${name}.` }
  }
  if (declaration?.type !== 'list') {
    return {
      errorCode: ErrorCode.INVALID_CONFIG,
      errorMessage: `Can't append or subtract on ${name}: it is not a list.`
    }
  }
  const items = new Set((topic.configs[name] ?? declaration.default).split(',').filter((item) => item !== ''))
  for (const item of value.split(',')) configOperation === OPERATION.append ? items.add(item) : items.delete(item)
  changes.set(name, [...items].join(','))
  return undefined
}
