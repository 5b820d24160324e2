/**
 * The client's side of one SCRAM exchange (RFC 5802). Pure but for the nonce it is given.
 *
 * Both sides prove that they know the password: a server that does not is found out by the last message.
 */
import { assert, Fault } from '../../runtime/fault.ts'
import {
  clientKeyOf,
  digest,
  escapedName,
  hmac,
  ITERATIONS_MIN,
  isEqual,
  parseServerFirst,
  type ScramHash,
  saltedPassword,
  serverKeyOf,
  xor
} from './scram.ts'

/** What a server may ask for: each one costs this side a hash, and nobody here stores so many. */
const ITERATIONS_MAX = 100_000
const HEADER = 'n,,'

export interface ScramClientParts {
  readonly hash: ScramHash
  readonly user: string
  readonly password: string
  /** Never the same twice; printable ASCII without a comma. */
  readonly nonce: string
}

export class ScramClient {
  readonly #parts: ScramClientParts
  readonly #bare: string
  #serverSignature: Buffer | undefined

  constructor(parts: ScramClientParts) {
    this.#parts = parts
    this.#bare = `n=${escapedName(parts.user)},r=${parts.nonce}`
  }

  first(): Buffer {
    return Buffer.from(`${HEADER}${this.#bare}`)
  }

  /** Answers the server's first message. Fault `invalid` when that cannot be meant, as below. */
  final(serverFirst: Buffer): Buffer {
    const { hash, password, nonce } = this.#parts
    const first = parseServerFirst(serverFirst)
    if (!first.nonce.startsWith(nonce) || first.nonce === nonce) {
      throw new Fault('invalid', 'the server answers somebody else: its nonce does not begin with ours')
    }
    if (first.iterations < ITERATIONS_MIN || first.iterations > ITERATIONS_MAX) {
      const bounds = `${ITERATIONS_MIN} to ${ITERATIONS_MAX}`
      throw new Fault('invalid', `the server asks for ${first.iterations} iterations, not ${bounds}`)
    }
    const salted = saltedPassword(hash, password, first.salt, first.iterations)
    const withoutProof = `c=${Buffer.from(HEADER).toString('base64')},r=${first.nonce}`
    const signed = `${this.#bare},${serverFirst.toString()},${withoutProof}`
    const clientKey = clientKeyOf(hash, salted)
    const proof = xor(clientKey, hmac(hash, digest(hash, clientKey), signed))
    this.#serverSignature = hmac(hash, serverKeyOf(hash, salted), signed)
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`)
  }

  /** Checks the server's last message. */
  finish(serverFinal: Buffer): void {
    assert(this.#serverSignature !== undefined, 'the server has the last word after ours')
    const told = /^v=([A-Za-z0-9+/=]+)/.exec(serverFinal.toString())?.[1] ?? ''
    if (isEqual(Buffer.from(told, 'base64'), this.#serverSignature)) return
    throw new Fault('invalid', 'the server does not know the password')
  }
}
