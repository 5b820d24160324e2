import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, int64Saturated, string, struct } from '../schema.ts'

/** TxnOffsetCommit (key 28), request: commits a group's offsets as part of a transaction (KIP-98, KIP-447). */
export const TxnOffsetCommitRequest = request(
  { name: 'TxnOffsetCommit', apiKey: 28, versions: [0, 5], flexibleFrom: 3 },
  {
    transactionalId: string,
    groupId: string,
    producerId: int64Saturated,
    producerEpoch: int16,
    generationId: int32.in('3+').or(-1),
    memberId: string.in('3+').or(''),
    groupInstanceId: string.nullable('3+').in('3+').or(null),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            committedOffset: int64Saturated,
            committedLeaderEpoch: int32.in('2+').or(-1).ignorable(),
            committedMetadata: string.nullable()
          })
        )
      })
    )
  }
)
export type TxnOffsetCommitRequest = Infer<typeof TxnOffsetCommitRequest>

/** TxnOffsetCommit (key 28), response: one error per partition. */
export const TxnOffsetCommitResponse = response(
  { name: 'TxnOffsetCommit', apiKey: 28, versions: [0, 5], flexibleFrom: 3 },
  {
    throttleTimeMs: int32,
    topics: array(struct({ name: string, partitions: array(struct({ partitionIndex: int32, errorCode: int16 })) }))
  }
)
export type TxnOffsetCommitResponse = Infer<typeof TxnOffsetCommitResponse>
