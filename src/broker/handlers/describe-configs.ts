/**
 * DescribeConfigs v1 to v4 (KIP-133, KIP-226, KIP-569): settings of topics, of this broker, of all brokers (no name), of
 * groups (KIP-848), of client metrics subscriptions (KIP-714), and the level of this broker's log (KIP-412), with value,
 * source, synonyms, type and documentation.
 *
 * As in Kafka, a group or subscription of which nobody has heard has the defaults. Another broker's settings are asked of
 * that broker. Where Kafka refuses the whole request for one unknown type, only that resource is refused.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { DescribeConfigsRequest, DescribeConfigsResponse } from '../../wire/messages/describe-configs.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { brokerNameProblem, type ConfigProblem, invalidRequest } from '../config-alterations.ts'
import { RESOURCE } from '../config-resource.ts'
import type { Handler } from '../handler.ts'
import { ALL_BROKERS } from '../settings/live-settings.ts'
import {
  type ShownConfig,
  shownBrokerConfigs,
  shownClientMetricsConfigs,
  shownClusterConfigs,
  shownGroupConfigs,
  shownLoggers,
  shownTopicConfigs
} from '../shown-configs.ts'
import { topicNameProblem } from '../topic-names.ts'

type Answer = InferInput<typeof DescribeConfigsResponse>
type Result = Answer['results'][number]
type Wanted = DescribeConfigsRequest['resources'][number]
type Found = readonly ShownConfig[] | ConfigProblem

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
  const configs = found
    .filter(({ name }) => !configurationKeys?.length || configurationKeys.includes(name))
    .map((config) => ({
      ...config,
      synonyms: request.includeSynonyms ? config.synonyms : [],
      documentation: request.includeDocumentation ? config.documentation : null
    }))
  return { errorCode: ErrorCode.NONE, errorMessage: null, resourceType, resourceName, configs }
}

function find(parts: BrokerParts, { resourceType, resourceName: name }: Wanted): Found {
  const { image } = parts.metadata
  switch (resourceType) {
    case RESOURCE.topic:
      return findTopic(parts, name)
    case RESOURCE.broker:
      if (name === ALL_BROKERS) return shownClusterConfigs(parts.live)
      return brokerNameProblem(name, parts.settings.nodeId) ?? shownBrokerConfigs(parts.live)
    case RESOURCE.brokerLogger:
      return findLoggers(parts, name)
    case RESOURCE.group:
      if (name === '') return invalidRequest('Name a group: its name cannot be empty.')
      return shownGroupConfigs(image.configs('group').get(name) ?? {}, parts.live)
    case RESOURCE.clientMetrics:
      if (name === '') return invalidRequest('Name a client metrics subscription: its name cannot be empty.')
      return shownClientMetricsConfigs(image.configs('client-metrics').get(name) ?? {})
    default:
      return invalidRequest(`Unsupported resource type: ${resourceType}`)
  }
}

function findTopic({ topics, live }: BrokerParts, name: string): Found {
  const problem = topicNameProblem(name)
  if (problem !== undefined) return { errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION, errorMessage: problem }
  const topic = topics.get(name)
  if (topic === undefined) return { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: null }
  return shownTopicConfigs(topic.configs, live)
}

function findLoggers({ settings, logLevel }: BrokerParts, name: string): Found {
  const problem = name === '' ? invalidRequest('Broker id must not be empty') : brokerNameProblem(name, settings.nodeId)
  return problem ?? (logLevel === undefined ? [] : shownLoggers(logLevel))
}
