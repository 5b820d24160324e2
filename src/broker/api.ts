/** One row of the table of APIs: schema, versions and handler. The rows stand in `apis/`, the table in `apis.ts`. */
import type { Reader } from '../wire/buffers.ts'
import type { RequestHeader } from '../wire/headers.ts'
import type { ApiMessage } from '../wire/message.ts'
import type { AnyMessage, Handler, VersionRefusal } from './handler.ts'

export interface Api {
  readonly request: AnyMessage
  readonly response: AnyMessage
  readonly handler: Handler<unknown, unknown>
  /** The connection's next request is taken up before this one is answered. */
  readonly pipelined: boolean
  /** First version to advertise; lower than the first that is served where clients draw conclusions from it. */
  readonly advertisedFrom: number
  /** Answers versions that are not served; `undefined` closes the connection, as Kafka does. */
  readonly refuse: (header: RequestHeader, reader: Reader) => VersionRefusal | undefined
}

/** By api key. */
export type ApiTable = ReadonlyMap<number, Api>

export interface ApiOptions {
  readonly pipelined?: boolean
  readonly advertisedFrom?: number
  readonly refuse?: Api['refuse']
}

/** One row: the types of schema and handler are checked against each other here and forgotten afterwards. */
export function api<Request, RequestInput, ResponseOutput, Response>(
  request: ApiMessage<Request, RequestInput>,
  response: ApiMessage<ResponseOutput, Response>,
  handler: Handler<Request, Response | undefined>,
  options: ApiOptions = {}
): Api {
  return {
    request: request as AnyMessage,
    response: response as AnyMessage,
    handler: handler as Handler<unknown, unknown>,
    pipelined: options.pipelined ?? false,
    advertisedFrom: options.advertisedFrom ?? request.minVersion,
    refuse: options.refuse ?? (() => undefined)
  }
}
