/**
 * SaslHandshake v0 to v1 (KIP-43): the client says how it is going to authenticate. After v0 its tokens come as bare
 * frames, after v1 in SaslAuthenticate. There is SCRAM-SHA-256; whoever wants another is told so, and the connection ends.
 * Nobody has to authenticate; to do so twice on one connection (KIP-368) is not implemented.
 */
import type { Random } from '../../runtime/random.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { SaslHandshakeRequest, SaslHandshakeResponse } from '../../wire/messages/sasl-handshake.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { Handler } from '../handler.ts'
import { MECHANISM, type PrincipalLookup } from '../security/cluster-user.ts'
import { SaslExchange } from '../security/sasl-exchange.ts'

type Answer = InferInput<typeof SaslHandshakeResponse>

/** The first version after which tokens have a header. */
const HEADERS_VERSION = 1

export function saslHandshakeHandler(
  principals: PrincipalLookup,
  random: Random
): Handler<SaslHandshakeRequest, Answer> {
  return ({ mechanism }, { peer, apiVersion }) => {
    if (peer.sasl !== undefined) return { errorCode: ErrorCode.ILLEGAL_SASL_STATE, mechanisms: [] }
    const mechanisms = [MECHANISM]
    if (mechanism !== MECHANISM) {
      peer.isRefused = true
      return { errorCode: ErrorCode.UNSUPPORTED_SASL_MECHANISM, mechanisms }
    }
    peer.sasl = new SaslExchange(principals, random, apiVersion < HEADERS_VERSION)
    return { errorCode: ErrorCode.NONE, mechanisms }
  }
}
