/**
 * Members that leave, or are thrown out because nothing was heard of them. When the last one that speaks the newer
 * protocol goes and others stay, the group goes back to the classic protocol, if the migration policy lets it.
 */
import type { GroupChange } from '../hosted-group.ts'
import { hashTopics } from '../topic-hash.ts'
import type { ConsumerDraft } from './consumer-draft.ts'
import type { ConsumerEnvironment } from './consumer-environment.ts'
import { allSubscribedTopics, type ConsumerGroup } from './consumer-group.ts'
import { classicGroupOf } from './migration.ts'

export function removeMembers<Answer>(
  env: ConsumerEnvironment,
  draft: ConsumerDraft,
  memberIds: readonly string[],
  now: number,
  answer: Answer
): GroupChange<ConsumerGroup, Answer> {
  if (memberIds.length === 0) return draft.finish(answer)
  const staying = [...draft.group.members.values()].filter(({ memberId }) => !memberIds.includes(memberId))
  if (staying.length > 0 && staying.every((member) => member.classic !== null) && mayDowngrade(env, staying.length)) {
    const group = classicGroupOf(draft.group, staying, env.topics, now)
    const rebalance = 'the last member of the consumer protocol has left'
    if (group !== undefined) return draft.finishAsClassic({ group, rebalance }, answer)
  }
  for (const memberId of memberIds) draft.removeMember(memberId)
  draft.dropUnusedRegexes()
  const metadataHash = hashTopics(env.topics, allSubscribedTopics(draft.group))
  draft.put({ kind: 'group', value: { epoch: draft.group.epoch + 1, metadataHash } })
  return draft.finish(answer)
}

export function mayDowngrade({ settings }: ConsumerEnvironment, members: number): boolean {
  const { migrationPolicy, classicMaxSize } = settings
  return (migrationPolicy === 'bidirectional' || migrationPolicy === 'downgrade') && members <= classicMaxSize
}
