/**
 * DescribeConfigs v1 to v4 (KIP-133, KIP-226, KIP-569): a topic's settings with value, source, type and documentation,
 * and the few of this broker that clients ask for.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { DescribeConfigsRequest, DescribeConfigsResponse } from '../../wire/messages/describe-configs.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { RESOURCE } from '../config-resource.ts'
import type { Handler } from '../handler.ts'
import { type ShownConfig, shownBrokerConfigs, shownConfigs } from '../shown-configs.ts'
import { topicNameProblem } from '../topic-names.ts'

type Answer = InferInput<typeof DescribeConfigsResponse>
type Result = Answer['results'][number]
type Wanted = DescribeConfigsRequest['resources'][number]
type Found = { readonly configs: ShownConfig[] } | { readonly errorCode: number; readonly errorMessage: string | null }

export function describeConfigsHandler(parts: BrokerParts): Handler<DescribeConfigsRequest, Answer> {
  return (request) => ({
    throttleTimeMs: 0,
    results: request.resources.map((wanted) => describe(parts, request, wanted))
  })
}

function describe(parts: BrokerParts, request: DescribeConfigsRequest, wanted: Wanted): Result {
  const { resourceType, resourceName, configurationKeys } = wanted
  const found = find(parts, wanted)
  if ('errorCode' in found) return { ...found, resourceType, resourceName, configs: [] }
  const configs = found.configs
    .filter(({ name }) => !configurationKeys?.length || configurationKeys.includes(name))
    .map((config) => ({
      ...config,
      synonyms: request.includeSynonyms ? config.synonyms : [],
      documentation: request.includeDocumentation ? config.documentation : null
    }))
  return { errorCode: ErrorCode.NONE, errorMessage: null, resourceType, resourceName, configs }
}

function find({ topics, settings }: BrokerParts, { resourceType, resourceName }: Wanted): Found {
  if (resourceType === RESOURCE.topic) {
    const problem = topicNameProblem(resourceName)
    if (problem !== undefined) return { errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION, errorMessage: problem }
    const topic = topics.get(resourceName)
    if (topic === undefined) return { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: null }
    return { configs: shownConfigs(topic.configs, settings.topicDefaults) }
  }
  if (resourceType === RESOURCE.broker) {
    // Without a name: the settings that all brokers share and that can be changed while they run. There are none.
    if (resourceName === '') return { configs: [] }
    if (resourceName === String(settings.nodeId)) return { configs: shownBrokerConfigs(settings) }
    const errorMessage = `Unexpected broker id, expected ${settings.nodeId} or empty string, but received ${resourceName}`
    return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage }
  }
  return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: `Unsupported resource type: ${resourceType}` }
}
