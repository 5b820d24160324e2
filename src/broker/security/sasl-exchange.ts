/**
 * How one connection authenticates: from SaslHandshake to the last token. Knows who has proved to be whom, not what they
 * may do, and closes nothing.
 */
import { Fault } from '../../runtime/fault.ts'
import type { Random } from '../../runtime/random.ts'
import { MECHANISM_HASH, type PrincipalLookup } from './cluster-user.ts'
import { ScramServer } from './scram-server.ts'

const NONCE_BYTES = 18
/** Whatever anybody has to say of himself is shorter. */
const TOKEN_BYTES_MAX = 64 * 1024

export interface Proven {
  readonly name: string
  readonly isNode: boolean
}

export class SaslExchange {
  /** Tokens come as frames of their own, without a header (SaslHandshake v0). */
  readonly isBare: boolean
  readonly #principals: PrincipalLookup
  readonly #server: ScramServer
  #isOver = false

  constructor(principals: PrincipalLookup, random: Random, isBare: boolean) {
    this.isBare = isBare
    this.#principals = principals
    const nonce = random.bytes(NONCE_BYTES).toString('base64')
    this.#server = new ScramServer({
      hash: MECHANISM_HASH,
      nonce,
      credentials: (user) => principals(user)?.credential
    })
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** What to answer, and who the client is once it has proved it. Fault `invalid` when it is not let in. */
  reply(token: Buffer): { readonly token: Buffer; readonly proven: Proven | undefined } {
    try {
      if (token.length > TOKEN_BYTES_MAX) throw new Fault('invalid', `a token has at most ${TOKEN_BYTES_MAX} bytes`)
      const { token: answer, user } = this.#server.reply(token)
      if (user === undefined) return { token: answer, proven: undefined }
      this.#isOver = true
      return { token: answer, proven: { name: user, isNode: this.#principals(user)?.isNode ?? false } }
    } catch (error) {
      this.#isOver = true
      throw error
    }
  }
}
