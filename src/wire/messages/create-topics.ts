import { request, response } from '../message.ts'
import { array, bool, type Infer, int8, int16, int32, string, struct, uuid } from '../schema.ts'

/** CreateTopics (key 19), request: creates topics with counts or with replicas given by hand. */
export const CreateTopicsRequest = request(
  { name: 'CreateTopics', apiKey: 19, versions: [2, 7], flexibleFrom: 5 },
  {
    topics: array(
      struct({
        name: string,
        numPartitions: int32,
        replicationFactor: int16,
        assignments: array(struct({ partitionIndex: int32, brokerIds: array(int32) })),
        configs: array(struct({ name: string, value: string.nullable() }))
      })
    ),
    timeoutMs: int32.or(60000),
    validateOnly: bool.or(false)
  }
)
export type CreateTopicsRequest = Infer<typeof CreateTopicsRequest>

/**
 * CreateTopics (key 19), response: one error per topic, with the configuration from v5 (KIP-525) and the id from
 * v7 (KIP-516).
 */
export const CreateTopicsResponse = response(
  { name: 'CreateTopics', apiKey: 19, versions: [2, 7], flexibleFrom: 5 },
  {
    throttleTimeMs: int32.or(0),
    topics: array(
      struct({
        name: string,
        topicId: uuid.in('7+').ignorable(),
        errorCode: int16,
        errorMessage: string.nullable().or(''),
        topicConfigErrorCode: int16.tag(0, '5+').ignorable(),
        numPartitions: int32.in('5+').or(-1).ignorable(),
        replicationFactor: int16.in('5+').or(-1).ignorable(),
        configs: array(
          struct({
            name: string,
            value: string.nullable(),
            readOnly: bool,
            configSource: int8.or(-1),
            isSensitive: bool
          })
        )
          .nullable()
          .in('5+')
          .ignorable()
      })
    )
  }
)
export type CreateTopicsResponse = Infer<typeof CreateTopicsResponse>
