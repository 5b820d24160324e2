import { request, response } from '../message.ts'
import { array, bool, type Infer, int16, int32, string, struct } from '../schema.ts'

/** AlterPartitionReassignments (key 45), request: moves partitions to brokers, or cancels such moves (KIP-455). */
export const AlterPartitionReassignmentsRequest = request(
  { name: 'AlterPartitionReassignments', apiKey: 45, versions: [0, 1], flexibleFrom: 0 },
  {
    timeoutMs: int32.or(60000),
    allowReplicationFactorChange: bool.in('1+').or(true),
    topics: array(
      struct({
        name: string,
        partitions: array(struct({ partitionIndex: int32, replicas: array(int32).nullable().or(null) }))
      })
    )
  }
)
export type AlterPartitionReassignmentsRequest = Infer<typeof AlterPartitionReassignmentsRequest>

/** AlterPartitionReassignments (key 45), response: one error per partition. */
export const AlterPartitionReassignmentsResponse = response(
  { name: 'AlterPartitionReassignments', apiKey: 45, versions: [0, 1], flexibleFrom: 0 },
  {
    throttleTimeMs: int32,
    allowReplicationFactorChange: bool.in('1+').or(true).ignorable(),
    errorCode: int16,
    errorMessage: string.nullable(),
    responses: array(
      struct({
        name: string,
        partitions: array(struct({ partitionIndex: int32, errorCode: int16, errorMessage: string.nullable() }))
      })
    )
  }
)
export type AlterPartitionReassignmentsResponse = Infer<typeof AlterPartitionReassignmentsResponse>
