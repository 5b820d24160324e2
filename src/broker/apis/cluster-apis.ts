/** Rows of the cluster: its nodes, features, quotas, and what clients tell of themselves. */

import { AlterClientQuotasRequest, AlterClientQuotasResponse } from '../../wire/messages/alter-client-quotas.ts'
import {
  DescribeClientQuotasRequest,
  DescribeClientQuotasResponse
} from '../../wire/messages/describe-client-quotas.ts'
import { DescribeClusterRequest, DescribeClusterResponse } from '../../wire/messages/describe-cluster.ts'
import { DescribeQuorumRequest, DescribeQuorumResponse } from '../../wire/messages/describe-quorum.ts'
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../../wire/messages/find-coordinator.ts'
import {
  GetTelemetrySubscriptionsRequest,
  GetTelemetrySubscriptionsResponse
} from '../../wire/messages/get-telemetry-subscriptions.ts'
import { PushTelemetryRequest, PushTelemetryResponse } from '../../wire/messages/push-telemetry.ts'
import { UnregisterBrokerRequest, UnregisterBrokerResponse } from '../../wire/messages/unregister-broker.ts'
import { UpdateFeaturesRequest, UpdateFeaturesResponse } from '../../wire/messages/update-features.ts'
import { type Api, api } from '../api.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Coordinators } from '../coordinators.ts'
import { alterClientQuotasHandler } from '../handlers/alter-client-quotas.ts'
import { describeClientQuotasHandler } from '../handlers/describe-client-quotas.ts'
import { describeClusterHandler } from '../handlers/describe-cluster.ts'
import { describeQuorumHandler } from '../handlers/describe-quorum.ts'
import { findCoordinatorHandler } from '../handlers/find-coordinator.ts'
import { getTelemetrySubscriptionsHandler } from '../handlers/get-telemetry-subscriptions.ts'
import { pushTelemetryHandler } from '../handlers/push-telemetry.ts'
import { unregisterBrokerHandler } from '../handlers/unregister-broker.ts'
import { updateFeaturesHandler } from '../handlers/update-features.ts'

export function clusterApis(parts: BrokerParts, { places }: Coordinators): Api[] {
  return [
    api(FindCoordinatorRequest, FindCoordinatorResponse, findCoordinatorHandler(places, parts.log, parts.security)),
    api(DescribeClusterRequest, DescribeClusterResponse, describeClusterHandler(parts)),
    api(DescribeQuorumRequest, DescribeQuorumResponse, describeQuorumHandler(parts)),
    api(UnregisterBrokerRequest, UnregisterBrokerResponse, unregisterBrokerHandler(parts)),
    api(UpdateFeaturesRequest, UpdateFeaturesResponse, updateFeaturesHandler(parts)),
    api(DescribeClientQuotasRequest, DescribeClientQuotasResponse, describeClientQuotasHandler(parts)),
    api(AlterClientQuotasRequest, AlterClientQuotasResponse, alterClientQuotasHandler(parts)),
    api(GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse, getTelemetrySubscriptionsHandler(parts)),
    api(PushTelemetryRequest, PushTelemetryResponse, pushTelemetryHandler(parts))
  ]
}
