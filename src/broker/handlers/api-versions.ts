/**
 * ApiVersions v0 to v4 (KIP-35, KIP-511, KIP-584): what this broker speaks, and the levels of the cluster's features.
 * Up to v3 a feature whose lowest version is 0 is not named as supported: some older clients stumble over it.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import { type ApiVersionsRequest, ApiVersionsResponse } from '../../wire/messages/api-versions.ts'
import type { InferInput } from '../../wire/schema.ts'
import { FEATURES, type Features, featureNames } from '../features.ts'
import type { Handler, VersionRefusal } from '../handler.ts'

export interface ApiRange {
  readonly apiKey: number
  readonly minVersion: number
  readonly maxVersion: number
}

type Answer = InferInput<typeof ApiVersionsResponse>

/** The first version that tells the client's name. */
const CLIENT_SOFTWARE_VERSION = 3
/** The first version whose clients all read a lowest version of 0. */
const LOWEST_VERSION_ZERO_VERSION = 4
/** What Kafka accepts as the name or version of a client's software. */
const CLIENT_SOFTWARE = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/

/** `ranges` is filled by the table of APIs that this handler is itself a part of. */
export function apiVersionsHandler(
  ranges: readonly ApiRange[],
  features: Features
): Handler<ApiVersionsRequest, Answer> {
  return (request, { apiVersion, peer }) => {
    const { clientSoftwareName: name, clientSoftwareVersion: version } = request
    if (apiVersion >= CLIENT_SOFTWARE_VERSION) {
      const legal = CLIENT_SOFTWARE.test(name) && CLIENT_SOFTWARE.test(version)
      if (!legal) return { errorCode: ErrorCode.INVALID_REQUEST, apiKeys: [] }
      peer.softwareName = name
      peer.softwareVersion = version
    }
    return {
      errorCode: ErrorCode.NONE,
      apiKeys: ranges,
      supportedFeatures: supported(apiVersion),
      finalizedFeaturesEpoch: features.epoch,
      finalizedFeatures: finalized(features)
    }
  }
}

function supported(apiVersion: number) {
  return featureNames()
    .map((name) => ({ name, minVersion: FEATURES[name].min, maxVersion: FEATURES[name].max }))
    .filter(({ minVersion }) => minVersion > 0 || apiVersion >= LOWEST_VERSION_ZERO_VERSION)
}

/** Level 0 is told by silence. */
function finalized(features: Features) {
  return [...features.levels()]
    .filter(([, level]) => level > 0)
    .map(([name, level]) => ({ name, minVersionLevel: level, maxVersionLevel: level }))
}

/** A version from the future is answered in the oldest layout with the versions of ApiVersions itself. */
export function refuseApiVersions(ranges: readonly ApiRange[]): () => VersionRefusal {
  return () => {
    const apiKeys = ranges.filter((range) => range.apiKey === ApiVersionsResponse.apiKey)
    return { message: ApiVersionsResponse, version: 0, response: { errorCode: ErrorCode.UNSUPPORTED_VERSION, apiKeys } }
  }
}
