import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, string, struct, uuid } from '../schema.ts'

/** DeleteTopics (key 20), request: deletes topics, by name up to v5, by name or id from v6 (KIP-516). */
export const DeleteTopicsRequest = request(
  { name: 'DeleteTopics', apiKey: 20, versions: [1, 6], flexibleFrom: 4 },
  {
    topics: array(struct({ name: string.nullable().or(null), topicId: uuid })).in('6+'),
    topicNames: array(string).in('1-5').ignorable(),
    timeoutMs: int32
  }
)
export type DeleteTopicsRequest = Infer<typeof DeleteTopicsRequest>

/** DeleteTopics (key 20), response: one error code per topic. */
export const DeleteTopicsResponse = response(
  { name: 'DeleteTopics', apiKey: 20, versions: [1, 6], flexibleFrom: 4 },
  {
    throttleTimeMs: int32.or(0),
    responses: array(
      struct({
        name: string.nullable('6+'),
        topicId: uuid.in('6+').ignorable(),
        errorCode: int16,
        errorMessage: string.nullable().in('5+').or(null).ignorable()
      })
    )
  }
)
export type DeleteTopicsResponse = Infer<typeof DeleteTopicsResponse>
