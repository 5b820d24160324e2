import { request, response } from '../message.ts'
import { array, bool, type Infer, int8, int16, int32, string, struct } from '../schema.ts'

/** UpdateFeatures (key 57), request: sets the levels of features (KIP-584). */
export const UpdateFeaturesRequest = request(
  { name: 'UpdateFeatures', apiKey: 57, versions: [0, 2], flexibleFrom: 0 },
  {
    timeoutMs: int32.or(60000),
    featureUpdates: array(
      struct({
        feature: string,
        maxVersionLevel: int16,
        allowDowngrade: bool.in('0'),
        upgradeType: int8.in('1+').or(1)
      })
    ),
    validateOnly: bool.in('1+').or(false)
  }
)
export type UpdateFeaturesRequest = Infer<typeof UpdateFeaturesRequest>

/** UpdateFeatures (key 57), response: an error or none; up to v1 one per feature. */
export const UpdateFeaturesResponse = response(
  { name: 'UpdateFeatures', apiKey: 57, versions: [0, 2], flexibleFrom: 0 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable(),
    results: array(struct({ feature: string, errorCode: int16, errorMessage: string.nullable() }))
      .in('0-1')
      .ignorable()
  }
)
export type UpdateFeaturesResponse = Infer<typeof UpdateFeaturesResponse>
