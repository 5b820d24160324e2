import { request, response } from '../message.ts'
import { array, bool, float64, type Infer, int8, int16, int32, string, struct } from '../schema.ts'

/** DescribeClientQuotas (key 48), request: asks for quotas by the entities they are for (KIP-546). */
export const DescribeClientQuotasRequest = request(
  { name: 'DescribeClientQuotas', apiKey: 48, versions: [0, 1], flexibleFrom: 1 },
  { components: array(struct({ entityType: string, matchType: int8, match: string.nullable() })), strict: bool }
)
export type DescribeClientQuotasRequest = Infer<typeof DescribeClientQuotasRequest>

/** DescribeClientQuotas (key 48), response: quotas by entity. */
export const DescribeClientQuotasResponse = response(
  { name: 'DescribeClientQuotas', apiKey: 48, versions: [0, 1], flexibleFrom: 1 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable(),
    entries: array(
      struct({
        entity: array(struct({ entityType: string, entityName: string.nullable() })),
        values: array(struct({ key: string, value: float64 }))
      })
    ).nullable()
  }
)
export type DescribeClientQuotasResponse = Infer<typeof DescribeClientQuotasResponse>
