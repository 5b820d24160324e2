/** What handlers are made of. Built once, in `broker.ts`; nothing in it is replaced afterwards. */
import type { Metadata } from '../metadata/metadata.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import type { AppendDelays } from './append-delays.ts'
import type { ClusterView } from './cluster-view.ts'
import type { Features } from './features.ts'
import type { FetchSessions } from './fetch-sessions.ts'
import type { PartitionMoves } from './partition-moves.ts'
import type { ProducerIds } from './producer-ids.ts'
import type { ClientQuotas } from './quotas/client-quotas.ts'
import type { NodeSecurity } from './security/node-security.ts'
import type { LiveSettings } from './settings/live-settings.ts'
import type { LogLevel } from './settings/logger-levels.ts'
import type { ClientTelemetry } from './telemetry/client-telemetry.ts'
import type { TopicDefaults } from './topic-settings.ts'
import type { Topics } from './topics.ts'
import type { UnsentBytes } from './unsent-bytes.ts'

export interface BrokerSettings {
  readonly nodeId: number
  readonly rack: string | null
  /** The host that clients are told to connect to. */
  readonly advertisedHost: string
  /** How the log directory is called towards admin tools: the object store's URL. */
  readonly logDir: string
  /** Names of the object stores that topics may be kept in. */
  readonly objectStoreProfiles: readonly string[]
  readonly autoCreateTopics: boolean
  /** Partitions of a topic whose creator does not say (Kafka's `num.partitions`). */
  readonly defaultPartitions: number
  readonly topicDefaults: TopicDefaults
  /** What else the node was started with, by Kafka's names, for those who ask. */
  readonly startedWith?: Readonly<Record<string, string>>
}

export interface BrokerParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metadata: Metadata
  readonly settings: BrokerSettings
  /** Settings that may change at any time. */
  readonly live: LiveSettings
  /** Of the node's log; undefined where it cannot be changed. */
  readonly logLevel?: LogLevel
  readonly cluster: ClusterView
  readonly appendDelays: AppendDelays
  readonly topics: Topics
  readonly sessions: FetchSessions
  readonly unsent: UnsentBytes
  readonly producerIds: ProducerIds
  readonly features: Features
  readonly quotas: ClientQuotas
  readonly telemetry: ClientTelemetry
  readonly moves: PartitionMoves
  /** Undefined: this broker has no others to talk to, and authenticates nobody. */
  readonly security?: NodeSecurity
  /** Bytes that the storage engine holds, for DescribeLogDirs. */
  readonly storedBytes: (streamId: number) => number
}
