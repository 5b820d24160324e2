/** The brokers that the suite runs against: Apache Kafka, which must pass everything, or ours. */
import { brokerUnderTest } from '../broker-under-test.ts'
import { startKafka } from '../kafka/kafka.ts'
import type { JavaSetUp } from './java-set-up.ts'

export const PEERS = ['kafka', 'longhaul'] as const
export type PeerName = (typeof PEERS)[number]

export interface Peer {
  readonly name: PeerName
  /** host:port */
  readonly bootstrap: string
  stop(): Promise<void>
}

export async function startPeer(name: PeerName, { newest }: JavaSetUp): Promise<Peer> {
  if (name === 'kafka') return { name, ...(await startKafka({ 'metric.reporters': 'TelemetryReceiver' }, newest)) }
  const broker = await brokerUnderTest()
  return { name, bootstrap: broker.bootstrap, stop: () => broker.stop() }
}
