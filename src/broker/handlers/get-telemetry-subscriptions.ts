/** GetTelemetrySubscriptions v0 (KIP-714): which of its metrics a client is to push, and how often. */
import { ZERO_UUID } from '../../wire/buffers.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type {
  GetTelemetrySubscriptionsRequest,
  GetTelemetrySubscriptionsResponse
} from '../../wire/messages/get-telemetry-subscriptions.ts'
import { type Codec, codecId } from '../../wire/records/compression.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Handler } from '../handler.ts'
import { TELEMETRY_BYTES_MAX } from '../telemetry/client-telemetry.ts'

type Answer = InferInput<typeof GetTelemetrySubscriptionsResponse>

/** In the order in which clients should prefer them. */
const CODECS: readonly Codec[] = ['zstd', 'lz4', 'gzip', 'snappy']

export function getTelemetrySubscriptionsHandler({
  telemetry
}: BrokerParts): Handler<GetTelemetrySubscriptionsRequest, Answer> {
  return (request, context) => {
    const { id, order, errorCode } = telemetry.ask(request.clientInstanceId, context)
    if (errorCode !== ErrorCode.NONE) return refuse(errorCode)
    return {
      throttleTimeMs: 0,
      errorCode,
      clientInstanceId: id,
      subscriptionId: order.subscriptionId,
      acceptedCompressionTypes: CODECS.map(codecId),
      pushIntervalMs: order.pushIntervalMs,
      telemetryMaxBytes: TELEMETRY_BYTES_MAX,
      deltaTemporality: true,
      requestedMetrics: [...order.metrics]
    }
  }
}

function refuse(errorCode: number): Answer {
  return {
    throttleTimeMs: 0,
    errorCode,
    clientInstanceId: ZERO_UUID,
    subscriptionId: 0,
    acceptedCompressionTypes: [],
    pushIntervalMs: 0,
    telemetryMaxBytes: 0,
    deltaTemporality: false,
    requestedMetrics: []
  }
}
