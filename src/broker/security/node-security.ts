/** How the brokers of a cluster know each other, and what is theirs alone. */
import type { Handler } from '../handler.ts'

export interface NodeSecurity {
  /** Shared by all brokers of the cluster, and nobody else. */
  readonly clusterSecret: () => string
  /**
   * What only brokers send is refused from everybody else. Not on a single node: it has no other broker, and tools that
   * speak these APIs work with it as they do with a Kafka without an authorizer.
   */
  readonly requireNodeAuthentication: boolean
}

/** Answers with `refuse` whoever is no broker of the cluster, if that is required. */
export function nodesOnly<Request, Response, Refused>(
  security: Pick<NodeSecurity, 'requireNodeAuthentication'> | undefined,
  handler: Handler<Request, Response>,
  refuse: (request: Request) => Refused
): Handler<Request, Response | Refused> {
  if (security?.requireNodeAuthentication !== true) return handler
  return (request, context) => (context.peer.isNode ? handler(request, context) : refuse(request))
}
