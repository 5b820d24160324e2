/** A status for tests. */
import type { NodeStatus } from '../node/node-status.ts'

export const exampleStatus: NodeStatus = {
  uptimeMs: 1_000,
  devicesConnected: 20,
  recordsReceived: 1_000,
  recordsAcknowledged: 990,
  deadLettered: 2,
  consumed: 980,
  consumerLag: 10,
  walBytes: 3 * 1024 * 1024,
  objectBytes: 512,
  objects: 1,
  topics: 2,
  partitions: 6,
  kafkaAddress: '127.0.0.1:9092',
  mqttAddress: '127.0.0.1:1883',
  httpAddress: '127.0.0.1:8080'
}
