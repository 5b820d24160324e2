/** Everything that share groups need on a broker, put together: their groups, their states, and who gives them records. */
import type { Clock } from '../../../runtime/clock.ts'
import type { Log } from '../../../runtime/log.ts'
import type { GroupSettingsOf } from '../../group-settings.ts'
import { InternalTopicLogs } from '../../internal-topic-logs.ts'
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
  readonly groups: ShareGroups
  readonly offsets: ShareOffsetsParts
}

export interface ShareOptions {
  readonly clock: Clock
  readonly log: Log
  readonly topics: Topics
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
  const { clock, log, topics, directory, groupSettings, route } = options
  const states = new ShareCoordinator({
    clock,
    log,
    settings: DEFAULT_SHARE_STATE_SETTINGS,
    logs: new InternalTopicLogs({
      topic: SHARE_STATE_TOPIC,
      partitions: options.statePartitions,
      // Updates build on one another: compaction by key would lose all but the last. Old ones are pruned instead.
      configs: { 'cleanup.policy': 'delete' },
      topics,
      clock
    }),
    partitionCount: (topicId) => topics.byId(topicId)?.partitions.length
  })
  const shares = new Shares({ clock, log, topics, store: states, groupSettings })
  const environment = { settings: groupSettings, topics: directory, membersMax: MEMBERS_MAX }
  const rules = watchedRules(shareGroupRules(environment), (groupId, memberIds, empty) => {
    for (const memberId of memberIds) void shares.endSession(groupId, memberId)
    if (empty) shares.groupEmptied(groupId)
  })
  const groups = new ShareGroups({ route, rules, environment, store: states, members: shares })
  const endOffset = (topic: string, index: number) => topics.partition(topic, index)?.highWatermark
  const offsets = { groups, store: states, topics: directory, endOffset }
  return { coordinators: { groupSettings, shares, states, groups, offsets }, rules }
}

export function closeShareCoordinators({ shares, states }: ShareCoordinators): void {
  shares.close()
  states.close()
}
