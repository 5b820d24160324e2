/**
 * The server's side of one SCRAM exchange (RFC 5802): two messages in, two out. Pure but for the nonce it is given.
 *
 * Whoever is not let in hears the same, whether the name is unknown or the password wrong.
 */
import { Fault } from '../../runtime/fault.ts'
import {
  digest,
  hmac,
  isEqual,
  parseClientFinal,
  parseClientFirst,
  type ScramCredential,
  type ScramHash,
  xor
} from './scram.ts'

/** Undefined when nobody has the name. */
export type CredentialLookup = (user: string) => ScramCredential | undefined

export interface ScramServerParts {
  readonly hash: ScramHash
  readonly credentials: CredentialLookup
  /** Never the same twice; printable ASCII without a comma. */
  readonly nonce: string
}

/** What goes back to the client, and the name of the user once it has proved to be that. */
export interface ScramReply {
  readonly token: Buffer
  readonly user: string | undefined
}

interface Challenge {
  readonly user: string
  readonly credential: ScramCredential
  readonly header: string
  readonly clientBare: string
  readonly serverFirst: string
  readonly nonce: string
}

export class ScramServer {
  readonly #parts: ScramServerParts
  #challenge: Challenge | undefined
  #over = false

  constructor(parts: ScramServerParts) {
    this.#parts = parts
  }

  /** Fault `invalid` when the client is not let in; the exchange is over then. */
  reply(token: Buffer): ScramReply {
    if (this.#over) throw new Fault('invalid', 'the exchange is over')
    const challenge = this.#challenge
    if (challenge === undefined) {
      this.#over = true
      const begun = this.#begin(token)
      this.#over = false
      this.#challenge = begun
      return { token: Buffer.from(begun.serverFirst), user: undefined }
    }
    this.#over = true
    return { token: this.#check(challenge, token), user: challenge.user }
  }

  #begin(token: Buffer): Challenge {
    const { user, nonce: clientNonce, header, bare } = parseClientFirst(token)
    const credential = this.#parts.credentials(user)
    if (credential === undefined) throw notLetIn()
    const nonce = `${clientNonce}${this.#parts.nonce}`
    const serverFirst = `r=${nonce},s=${credential.salt.toString('base64')},i=${credential.iterations}`
    return { user, credential, header, clientBare: bare, serverFirst, nonce }
  }

  #check({ credential, header, clientBare, serverFirst, nonce }: Challenge, token: Buffer): Buffer {
    const { hash } = this.#parts
    const final = parseClientFinal(token)
    if (final.nonce !== nonce || final.header !== header) throw notLetIn()
    const signed = `${clientBare},${serverFirst},${final.withoutProof}`
    const signature = hmac(hash, credential.storedKey, signed)
    if (final.proof.length !== signature.length) throw notLetIn()
    if (!isEqual(digest(hash, xor(final.proof, signature)), credential.storedKey)) throw notLetIn()
    return Buffer.from(`v=${hmac(hash, credential.serverKey, signed).toString('base64')}`)
  }
}

function notLetIn(): Fault {
  return new Fault('invalid', 'there is no such user, or the password is wrong')
}
