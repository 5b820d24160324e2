/** What a running node shows of itself in the terminal: counters since its start, and sizes at this moment. */
export interface NodeStatus {
  readonly uptimeMs: number
  /** Devices connected to this node's gateway now. */
  readonly devicesConnected: number
  /** Records that devices sent, accepted or not. */
  readonly recordsReceived: number
  /** Records whose devices were told that they are stored. */
  readonly recordsAcknowledged: number
  /** Records that went to a dead-letter topic. */
  readonly deadLettered: number
  /** Records that the built-in consumer has read. */
  readonly consumed: number
  /** Records that are stored and that the built-in consumer has not read yet. */
  readonly consumerLag: number
  /** Bytes in use. */
  readonly walBytes: number
  readonly objectBytes: number
  readonly objects: number
  readonly topics: number
  readonly partitions: number
  /** `host:port` as a client on this machine would use it. */
  readonly kafkaAddress: string
  readonly mqttAddress: string
  readonly httpAddress: string
}
