import { request, response } from '../message.ts'
import { array, bool, type Infer, int8, int16, int32, string, struct } from '../schema.ts'

/**
 * IncrementalAlterConfigs (key 44), request: sets, deletes, appends to or subtracts from single settings
 * (KIP-339).
 */
export const IncrementalAlterConfigsRequest = request(
  { name: 'IncrementalAlterConfigs', apiKey: 44, versions: [0, 1], flexibleFrom: 1 },
  {
    resources: array(
      struct({
        resourceType: int8,
        resourceName: string,
        configs: array(struct({ name: string, configOperation: int8, value: string.nullable() }))
      })
    ),
    validateOnly: bool
  }
)
export type IncrementalAlterConfigsRequest = Infer<typeof IncrementalAlterConfigsRequest>

/** IncrementalAlterConfigs (key 44), response: one error per resource. */
export const IncrementalAlterConfigsResponse = response(
  { name: 'IncrementalAlterConfigs', apiKey: 44, versions: [0, 1], flexibleFrom: 1 },
  {
    throttleTimeMs: int32,
    responses: array(
      struct({
        errorCode: int16,
        errorMessage: string.nullable(),
        resourceType: int8,
        resourceName: string
      })
    )
  }
)
export type IncrementalAlterConfigsResponse = Infer<typeof IncrementalAlterConfigsResponse>
