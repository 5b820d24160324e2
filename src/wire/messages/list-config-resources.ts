import { request, response } from '../message.ts'
import { array, type Infer, int8, int16, int32, string, struct } from '../schema.ts'

/** ListConfigResources (key 74), request: asks which resources have settings (KIP-714, KIP-1142). */
export const ListConfigResourcesRequest = request(
  { name: 'ListConfigResources', apiKey: 74, versions: [0, 1], flexibleFrom: 0 },
  { resourceTypes: array(int8).in('1+') }
)
export type ListConfigResourcesRequest = Infer<typeof ListConfigResourcesRequest>

/** ListConfigResources (key 74), response: their types and names. */
export const ListConfigResourcesResponse = response(
  { name: 'ListConfigResources', apiKey: 74, versions: [0, 1], flexibleFrom: 0 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    configResources: array(struct({ resourceName: string, resourceType: int8.in('1+').or(16).ignorable() }))
  }
)
export type ListConfigResourcesResponse = Infer<typeof ListConfigResourcesResponse>
