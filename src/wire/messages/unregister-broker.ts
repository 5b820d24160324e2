import { request, response } from '../message.ts'
import { type Infer, int16, int32, string } from '../schema.ts'

/** UnregisterBroker (key 64), request: removes a broker that is gone (KIP-500). */
export const UnregisterBrokerRequest = request(
  { name: 'UnregisterBroker', apiKey: 64, versions: [0, 0], flexibleFrom: 0 },
  { brokerId: int32 }
)
export type UnregisterBrokerRequest = Infer<typeof UnregisterBrokerRequest>

/** UnregisterBroker (key 64), response: an error or none. */
export const UnregisterBrokerResponse = response(
  { name: 'UnregisterBroker', apiKey: 64, versions: [0, 0], flexibleFrom: 0 },
  { throttleTimeMs: int32, errorCode: int16, errorMessage: string.nullable() }
)
export type UnregisterBrokerResponse = Infer<typeof UnregisterBrokerResponse>
