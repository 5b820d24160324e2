/**
 * Every API this broker answers, as one table: the rows of `apis/` put together. ApiVersions and docs/protocol.md derive
 * from it, so they cannot claim what is not there.
 */
import { ApiVersionsRequest, ApiVersionsResponse } from '../wire/messages/api-versions.ts'
import { type Api, api } from './api.ts'
import { clusterApis } from './apis/cluster-apis.ts'
import { configApis } from './apis/config-apis.ts'
import { groupApis } from './apis/group-apis.ts'
import { logApis } from './apis/log-apis.ts'
import { securityApis } from './apis/security-apis.ts'
import { shareApis } from './apis/share-apis.ts'
import { streamsGroupApis } from './apis/streams-group-apis.ts'
import { topicApis } from './apis/topic-apis.ts'
import { transactionApis } from './apis/transaction-apis.ts'
import type { BrokerParts } from './broker-parts.ts'
import type { Coordinators } from './coordinators.ts'
import { type ApiRange, apiVersionsHandler, refuseApiVersions } from './handlers/api-versions.ts'

/** By api key. */
export type ApiTable = ReadonlyMap<number, Api>

export function apiTable(parts: BrokerParts, coordinators: Coordinators): ApiTable {
  const ranges: ApiRange[] = []
  const apis = [
    ...logApis(parts, coordinators),
    ...topicApis(parts, coordinators),
    ...groupApis(parts, coordinators),
    ...streamsGroupApis(parts, coordinators.streamsGroups),
    ...shareApis(parts, coordinators.shares),
    ...transactionApis(parts, coordinators),
    ...configApis(parts),
    ...clusterApis(parts, coordinators),
    ...securityApis(parts),
    api(ApiVersionsRequest, ApiVersionsResponse, apiVersionsHandler(ranges, parts.features), {
      refuse: refuseApiVersions(ranges)
    })
  ]
  for (const { request, advertisedFrom } of apis) {
    ranges.push({ apiKey: request.apiKey, minVersion: advertisedFrom, maxVersion: request.maxVersion })
  }
  return new Map(apis.map((entry) => [entry.request.apiKey, entry]))
}
