/** What the rules of Streams groups are told from outside. */
import type { GroupSettingsOf } from '../../group-settings.ts'
import type { StreamsTopics } from './topic-hash.ts'

export interface StreamsEnvironment {
  readonly settings: GroupSettingsOf
  readonly topics: StreamsTopics
  /** Members that a group may have (Kafka's `group.streams.max.size`). */
  readonly membersMax: number
}
