/** DescribeCluster v0 to v2 (KIP-700): brokers and controller. This node is both. */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { DescribeClusterRequest, DescribeClusterResponse } from '../../wire/messages/describe-cluster.ts'
import type { InferInput } from '../../wire/schema.ts'
import { ALL_CLUSTER_OPERATIONS, OPERATIONS_OMITTED, thisBroker } from '../advertised.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Handler } from '../handler.ts'

type Answer = InferInput<typeof DescribeClusterResponse>

const BROKERS_ENDPOINT = 1

export function describeClusterHandler(parts: BrokerParts): Handler<DescribeClusterRequest, Answer> {
  return (request) => {
    const { nodeId, host, port, rack } = thisBroker(parts)
    const known = request.endpointType === BROKERS_ENDPOINT
    return {
      throttleTimeMs: 0,
      errorCode: known ? ErrorCode.NONE : ErrorCode.MISMATCHED_ENDPOINT_TYPE,
      errorMessage: known ? null : `This listener serves brokers, not endpoint type ${request.endpointType}.`,
      endpointType: BROKERS_ENDPOINT,
      clusterId: parts.metadata.clusterId,
      controllerId: nodeId,
      brokers: known ? [{ brokerId: nodeId, host, port, rack }] : [],
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
        ? ALL_CLUSTER_OPERATIONS
        : OPERATIONS_OMITTED
    }
  }
}
