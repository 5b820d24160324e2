import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, string, struct } from '../schema.ts'

/** ListPartitionReassignments (key 46), request: asks for moves under way (KIP-455). */
export const ListPartitionReassignmentsRequest = request(
  { name: 'ListPartitionReassignments', apiKey: 46, versions: [0, 0], flexibleFrom: 0 },
  {
    timeoutMs: int32.or(60000),
    topics: array(struct({ name: string, partitionIndexes: array(int32) }))
      .nullable()
      .or(null)
  }
)
export type ListPartitionReassignmentsRequest = Infer<typeof ListPartitionReassignmentsRequest>

/** ListPartitionReassignments (key 46), response: replicas, and those that come and go, per partition. */
export const ListPartitionReassignmentsResponse = response(
  { name: 'ListPartitionReassignments', apiKey: 46, versions: [0, 0], flexibleFrom: 0 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable(),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            replicas: array(int32),
            addingReplicas: array(int32),
            removingReplicas: array(int32)
          })
        )
      })
    )
  }
)
export type ListPartitionReassignmentsResponse = Infer<typeof ListPartitionReassignmentsResponse>
