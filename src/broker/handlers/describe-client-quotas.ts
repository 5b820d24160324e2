/** DescribeClientQuotas v0 and v1 (KIP-546): the quotas whose entity the filter asks for. An empty filter asks for all. */
import { ErrorCode } from '../../wire/error-codes.ts'
import type {
  DescribeClientQuotasRequest,
  DescribeClientQuotasResponse
} from '../../wire/messages/describe-client-quotas.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Handler } from '../handler.ts'
import { filterProblem, matchesFilter } from '../quotas/quota-changes.ts'

type Answer = InferInput<typeof DescribeClientQuotasResponse>

export function describeClientQuotasHandler({ metadata }: BrokerParts): Handler<DescribeClientQuotasRequest, Answer> {
  return ({ components, strict }) => {
    const problem = filterProblem(components)
    if (problem !== undefined) return { throttleTimeMs: 0, ...problem, entries: null }
    const entries = [...metadata.image.clientQuotas().values()]
      .filter((quota) => matchesFilter(quota, components, strict))
      .map(({ entity, values }) => ({
        entity: Object.entries(entity).map(([entityType, entityName]) => ({ entityType, entityName })),
        values: Object.entries(values).map(([key, value]) => ({ key, value }))
      }))
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, errorMessage: null, entries }
  }
}
