/** Where the gateway puts records. One implementation speaks to Kafka; tests use others. */

export interface SinkRecord {
  readonly topic: string
  readonly key: Buffer
  readonly value: Buffer
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number
}

export interface RecordSink {
  /**
   * Resolves once the broker has acknowledged the record. Records of one key and topic keep the order of the calls;
   * when one fails, those of its partition that were waiting behind it fail too, so that a sender who repeats all of
   * them in order keeps its order.
   * Rejects with Fault `unavailable` (try again later), `invalid` (this record can never be stored) or `closed`.
   */
  produce(record: SinkRecord): Promise<void>
  /** Waits for what was given to it, up to its delivery timeout, then closes. */
  close(): Promise<void>
}
