import { request, response } from '../message.ts'
import { array, bool, type Infer, int8, int16, int32, string, uuid } from '../schema.ts'

/** GetTelemetrySubscriptions (key 71), request: a client asks which of its metrics are wanted (KIP-714). */
export const GetTelemetrySubscriptionsRequest = request(
  { name: 'GetTelemetrySubscriptions', apiKey: 71, versions: [0, 0], flexibleFrom: 0 },
  { clientInstanceId: uuid }
)
export type GetTelemetrySubscriptionsRequest = Infer<typeof GetTelemetrySubscriptionsRequest>

/** GetTelemetrySubscriptions (key 71), response: names, interval and compression. */
export const GetTelemetrySubscriptionsResponse = response(
  { name: 'GetTelemetrySubscriptions', apiKey: 71, versions: [0, 0], flexibleFrom: 0 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    clientInstanceId: uuid,
    subscriptionId: int32,
    acceptedCompressionTypes: array(int8),
    pushIntervalMs: int32,
    telemetryMaxBytes: int32,
    deltaTemporality: bool,
    requestedMetrics: array(string)
  }
)
export type GetTelemetrySubscriptionsResponse = Infer<typeof GetTelemetrySubscriptionsResponse>
