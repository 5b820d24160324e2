/** Everything that share groups need on a broker, put together: their groups, their states, and who gives them records. */
import type { Clock } from '../../../runtime/clock.ts'
import type { Log } from '../../../runtime/log.ts'
import type { ClusterView } from '../../cluster-view.ts'
import { CoordinatorPlaces } from '../../coordinator-places.ts'
import type { GroupSettingsOf } from '../../group-settings.ts'
import { InternalTopicLogs } from '../../internal-topic-logs.ts'
import type { NodeCalls } from '../../nodes/node-calls.ts'
import { PartitionEnds } from '../../partition-ends.ts'
import { RoutedShareStates } from '../../shares/routed-share-states.ts'
import { DEFAULT_SHARE_STATE_SETTINGS, ShareCoordinator } from '../../shares/share-coordinator.ts'
import { Shares } from '../../shares/shares.ts'
import { SHARE_STATE_TOPIC } from '../../topic-names.ts'
import type { Topics } from '../../topics.ts'
import type { Route } from '../group-shard.ts'
import type { GroupRules } from '../hosted-group.ts'
import type { TopicDirectory } from '../topic-directory.ts'
import { shareGroupRules, watchedRules } from './share-group-rules.ts'
import type { ShareGroup } from './share-group-state.ts'
import { ShareGroups } from './share-groups.ts'
import type { ShareOffsetsParts } from './share-offsets.ts'

/** Kafka's default of `group.share.max.size`. */
const MEMBERS_MAX = 200

export interface ShareCoordinators {
  readonly groupSettings: GroupSettingsOf
  /** Give records to members, of the partitions that this broker leads. */
  readonly shares: Shares
  /** Keep the states of share partitions. */
  readonly states: ShareCoordinator
  /** The same wherever they are kept. */
  readonly routedStates: RoutedShareStates
  /** Which broker keeps which. */
  readonly places: CoordinatorPlaces
  readonly groups: ShareGroups
  readonly offsets: ShareOffsetsParts
}

export interface ShareOptions {
  readonly clock: Clock
  readonly log: Log
  readonly topics: Topics
  readonly cluster: ClusterView
  readonly nodes: NodeCalls
  readonly directory: TopicDirectory
  readonly groupSettings: GroupSettingsOf
  /** Of `__share_group_state`, when the first share group comes (Kafka's `share.coordinator.state.topic.num.partitions`). */
  readonly statePartitions: number
  /** Where a group is; asked only once somebody asks for one. */
  readonly route: (groupId: string) => Promise<Route>
}

/** `rules` are what the shards must know. */
export function createShareCoordinators(options: ShareOptions): {
  readonly coordinators: ShareCoordinators
  readonly rules: GroupRules<ShareGroup>
} {
  const { clock, log, topics, cluster, nodes, directory, groupSettings, route } = options
  const logs = new InternalTopicLogs({
    topic: SHARE_STATE_TOPIC,
    partitions: options.statePartitions,
    // Updates build on one another: compaction by key would lose all but the last. Old ones are pruned instead.
    configs: { 'cleanup.policy': 'delete' },
    topics,
    clock
  })
  const partitionCount = (topicId: string) => topics.byId(topicId)?.partitions.length
  const states = new ShareCoordinator({ clock, log, settings: DEFAULT_SHARE_STATE_SETTINGS, logs, partitionCount })
  const places = new CoordinatorPlaces({ topic: SHARE_STATE_TOPIC, logs, cluster })
  const { nodeId } = cluster
  const store = new RoutedShareStates({ clock, nodeId, local: states, places, nodes, partitionCount })
  const shares = new Shares({ clock, log, topics, store, groupSettings })
  const environment = { settings: groupSettings, topics: directory, membersMax: MEMBERS_MAX }
  const rules = watchedRules(shareGroupRules(environment), (groupId, memberIds, empty) => {
    for (const memberId of memberIds) void shares.endSession(groupId, memberId)
    if (empty) shares.groupEmptied(groupId)
  })
  const groups = new ShareGroups({ route, rules, environment, store, members: shares })
  const offsets = { groups, store, topics: directory, ends: new PartitionEnds({ topics, cluster, nodes }) }
  return { coordinators: { groupSettings, shares, states, routedStates: store, places, groups, offsets }, rules }
}

export function closeShareCoordinators({ shares, states, routedStates }: ShareCoordinators): void {
  routedStates.close()
  shares.close()
  states.close()
}
