/**
 * ListConfigResources v0 and v1 (KIP-714, KIP-1142): the names of what can have settings. v0 lists client metrics
 * subscriptions only; v1 lists topics, brokers, their loggers, and the groups and subscriptions that have some.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type {
  ListConfigResourcesRequest,
  ListConfigResourcesResponse
} from '../../wire/messages/list-config-resources.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { RESOURCE } from '../config-resource.ts'
import type { Handler } from '../handler.ts'

type Answer = InferInput<typeof ListConfigResourcesResponse>

/** In the order in which Kafka lists them. */
const LISTED = [RESOURCE.group, RESOURCE.clientMetrics, RESOURCE.brokerLogger, RESOURCE.broker, RESOURCE.topic] as const

export function listConfigResourcesHandler(parts: BrokerParts): Handler<ListConfigResourcesRequest, Answer> {
  return ({ resourceTypes }, { apiVersion }) => {
    const supported: readonly number[] = apiVersion === 0 ? [RESOURCE.clientMetrics] : LISTED
    const wanted = resourceTypes.length === 0 ? supported : resourceTypes
    if (wanted.some((type) => !supported.includes(type))) {
      return { throttleTimeMs: 0, errorCode: ErrorCode.UNSUPPORTED_VERSION, configResources: [] }
    }
    const configResources = LISTED.filter((type) => wanted.includes(type)).flatMap((resourceType) =>
      [...names(parts, resourceType)].map((resourceName) => ({ resourceName, resourceType }))
    )
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, configResources }
  }
}

function names({ metadata, topics, settings }: BrokerParts, type: (typeof LISTED)[number]): Iterable<string> {
  switch (type) {
    case RESOURCE.group:
      return metadata.image.configs('group').keys()
    case RESOURCE.clientMetrics:
      return metadata.image.configs('client-metrics').keys()
    case RESOURCE.broker:
    case RESOURCE.brokerLogger:
      return [String(settings.nodeId)]
    case RESOURCE.topic:
      return topics.names()
  }
}
