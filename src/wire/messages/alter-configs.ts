import { request, response } from '../message.ts'
import { array, bool, type Infer, int8, int16, int32, string, struct } from '../schema.ts'

/** AlterConfigs (key 33), request: replaces all settings of resources (KIP-133). */
export const AlterConfigsRequest = request(
  { name: 'AlterConfigs', apiKey: 33, versions: [0, 2], flexibleFrom: 2 },
  {
    resources: array(
      struct({
        resourceType: int8,
        resourceName: string,
        configs: array(struct({ name: string, value: string.nullable() }))
      })
    ),
    validateOnly: bool
  }
)
export type AlterConfigsRequest = Infer<typeof AlterConfigsRequest>

/** AlterConfigs (key 33), response: one error per resource. */
export const AlterConfigsResponse = response(
  { name: 'AlterConfigs', apiKey: 33, versions: [0, 2], flexibleFrom: 2 },
  {
    throttleTimeMs: int32,
    responses: array(
      struct({ errorCode: int16, errorMessage: string.nullable(), resourceType: int8, resourceName: string })
    )
  }
)
export type AlterConfigsResponse = Infer<typeof AlterConfigsResponse>
