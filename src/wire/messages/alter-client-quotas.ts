import { request, response } from '../message.ts'
import { array, bool, float64, type Infer, int16, int32, string, struct } from '../schema.ts'

/** AlterClientQuotas (key 49), request: sets and removes quotas of entities (KIP-546). */
export const AlterClientQuotasRequest = request(
  { name: 'AlterClientQuotas', apiKey: 49, versions: [0, 1], flexibleFrom: 1 },
  {
    entries: array(
      struct({
        entity: array(struct({ entityType: string, entityName: string.nullable() })),
        ops: array(struct({ key: string, value: float64, remove: bool }))
      })
    ),
    validateOnly: bool
  }
)
export type AlterClientQuotasRequest = Infer<typeof AlterClientQuotasRequest>

/** AlterClientQuotas (key 49), response: one error per entity. */
export const AlterClientQuotasResponse = response(
  { name: 'AlterClientQuotas', apiKey: 49, versions: [0, 1], flexibleFrom: 1 },
  {
    throttleTimeMs: int32,
    entries: array(
      struct({
        errorCode: int16,
        errorMessage: string.nullable(),
        entity: array(struct({ entityType: string, entityName: string.nullable() }))
      })
    )
  }
)
export type AlterClientQuotasResponse = Infer<typeof AlterClientQuotasResponse>
