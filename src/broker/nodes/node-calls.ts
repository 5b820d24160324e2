/** Calls of other brokers of the cluster, as those who need them see them. */
import { Fault } from '../../runtime/fault.ts'
import type { ApiMessage } from '../../wire/message.ts'

/** The two messages of an API: what is sent, and what comes back. */
export interface NodeApi<Req, Res> {
  readonly request: ApiMessage<unknown, Req>
  readonly response: ApiMessage<Res, unknown>
}

export interface NodeCalls {
  /**
   * Sends a request to another broker. Requests to one broker are taken up there in the order of the calls. Throws
   * `Fault`, `unavailable`, when no answer came: the request may have been carried out or not.
   */
  send<Req, Res>(nodeId: number, api: NodeApi<Req, Res>, version: number, request: Req): Promise<Res>
}

/** A broker that is alone. */
export const noNodes: NodeCalls = {
  send: (nodeId) => Promise.reject(new Fault('unavailable', `this broker reaches no other, so not ${nodeId} either`))
}
