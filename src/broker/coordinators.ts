/** The coordinators that a broker runs for the internal partitions it leads, put together the same way everywhere. */
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import type { ClusterView } from './cluster-view.ts'
import { CoordinatorPlaces } from './coordinator-places.ts'
import type { GroupSettingsOf } from './group-settings.ts'
import { createConsumerGroups } from './groups/consumer/consumer-composition.ts'
import type { ConsumerGroups } from './groups/consumer/consumer-groups.ts'
import { type CoordinatorSettings, defaultCoordinatorSettings, GroupCoordinator } from './groups/group-coordinator.ts'
import { createGroupShards, type GroupShards } from './groups/group-shards.ts'
import {
  closeShareCoordinators,
  createShareCoordinators,
  type ShareCoordinators
} from './groups/share/share-composition.ts'
import { streamsGroupRules } from './groups/streams/streams-group-rules.ts'
import { StreamsGroups } from './groups/streams/streams-groups.ts'
import type { TopicDirectory } from './groups/topic-directory.ts'
import { InternalTopicLogs } from './internal-topic-logs.ts'
import { type FollowingCoordinator, followLeadership } from './leadership.ts'
import type { NodeCalls } from './nodes/node-calls.ts'
import type { ProducerIds } from './producer-ids.ts'
import type { RecordLogs } from './record-log.ts'
import { OFFSETS_TOPIC, SHARE_STATE_TOPIC, TRANSACTION_STATE_TOPIC } from './topic-names.ts'
import type { Topics } from './topics.ts'
import { LocalTransactionEnds } from './transactions/local-transaction-ends.ts'
import { RoutedTransactionEnds } from './transactions/routed-transaction-ends.ts'
import { RoutedVerification } from './transactions/routed-verification.ts'
import type { TransactionVersion } from './transactions/transaction.ts'
import { TransactionCoordinator } from './transactions/transaction-coordinator.ts'
import type { TransactionEnds, TransactionVerification } from './transactions/transaction-partitions.ts'
import { DEFAULT_TRANSACTION_SETTINGS, type TransactionSettings } from './transactions/transaction-shard.ts'

export interface Coordinators {
  /** Members of the classic protocol, and what is asked of groups of any type. */
  readonly groups: GroupCoordinator
  /** The groups themselves, of any type. */
  readonly groupShards: GroupShards
  readonly consumerGroups: ConsumerGroups
  readonly streamsGroups: StreamsGroups
  /** `__consumer_offsets` */
  readonly offsetsLogs: RecordLogs
  readonly transactions: TransactionCoordinator
  /** Ends transactions in the partitions led here. */
  readonly transactionEnds: TransactionEnds
  /** Confirms to the leader of a partition that it is part of a transaction, whichever broker knows. */
  readonly transactionVerification: TransactionVerification
  readonly shares: ShareCoordinators
  /** Which broker coordinates what, by the type that FindCoordinator asks for. */
  readonly places: Readonly<Record<'group' | 'transaction' | 'share', CoordinatorPlaces>>
  /** Ends it that coordinators come and go with the partitions that this broker leads. */
  readonly stopFollowing: () => void
}

/** Kafka's default of `share.coordinator.state.topic.num.partitions`. */
const SHARE_STATE_PARTITIONS = 50
/** Kafka's default of `transaction.state.log.num.partitions`. */
const TRANSACTION_STATE_PARTITIONS = 50
/** Kafka's default of `group.streams.max.size`. */
const STREAMS_MEMBERS_MAX = 2 ** 31 - 1

export interface CoordinatorsOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly topics: Topics
  readonly cluster: ClusterView
  /** The other brokers. */
  readonly nodes: NodeCalls
  /** See `Metadata.subscribe`. */
  readonly subscribe: (listener: () => void) => () => void
  /** Of `__consumer_offsets`, when the first group comes (Kafka's `offsets.topic.num.partitions`). */
  readonly offsetsPartitions: number
  /** Of `__share_group_state`, when the first share group comes. */
  readonly shareStatePartitions?: number
  readonly groupSettings?: Partial<CoordinatorSettings>
  /** Settings of single groups of the newer protocols. */
  readonly groupSettingsOf: GroupSettingsOf
  /** Of `__transaction_state`, when the first transactional producer comes. */
  readonly transactionPartitions?: number
  readonly transactionSettings?: Partial<TransactionSettings>
  readonly producerIds: ProducerIds
  /** The level of the feature `transaction.version`, as far as it makes a difference. */
  readonly transactionVersion: () => TransactionVersion
  /** In place of the transaction coordinator, for tests. */
  readonly transactionVerification?: TransactionVerification
}

export function createCoordinators(options: CoordinatorsOptions): Coordinators {
  const { clock, log, topics, cluster, nodes } = options
  const transactionLogs = createTransactionLogs(options)
  const transaction = new CoordinatorPlaces({ topic: TRANSACTION_STATE_TOPIC, logs: transactionLogs, cluster })
  const { nodeId } = cluster
  const local: TransactionVerification = { verify: (request) => transactions.verify(request) }
  const transactionVerification =
    options.transactionVerification ?? new RoutedVerification({ nodeId, local, places: transaction, nodes })
  const ofGroups = createGroups(options, transactionVerification)
  const { groups, groupShards, offsetsLogs, shares } = ofGroups
  const transactionEnds = new LocalTransactionEnds({ clock, topics, offsets: groups })
  const ends = new RoutedTransactionEnds({ local: transactionEnds, cluster, nodes })
  const transactions: TransactionCoordinator = createTransactions(options, transactionLogs, ends)
  const group = new CoordinatorPlaces({ topic: OFFSETS_TOPIC, logs: offsetsLogs, cluster })
  const places = { group, transaction, share: shares.places }
  const stopFollowing = followLeadership({
    log,
    topics,
    subscribe: options.subscribe,
    coordinators: new Map<string, FollowingCoordinator>([
      [OFFSETS_TOPIC, groupShards],
      [TRANSACTION_STATE_TOPIC, transactions],
      [SHARE_STATE_TOPIC, shares.states]
    ]),
    onClosed: (partition) => shares.shares.partitions.partitionClosed(partition),
    // Where nothing was ever committed there is nothing to forget, nor a reason to make the topic for it.
    onDeleted: async (topic) => {
      if (topics.get(OFFSETS_TOPIC) !== undefined) await groups.forgetTopic(topic)
    }
  })
  return { ...ofGroups, transactions, transactionEnds, transactionVerification, places, stopFollowing }
}

function createTransactionLogs({ topics, clock, transactionPartitions }: CoordinatorsOptions): InternalTopicLogs {
  const partitions = transactionPartitions ?? TRANSACTION_STATE_PARTITIONS
  return new InternalTopicLogs({ topic: TRANSACTION_STATE_TOPIC, partitions, topics, clock })
}

function createGroups(options: CoordinatorsOptions, verification: TransactionVerification) {
  const { clock, random, log, topics, cluster, nodes, groupSettingsOf: settingsOf } = options
  const settings = { ...defaultCoordinatorSettings, ...options.groupSettings }
  const directory = topicDirectory(topics)
  const streams = { settings: settingsOf, topics: directory, membersMax: STREAMS_MEMBERS_MAX }
  const streamsRules = streamsGroupRules(streams)
  const route = (groupId: string) => groupShards.route(groupId)
  const { shareStatePartitions: statePartitions = SHARE_STATE_PARTITIONS } = options
  const onShares = { clock, log, topics, cluster, nodes, directory, groupSettings: settingsOf, statePartitions, route }
  const { coordinators: shares, rules: shareRules } = createShareCoordinators(onShares)
  const consumers = createConsumerGroups({ clock, random, topics: directory, settings, settingsOf })
  const offsetsPartitions = { topic: OFFSETS_TOPIC, partitions: options.offsetsPartitions, topics, clock }
  const offsetsLogs = new InternalTopicLogs(offsetsPartitions)
  const groupShards: GroupShards = createGroupShards({
    clock,
    log,
    logs: offsetsLogs,
    rules: [consumers.rules, streamsRules, shareRules],
    settings,
    loadGraceMs: settings.loadGraceMs
  })
  const groups = new GroupCoordinator({
    clock,
    random,
    shards: groupShards,
    topics: directory,
    settings,
    verification,
    classicRequests: consumers.classicRequests,
    cleanups: { share: (groupId: string) => shares.groups.cleanUp(groupId) }
  })
  const streamsGroups = new StreamsGroups({ route, rules: streamsRules, environment: streams })
  return { groups, groupShards, consumerGroups: consumers.groups(groupShards), streamsGroups, shares, offsetsLogs }
}

function createTransactions(
  options: CoordinatorsOptions,
  logs: RecordLogs,
  ends: TransactionEnds
): TransactionCoordinator {
  const { clock, log, producerIds } = options
  return new TransactionCoordinator({
    clock,
    log,
    ends,
    logs,
    settings: { ...DEFAULT_TRANSACTION_SETTINGS, ...options.transactionSettings },
    nextProducerId: () => producerIds.next(),
    version: options.transactionVersion,
    loadGraceMs: options.groupSettings?.loadGraceMs ?? defaultCoordinatorSettings.loadGraceMs
  })
}

/** What was left open ends, whoever comes or not. Once the topics are open. */
export async function resumeTransactions({ transactions }: Coordinators, topics: Topics): Promise<void> {
  if (topics.get(TRANSACTION_STATE_TOPIC) !== undefined) await transactions.loadAll()
}

function topicDirectory(topics: Topics): TopicDirectory {
  return {
    topicExists: (topic, partition) => topics.get(topic)?.partitions[partition] !== undefined,
    topicName: (id) => topics.byId(id)?.name,
    topicId: (topic) => topics.get(topic)?.id,
    partitionCount: (topic) => topics.get(topic)?.partitions.length,
    names: () => topics.names(),
    revision: () => topics.revision
  }
}

/** Nobody is answered by them any more; what they were storing may still become durable. */
export function closeCoordinators({ groupShards, shares, transactions, stopFollowing }: Coordinators): void {
  stopFollowing()
  transactions.close()
  closeShareCoordinators(shares)
  groupShards.close()
}
