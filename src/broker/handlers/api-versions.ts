/**
 * ApiVersions v0 to v4 (KIP-35, KIP-511): what this broker speaks.
 * Not here: features (KIP-584); this broker has none to negotiate.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import { type ApiVersionsRequest, ApiVersionsResponse } from '../../wire/messages/api-versions.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { Handler, VersionRefusal } from '../handler.ts'

export interface ApiRange {
  readonly apiKey: number
  readonly minVersion: number
  readonly maxVersion: number
}

type Answer = InferInput<typeof ApiVersionsResponse>

/** The first version that tells the client's name. */
const CLIENT_SOFTWARE_VERSION = 3
/** What Kafka accepts as the name or version of a client's software. */
const CLIENT_SOFTWARE = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/

/** `ranges` is filled by the table of APIs that this handler is itself a part of. */
export function apiVersionsHandler(ranges: readonly ApiRange[]): Handler<ApiVersionsRequest, Answer> {
  return (request, context) => {
    const named =
      CLIENT_SOFTWARE.test(request.clientSoftwareName) && CLIENT_SOFTWARE.test(request.clientSoftwareVersion)
    if (context.apiVersion >= CLIENT_SOFTWARE_VERSION && !named)
      return { errorCode: ErrorCode.INVALID_REQUEST, apiKeys: [] }
    return { errorCode: ErrorCode.NONE, apiKeys: ranges }
  }
}

/** A version from the future is answered in the oldest layout with the versions of ApiVersions itself. */
export function refuseApiVersions(ranges: readonly ApiRange[]): () => VersionRefusal {
  return () => {
    const apiKeys = ranges.filter((range) => range.apiKey === ApiVersionsResponse.apiKey)
    return { message: ApiVersionsResponse, version: 0, response: { errorCode: ErrorCode.UNSUPPORTED_VERSION, apiKeys } }
  }
}
