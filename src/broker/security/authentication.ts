/** A token of a client that authenticates: what it is answered, and who the client is from then on. */
import type { Peer } from '../handler.ts'
import type { SaslExchange } from './sasl-exchange.ts'

/** Fault `invalid` when the client is not let in. */
export function authenticate(peer: Peer, exchange: SaslExchange, token: Buffer): Buffer {
  const { token: answer, proven } = exchange.reply(token)
  if (proven !== undefined) {
    peer.principal = proven.name
    peer.isNode = proven.isNode
  }
  return answer
}
