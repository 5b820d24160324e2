/**
 * DescribeCluster v0 to v2 (KIP-700, KIP-919, KIP-1073): the brokers of the cluster, with those that are fenced if asked
 * for. Any broker carries out what a controller is asked for, so each names itself as it.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { DescribeClusterRequest, DescribeClusterResponse } from '../../wire/messages/describe-cluster.ts'
import type { InferInput } from '../../wire/schema.ts'
import { ALL_CLUSTER_OPERATIONS, OPERATIONS_OMITTED } from '../advertised.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Handler } from '../handler.ts'

type Answer = InferInput<typeof DescribeClusterResponse>

const ENDPOINT = { brokers: 1, controllers: 2 } as const

export function describeClusterHandler(parts: BrokerParts): Handler<DescribeClusterRequest, Answer> {
  return ({ endpointType, includeClusterAuthorizedOperations, includeFencedBrokers }) => {
    if (endpointType !== ENDPOINT.brokers) return refuse(endpointType)
    const { cluster } = parts
    const serving = cluster.brokers().map(({ nodeId, ...place }) => ({ brokerId: nodeId, ...place, isFenced: false }))
    const fenced = includeFencedBrokers ? cluster.fenced() : []
    return {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      errorMessage: null,
      endpointType: ENDPOINT.brokers,
      clusterId: parts.metadata.clusterId,
      controllerId: cluster.nodeId,
      brokers: [...serving, ...fenced.map(({ nodeId, ...place }) => ({ brokerId: nodeId, ...place, isFenced: true }))],
      clusterAuthorizedOperations: includeClusterAuthorizedOperations ? ALL_CLUSTER_OPERATIONS : OPERATIONS_OMITTED
    }
  }
}

/** Only v1 and later can ask for anything else. */
function refuse(endpointType: number): Answer {
  const mismatched = endpointType === ENDPOINT.controllers
  return {
    throttleTimeMs: 0,
    errorCode: mismatched ? ErrorCode.MISMATCHED_ENDPOINT_TYPE : ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
    errorMessage: mismatched
      ? 'This listener serves brokers: ask a listener of controllers.'
      : `Endpoint type ${endpointType} is not known.`,
    clusterId: '',
    brokers: []
  }
}
