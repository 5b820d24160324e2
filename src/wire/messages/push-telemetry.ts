import { request, response } from '../message.ts'
import { bool, bytes, type Infer, int8, int16, int32, uuid } from '../schema.ts'

/** PushTelemetry (key 72), request: a client's metrics, as OpenTelemetry bytes (KIP-714). */
export const PushTelemetryRequest = request(
  { name: 'PushTelemetry', apiKey: 72, versions: [0, 0], flexibleFrom: 0 },
  { clientInstanceId: uuid, subscriptionId: int32, terminating: bool, compressionType: int8, metrics: bytes }
)
export type PushTelemetryRequest = Infer<typeof PushTelemetryRequest>

/** PushTelemetry (key 72), response: an error or none. */
export const PushTelemetryResponse = response(
  { name: 'PushTelemetry', apiKey: 72, versions: [0, 0], flexibleFrom: 0 },
  { throttleTimeMs: int32, errorCode: int16 }
)
export type PushTelemetryResponse = Infer<typeof PushTelemetryResponse>
