import { request, response } from '../message.ts'
import { array, bool, type Infer, int16, int32, string, struct } from '../schema.ts'

/** CreatePartitions (key 37), request: raises the number of partitions of topics (KIP-195). */
export const CreatePartitionsRequest = request(
  { name: 'CreatePartitions', apiKey: 37, versions: [0, 3], flexibleFrom: 2 },
  {
    topics: array(
      struct({
        name: string,
        count: int32,
        assignments: array(struct({ brokerIds: array(int32) })).nullable()
      })
    ),
    timeoutMs: int32,
    validateOnly: bool
  }
)
export type CreatePartitionsRequest = Infer<typeof CreatePartitionsRequest>

/** CreatePartitions (key 37), response: one error per topic. */
export const CreatePartitionsResponse = response(
  { name: 'CreatePartitions', apiKey: 37, versions: [0, 3], flexibleFrom: 2 },
  {
    throttleTimeMs: int32,
    results: array(struct({ name: string, errorCode: int16, errorMessage: string.nullable().or(null) }))
  }
)
export type CreatePartitionsResponse = Infer<typeof CreatePartitionsResponse>
