/** Rows of the cluster. */

import { DescribeClusterRequest, DescribeClusterResponse } from '../../wire/messages/describe-cluster.ts'
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../../wire/messages/find-coordinator.ts'
import { type Api, api } from '../api.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { describeClusterHandler } from '../handlers/describe-cluster.ts'
import { findCoordinatorHandler } from '../handlers/find-coordinator.ts'

export function clusterApis(parts: BrokerParts): Api[] {
  return [
    api(FindCoordinatorRequest, FindCoordinatorResponse, findCoordinatorHandler(parts)),
    api(DescribeClusterRequest, DescribeClusterResponse, describeClusterHandler(parts))
  ]
}
