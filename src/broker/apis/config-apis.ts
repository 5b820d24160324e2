/** Rows of settings. */
import { DescribeConfigsRequest, DescribeConfigsResponse } from '../../wire/messages/describe-configs.ts'
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse
} from '../../wire/messages/incremental-alter-configs.ts'
import { type Api, api } from '../api.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { describeConfigsHandler } from '../handlers/describe-configs.ts'
import { incrementalAlterConfigsHandler } from '../handlers/incremental-alter-configs.ts'

export function configApis(parts: BrokerParts): Api[] {
  return [
    api(DescribeConfigsRequest, DescribeConfigsResponse, describeConfigsHandler(parts)),
    api(IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, incrementalAlterConfigsHandler(parts))
  ]
}
