/** PushTelemetry v0 (KIP-714): takes in what a client tells of itself. Metrics that cannot be read are INVALID_RECORD. */
import type { PushTelemetryRequest, PushTelemetryResponse } from '../../wire/messages/push-telemetry.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Handler } from '../handler.ts'

type Answer = InferInput<typeof PushTelemetryResponse>

export function pushTelemetryHandler({ telemetry }: BrokerParts): Handler<PushTelemetryRequest, Answer> {
  return async (request, context) => ({ throttleTimeMs: 0, errorCode: await telemetry.push(request, context) })
}
