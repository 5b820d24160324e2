/** What the rules of consumer groups are given besides the group and the request. */
import type { ErrorCode } from '../../../wire/error-codes.ts'
import type { GroupSettingsOf } from '../../group-settings.ts'
import type { TopicDirectory } from '../topic-directory.ts'
import type { MatchedTopics } from './topic-patterns.ts'

/** Whether groups change between the classic and the consumer protocol while they run (KIP-848). */
export type MigrationPolicy = 'bidirectional' | 'upgrade' | 'downgrade' | 'disabled'

/** Kafka's names: group.consumer.max.size, group.consumer.migration.policy; for classic members, those of classic groups. */
export interface ConsumerGroupSettings {
  readonly maxSize: number
  /** Of classic groups, into which a group may turn. */
  readonly classicMaxSize: number
  readonly migrationPolicy: MigrationPolicy
  /** What members of the classic protocol may ask for. */
  readonly minSessionTimeoutMs: number
  readonly maxSessionTimeoutMs: number
}

export interface ConsumerEnvironment {
  readonly topics: TopicDirectory
  readonly settings: ConsumerGroupSettings
  readonly settingsOf: GroupSettingsOf
  /** The topics that regular expressions match, as far as they are known. */
  readonly patterns: {
    matched(regex: string): MatchedTopics | undefined
    problem(regex: string): string | undefined
  }
}

export type RefusalError = Exclude<keyof typeof ErrorCode, 'NONE'>

export interface Refusal {
  readonly error: RefusalError
  readonly message: string
}

export function refusal(error: RefusalError, message: string): Refusal {
  return { error, message }
}
