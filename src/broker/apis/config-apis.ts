/** Rows of settings. */
import { AlterConfigsRequest, AlterConfigsResponse } from '../../wire/messages/alter-configs.ts'
import { DescribeConfigsRequest, DescribeConfigsResponse } from '../../wire/messages/describe-configs.ts'
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse
} from '../../wire/messages/incremental-alter-configs.ts'
import { ListConfigResourcesRequest, ListConfigResourcesResponse } from '../../wire/messages/list-config-resources.ts'
import { type Api, api } from '../api.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { ConfigAlterations } from '../config-alterations.ts'
import { alterConfigsHandler } from '../handlers/alter-configs.ts'
import { describeConfigsHandler } from '../handlers/describe-configs.ts'
import { incrementalAlterConfigsHandler } from '../handlers/incremental-alter-configs.ts'
import { listConfigResourcesHandler } from '../handlers/list-config-resources.ts'

export function configApis(parts: BrokerParts): Api[] {
  const alterations = new ConfigAlterations(parts)
  return [
    api(DescribeConfigsRequest, DescribeConfigsResponse, describeConfigsHandler(parts)),
    api(AlterConfigsRequest, AlterConfigsResponse, alterConfigsHandler(alterations)),
    api(
      IncrementalAlterConfigsRequest,
      IncrementalAlterConfigsResponse,
      incrementalAlterConfigsHandler(parts, alterations)
    ),
    api(ListConfigResourcesRequest, ListConfigResourcesResponse, listConfigResourcesHandler(parts))
  ]
}
