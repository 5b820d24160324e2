import { request, response } from '../message.ts'
import { array, type Infer, int8, int16, int32, string, struct } from '../schema.ts'

/** ElectLeaders (key 43), request: elects leaders, the preferred or any (KIP-183, KIP-460). */
export const ElectLeadersRequest = request(
  { name: 'ElectLeaders', apiKey: 43, versions: [0, 2], flexibleFrom: 2 },
  {
    electionType: int8.in('1+'),
    topicPartitions: array(struct({ topic: string, partitions: array(int32) })).nullable(),
    timeoutMs: int32.or(60000)
  }
)
export type ElectLeadersRequest = Infer<typeof ElectLeadersRequest>

/** ElectLeaders (key 43), response: one error per partition. */
export const ElectLeadersResponse = response(
  { name: 'ElectLeaders', apiKey: 43, versions: [0, 2], flexibleFrom: 2 },
  {
    throttleTimeMs: int32,
    errorCode: int16.in('1+'),
    replicaElectionResults: array(
      struct({
        topic: string,
        partitionResult: array(struct({ partitionId: int32, errorCode: int16, errorMessage: string.nullable() }))
      })
    )
  }
)
export type ElectLeadersResponse = Infer<typeof ElectLeadersResponse>
