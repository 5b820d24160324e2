/**
 * The cluster itself as a user: by its secret the brokers of a cluster know each other. Users that clients authenticate as
 * come from elsewhere: whoever has them puts another `PrincipalLookup` before this one.
 */
import type { Random } from '../../runtime/random.ts'
import { type ScramCredential, scramCredential } from './scram.ts'

/** No client's user can have this name, once there are any. */
export const CLUSTER_USER = 'longhaul-cluster'
/** The one mechanism that brokers authenticate with. */
export const MECHANISM = 'SCRAM-SHA-256'
export const MECHANISM_HASH = 'sha256'

const SALT_BYTES = 16

/** Somebody who can prove who it is. */
export interface KnownPrincipal {
  /** Another broker of the cluster. */
  readonly isNode: boolean
  readonly credential: ScramCredential
}

/** By the name of the user; undefined when nobody has it. */
export type PrincipalLookup = (user: string) => KnownPrincipal | undefined

/** `secret` is asked each time: it may be changed. */
export function clusterPrincipals(secret: () => string, random: Random): PrincipalLookup {
  let known: { readonly secret: string; readonly principal: KnownPrincipal } | undefined
  return (user) => {
    if (user !== CLUSTER_USER) return undefined
    const current = secret()
    // Made once: it costs thousands of hashes, which nobody may make us do for each connection.
    if (known?.secret !== current) {
      const credential = scramCredential(MECHANISM_HASH, current, random.bytes(SALT_BYTES))
      known = { secret: current, principal: { isNode: true, credential } }
    }
    return known.principal
  }
}
