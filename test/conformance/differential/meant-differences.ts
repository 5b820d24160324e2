/** Where our broker answers otherwise than Apache Kafka on purpose. Everything else that differs is a defect. */

export interface MeantDifference {
  /** Matched against `API: case`. */
  readonly where: RegExp
  /** Matched against the path in the compared answer. */
  readonly path: RegExp
  readonly reason: string
}

export const meantDifferences: readonly MeantDifference[] = [
  {
    where: /^CreateTopics: (refuses more replicas than brokers|creates the good one of two)$/,
    path: /^0\./,
    reason:
      'any replication factor is accepted: what is acknowledged is as durable as the storage, however many replicas'
  },
  {
    where: /^CreateTopics: only validates$/,
    path: /topicId$/,
    reason: 'a topic that is not created has no id; Kafka gives one that nothing ever has'
  },
  {
    where: /^Create(Topics|Partitions): refuses a thousand million/,
    path: /errorCode$/,
    reason: 'INVALID_PARTITIONS says what is wrong; Kafka answers POLICY_VIOLATION or UNKNOWN_SERVER_ERROR'
  },
  {
    where: /^Produce: refuses null records$/,
    path: /^$/,
    reason: 'INVALID_RECORD; Kafka fails inside and never answers'
  },
  {
    where: /^Produce: refuses a codec that does not exist$/,
    path: /(errorCode|logStartOffset)$/,
    reason: 'UNSUPPORTED_COMPRESSION_TYPE says what is wrong; Kafka answers UNKNOWN_SERVER_ERROR'
  },
  {
    where: /^IncrementalAlterConfigs: refuses an operation that is none$/,
    path: /errorCode$/,
    reason: 'INVALID_REQUEST says what is wrong; Kafka answers UNKNOWN_SERVER_ERROR'
  },
  {
    where: /^Produce: refuses /,
    path: /logStartOffset$/,
    reason: 'a refusal never tells the log start; Kafka does or does not, by where it noticed, and no client reads it'
  },
  {
    where: /^Fetch: reads committed within a (small limit|limit of two batches)$/,
    path: /abortedTransactions\.[01]$/,
    reason: 'only what the answer holds is told of; Kafka tells of all up to the next entry of its sparse index'
  },
  {
    where: /^(ReadShareGroupState(Summary)?: answers |DeleteShareGroupState: deletes$)/,
    path: /(startOffset|stateEpoch|leaderEpoch)$/,
    reason: 'beside an error nothing is told; Kafka tells 0 or -1, by where it noticed'
  },
  {
    where: /^ConsumerGroupHeartbeat: joins by (a|an empty) regular expression$/,
    path: /memberEpoch$/,
    reason: 'an expression is matched at once, so that the first answer has the epoch that Kafka gives a little later'
  },
  {
    where: /^ShareFetch: answers a wish for a negative number of records$/,
    path: /responses/,
    reason: 'it is answered as a wish for none; Kafka also names partitions that have nothing new'
  },
  {
    where: /^IncrementalAlterConfigs: appends to client metrics$/,
    path: /./,
    reason: 'whatever is a list can be appended to; Kafka knows only lists of topics and brokers as such'
  },
  {
    where: /^DescribeConfigs: describes (all well-known|no) settings of a topic$/,
    path: /min\.insync\.replicas\.configSource$/,
    reason: 'it is 1 and nothing else; Kafka sets it for all brokers when eligible leader replicas are enabled'
  },
  {
    where: /^DescribeConfigs: describes no settings of a topic$/,
    path: /configs\.longhaul\./,
    reason: 'settings of our own'
  },
  {
    where: /^AlterClientQuotas: refuses (a quota that is no number|an entity named twice)$/,
    path: /^step [12]\.entries\.0/,
    reason: 'INVALID_REQUEST; Kafka stores a quota that nothing can keep, or one of the two names'
  },
  {
    where: /^DescribeTopicPartitions: refuses names that no topic can have$/,
    path: /(errorCode|topicAuthorizedOperations)$/,
    reason: 'INVALID_TOPIC_EXCEPTION says what is wrong; Kafka answers UNKNOWN_SERVER_ERROR'
  },
  {
    where: /^Produce: takes a partition named twice$/,
    path: /partitionResponses\.1$/,
    reason: 'both are stored and answered; Kafka forgets the first of the two without a word'
  },
  {
    where: /^AlterShareGroupOffsets: refuses a negative offset$/,
    path: /lag$/,
    reason: 'a group has no lag from an offset that is none; Kafka subtracts it all the same'
  },
  {
    where: /^ShareFetch: refuses a way of acquiring that is none$/,
    path: /errorCode$/,
    reason: 'INVALID_REQUEST says what is wrong; Kafka answers UNKNOWN_SERVER_ERROR'
  },
  {
    where: /^ShareFetch: does not know a topic$/,
    path: /./,
    reason: 'UNKNOWN_TOPIC_ID of the one partition; Kafka fails inside and refuses the whole request'
  }
]
