/**
 * SaslAuthenticate v0 to v2 (KIP-152): the tokens of the mechanism that SaslHandshake chose. Whoever is not let in hears it
 * late, so that guessing takes time, and the connection ends. A session lasts as long as its connection (no KIP-368).
 */
import { type Clock, sleep } from '../../runtime/clock.ts'
import { isFault } from '../../runtime/fault.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { SaslAuthenticateRequest, SaslAuthenticateResponse } from '../../wire/messages/sasl-authenticate.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { Handler } from '../handler.ts'
import { authenticate } from '../security/authentication.ts'
import { MECHANISM } from '../security/cluster-user.ts'

type Answer = InferInput<typeof SaslAuthenticateResponse>

/** Kafka's default of `connection.failed.authentication.delay.ms`. */
const FAILURE_DELAY_MS = 100
const NOTHING = Buffer.alloc(0)

export function saslAuthenticateHandler(clock: Clock): Handler<SaslAuthenticateRequest, Answer> {
  return async ({ authBytes }, { peer, closed }) => {
    if (peer.sasl === undefined || peer.sasl.isOver) {
      const errorMessage =
        peer.sasl === undefined ? 'SaslHandshake comes first.' : 'The client has authenticated already.'
      return { errorCode: ErrorCode.ILLEGAL_SASL_STATE, errorMessage, authBytes: NOTHING }
    }
    try {
      return { errorCode: ErrorCode.NONE, errorMessage: null, authBytes: authenticate(peer, peer.sasl, authBytes) }
    } catch (error) {
      if (!isFault(error, 'invalid')) throw error
      peer.isRefused = true
      await sleep(clock, FAILURE_DELAY_MS, closed)
      const errorMessage = `Authentication with ${MECHANISM} failed: ${error.message}.`
      return { errorCode: ErrorCode.SASL_AUTHENTICATION_FAILED, errorMessage, authBytes: NOTHING }
    }
  }
}
