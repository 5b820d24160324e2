import { request, response } from '../message.ts'
import { array, int16, int32, int64, records, string, struct } from '../schema.ts'

/**
 * Produce v0 to v2, request: message sets from before record batches. No longer served, but still advertised, because
 * librdkafka turns compression off otherwise; whoever really sends one gets a proper refusal (KIP-896).
 */
export const LegacyProduceRequest = request(
  { name: 'Produce', apiKey: 0, versions: [0, 2] },
  {
    acks: int16,
    timeoutMs: int32,
    topicData: array(struct({ name: string, partitionData: array(struct({ index: int32, records })) }))
  }
)

/** Produce v0 to v2, response. */
export const LegacyProduceResponse = response(
  { name: 'Produce', apiKey: 0, versions: [0, 2] },
  {
    responses: array(
      struct({
        name: string,
        partitionResponses: array(
          struct({
            index: int32,
            errorCode: int16,
            baseOffset: int64,
            logAppendTimeMs: int64.in('2+').or(-1).ignorable()
          })
        )
      })
    ),
    throttleTimeMs: int32.in('1+').ignorable()
  }
)
