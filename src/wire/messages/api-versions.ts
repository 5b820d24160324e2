import { request, response } from '../message.ts'
import { array, bool, type Infer, int16, int32, int64, string, struct } from '../schema.ts'

/**
 * ApiVersions (key 18), request: the first thing a client sends: asks for the versions the broker speaks (KIP-35,
 * KIP-511).
 */
export const ApiVersionsRequest = request(
  { name: 'ApiVersions', apiKey: 18, versions: [0, 4], flexibleFrom: 3 },
  {
    clientSoftwareName: string.in('3+').ignorable(),
    clientSoftwareVersion: string.in('3+').ignorable()
  }
)
export type ApiVersionsRequest = Infer<typeof ApiVersionsRequest>

/** ApiVersions (key 18), response: the versions of each API, and features (KIP-584). Its header is never flexible. */
export const ApiVersionsResponse = response(
  { name: 'ApiVersions', apiKey: 18, versions: [0, 4], flexibleFrom: 3 },
  {
    errorCode: int16,
    apiKeys: array(struct({ apiKey: int16, minVersion: int16, maxVersion: int16 })),
    throttleTimeMs: int32.in('1+').ignorable(),
    supportedFeatures: array(struct({ name: string, minVersion: int16, maxVersion: int16 }))
      .tag(0, '3+')
      .ignorable(),
    finalizedFeaturesEpoch: int64.tag(1, '3+').or(-1).ignorable(),
    finalizedFeatures: array(struct({ name: string, maxVersionLevel: int16, minVersionLevel: int16 }))
      .tag(2, '3+')
      .ignorable(),
    zkMigrationReady: bool.tag(3, '3+').ignorable()
  }
)
export type ApiVersionsResponse = Infer<typeof ApiVersionsResponse>
