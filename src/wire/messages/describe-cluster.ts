import { request, response } from '../message.ts'
import { array, bool, type Infer, int8, int16, int32, string, struct } from '../schema.ts'

/**
 * DescribeCluster (key 60), request: asks for brokers or controllers (KIP-700, KIP-919), and fenced ones from v2
 * (KIP-1073).
 */
export const DescribeClusterRequest = request(
  { name: 'DescribeCluster', apiKey: 60, versions: [0, 2], flexibleFrom: 0 },
  {
    includeClusterAuthorizedOperations: bool,
    endpointType: int8.in('1+').or(1),
    includeFencedBrokers: bool.in('2+')
  }
)
export type DescribeClusterRequest = Infer<typeof DescribeClusterRequest>

/** DescribeCluster (key 60), response: the cluster id, the controller and the nodes. */
export const DescribeClusterResponse = response(
  { name: 'DescribeCluster', apiKey: 60, versions: [0, 2], flexibleFrom: 0 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable().or(null),
    endpointType: int8.in('1+').or(1),
    clusterId: string,
    controllerId: int32.or(-1),
    brokers: array(
      struct({
        brokerId: int32,
        host: string,
        port: int32,
        rack: string.nullable().or(null),
        isFenced: bool.in('2+')
      })
    ),
    clusterAuthorizedOperations: int32.or(-0x8000_0000)
  }
)
export type DescribeClusterResponse = Infer<typeof DescribeClusterResponse>
