/** What the rules of Streams groups are told from outside. */
import type { GroupSettingsOf } from '../../group-settings.ts'
import type { TopicDirectory } from '../topic-directory.ts'

export interface StreamsEnvironment {
  readonly settings: GroupSettingsOf
  readonly topics: Pick<TopicDirectory, 'topicId' | 'topicName' | 'partitionCount'>
  /** Members that a group may have (Kafka's `group.streams.max.size`). */
  readonly membersMax: number
}
