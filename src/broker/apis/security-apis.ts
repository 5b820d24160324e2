/** Rows of authentication; none as long as there is nobody who could authenticate. */
import type { Clock } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import { SaslAuthenticateRequest, SaslAuthenticateResponse } from '../../wire/messages/sasl-authenticate.ts'
import { SaslHandshakeRequest, SaslHandshakeResponse } from '../../wire/messages/sasl-handshake.ts'
import { type Api, api } from '../api.ts'
import { saslAuthenticateHandler } from '../handlers/sasl-authenticate.ts'
import { saslHandshakeHandler } from '../handlers/sasl-handshake.ts'
import { clusterPrincipals } from '../security/cluster-user.ts'
import type { NodeSecurity } from '../security/node-security.ts'

export interface SecurityParts {
  readonly clock: Clock
  /** Its bytes have to be unpredictable outside of tests. */
  readonly random: Random
  readonly security?: NodeSecurity
}

export function securityApis({ clock, random, security }: SecurityParts): Api[] {
  if (security === undefined) return []
  const principals = clusterPrincipals(security.clusterSecret, random)
  return [
    api(SaslHandshakeRequest, SaslHandshakeResponse, saslHandshakeHandler(principals, random)),
    api(SaslAuthenticateRequest, SaslAuthenticateResponse, saslAuthenticateHandler(clock))
  ]
}
