import { request, response } from '../message.ts'
import { bytes, type Infer, int16, int64, string } from '../schema.ts'

/** SaslAuthenticate (key 36), request: a token of the mechanism that SaslHandshake chose (KIP-152). */
export const SaslAuthenticateRequest = request(
  { name: 'SaslAuthenticate', apiKey: 36, versions: [0, 2], flexibleFrom: 2 },
  { authBytes: bytes }
)
export type SaslAuthenticateRequest = Infer<typeof SaslAuthenticateRequest>

/** SaslAuthenticate (key 36), response: the token that answers it; from v1 on how long the session lasts (KIP-368). */
export const SaslAuthenticateResponse = response(
  { name: 'SaslAuthenticate', apiKey: 36, versions: [0, 2], flexibleFrom: 2 },
  {
    errorCode: int16,
    errorMessage: string.nullable(),
    authBytes: bytes,
    sessionLifetimeMs: int64.in('1+').or(0).ignorable()
  }
)
export type SaslAuthenticateResponse = Infer<typeof SaslAuthenticateResponse>
