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
    where: /^Produce: refuses timestamps beyond the limit$/,
    path: /(errorCode|baseOffset|recordErrors\.0)$/,
    reason: 'message.timestamp.before.max.ms and .after.max.ms are not among the settings yet'
  },
  {
    where: /^FindCoordinator: answers for key type 1$/,
    path: /./,
    reason: 'there are no transactions yet, so nobody coordinates them'
  }
]
