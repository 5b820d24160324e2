import { request, response } from '../message.ts'
import { array, bool, type Infer, int16, int32, int64Saturated, string, struct } from '../schema.ts'

const addPartitionsToTxnTopic = struct({ name: string, partitions: array(int32) })
const addPartitionsToTxnPartitionResult = struct({ partitionIndex: int32, partitionErrorCode: int16 })
const addPartitionsToTxnTopicResult = struct({
  name: string,
  resultsByPartition: array(addPartitionsToTxnPartitionResult)
})

/** AddPartitionsToTxn (key 24), request: adds partitions to a transaction before they are written to; from v4 for brokers only, many transactions at once (KIP-890). */
export const AddPartitionsToTxnRequest = request(
  { name: 'AddPartitionsToTxn', apiKey: 24, versions: [0, 5], flexibleFrom: 3 },
  {
    transactions: array(
      struct({
        transactionalId: string.in('4+'),
        producerId: int64Saturated.in('4+'),
        producerEpoch: int16.in('4+'),
        verifyOnly: bool.in('4+').or(false),
        topics: array(addPartitionsToTxnTopic).in('4+')
      })
    ).in('4+'),
    v3AndBelowTransactionalId: string.in('0-3'),
    v3AndBelowProducerId: int64Saturated.in('0-3'),
    v3AndBelowProducerEpoch: int16.in('0-3'),
    v3AndBelowTopics: array(addPartitionsToTxnTopic).in('0-3')
  }
)
export type AddPartitionsToTxnRequest = Infer<typeof AddPartitionsToTxnRequest>

/** AddPartitionsToTxn (key 24), response: one error per partition. */
export const AddPartitionsToTxnResponse = response(
  { name: 'AddPartitionsToTxn', apiKey: 24, versions: [0, 5], flexibleFrom: 3 },
  {
    throttleTimeMs: int32,
    errorCode: int16.in('4+').ignorable(),
    resultsByTransaction: array(
      struct({ transactionalId: string.in('4+'), topicResults: array(addPartitionsToTxnTopicResult).in('4+') })
    ).in('4+'),
    resultsByTopicV3AndBelow: array(addPartitionsToTxnTopicResult).in('0-3')
  }
)
export type AddPartitionsToTxnResponse = Infer<typeof AddPartitionsToTxnResponse>
