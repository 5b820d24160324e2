import { request, response } from '../message.ts'
import { array, type Infer, int16, string } from '../schema.ts'

/** SaslHandshake (key 17), request: chooses how to authenticate (KIP-43); from v1 on tokens travel in SaslAuthenticate. */
export const SaslHandshakeRequest = request(
  { name: 'SaslHandshake', apiKey: 17, versions: [0, 1] },
  { mechanism: string }
)
export type SaslHandshakeRequest = Infer<typeof SaslHandshakeRequest>

/** SaslHandshake (key 17), response: the mechanisms there are. */
export const SaslHandshakeResponse = response(
  { name: 'SaslHandshake', apiKey: 17, versions: [0, 1] },
  { errorCode: int16, mechanisms: array(string) }
)
export type SaslHandshakeResponse = Infer<typeof SaslHandshakeResponse>
