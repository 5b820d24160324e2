/**
 * AlterConfigs v0 to v2 (KIP-133): replaces all settings of a resource; what the request does not name goes back to its
 * default. For topics, brokers, groups and client metrics subscriptions; unlike IncrementalAlterConfigs not for loggers.
 */
import type { ConfigValues } from '../../metadata/metadata.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { AlterConfigsRequest, AlterConfigsResponse } from '../../wire/messages/alter-configs.ts'
import type { InferInput } from '../../wire/schema.ts'
import { type ConfigAlterations, type ConfigChanges, invalidRequest } from '../config-alterations.ts'
import { isRepeated, requestProblem } from '../config-requests.ts'
import type { Handler } from '../handler.ts'

type Answer = InferInput<typeof AlterConfigsResponse>
type Result = Answer['responses'][number]
type Wanted = AlterConfigsRequest['resources'][number]

export function alterConfigsHandler(alterations: ConfigAlterations): Handler<AlterConfigsRequest, Answer> {
  return async (request) => {
    const responses: Result[] = []
    for (const wanted of request.resources) {
      const { resourceType, resourceName, configs } = wanted
      const problem = isRepeated(wanted, request.resources)
        ? invalidRequest('Each resource must appear at most once.')
        : (requestProblem(configs, configs) ??
          (await alterations.alter({
            resourceType,
            resourceName,
            plan: (own) => replacement(wanted, own),
            validateOnly: request.validateOnly
          })))
      responses.push({ ...(problem ?? { errorCode: ErrorCode.NONE, errorMessage: null }), resourceType, resourceName })
    }
    return { throttleTimeMs: 0, responses }
  }
}

function replacement({ configs }: Wanted, own: ConfigValues): ConfigChanges {
  const changes = new Map<string, string | undefined>(Object.keys(own).map((name) => [name, undefined]))
  for (const { name, value } of configs) changes.set(name, value ?? '')
  return changes
}
