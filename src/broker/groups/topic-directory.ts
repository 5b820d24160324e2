/** What the coordinator of groups must know of topics. Ids are 22 characters of base64url, as Kafka prints them. */
export interface TopicDirectory {
  topicExists(topic: string, partition: number): boolean
  topicName(id: string): string | undefined
  topicId(topic: string): string | undefined
  partitionCount(topic: string): number | undefined
  /** Every topic there is, in no order. */
  names(): Iterable<string>
  /** Changes whenever a topic appears, grows or goes: what was concluded from the directory before may be wrong then. */
  revision(): number
}
