/** Consumer groups, put together the same way everywhere: their rules first, as the shards need them, then what asks the shards. */
import type { Clock } from '../../../runtime/clock.ts'
import type { Random } from '../../../runtime/random.ts'
import type { GroupSettingsOf } from '../../group-settings.ts'
import type { GroupShards } from '../group-shards.ts'
import type { GroupSettings } from '../group-state.ts'
import type { TopicDirectory } from '../topic-directory.ts'
import { ConsumerClassicRequests } from './classic-requests.ts'
import type { ConsumerGroupSettings } from './consumer-environment.ts'
import { ConsumerGroups } from './consumer-groups.ts'
import { ConsumerRules } from './consumer-rules.ts'
import { TopicPatterns } from './topic-patterns.ts'

export interface ConsumerGroupsParts {
  readonly clock: Clock
  readonly random: Random
  readonly topics: TopicDirectory
  /** Of classic groups, whose members may be in consumer groups too. */
  readonly settings: GroupSettings & Pick<ConsumerGroupSettings, 'migrationPolicy'>
  readonly settingsOf: GroupSettingsOf
}

/** Kafka's default of `group.consumer.max.size`. */
const MEMBERS_MAX = 2 ** 31 - 1

export function createConsumerGroups(parts: ConsumerGroupsParts) {
  const { clock, random, topics, settingsOf } = parts
  const { maxSize: classicMaxSize, minSessionTimeoutMs, maxSessionTimeoutMs, migrationPolicy } = parts.settings
  const patterns = new TopicPatterns(clock, topics)
  const settings = { maxSize: MEMBERS_MAX, classicMaxSize, migrationPolicy, minSessionTimeoutMs, maxSessionTimeoutMs }
  const env = { topics, settings, settingsOf, patterns }
  const rules = new ConsumerRules(env)
  return {
    rules,
    classicRequests: new ConsumerClassicRequests(env, rules),
    groups: (shards: GroupShards) => new ConsumerGroups({ random, shards, topics, settingsOf, rules, env, patterns })
  }
}
