/** What the coordinator reads of the members' own protocol: the topics that a group of consumers subscribes to. */
import { isFault } from '../../runtime/fault.ts'
import { Reader } from '../../wire/buffers.ts'
import { ConsumerProtocolSubscription } from '../../wire/messages/consumer-protocol.ts'
import type { ClassicGroup } from './group-state.ts'

/** The union of the members' subscriptions; null when they are no consumers, or say it in a form we cannot read. */
export function subscribedTopics(
  group: Pick<ClassicGroup, 'protocolType' | 'protocol' | 'members'>
): ReadonlySet<string> | null {
  if (group.protocolType !== 'consumer') return null
  const topics = new Set<string>()
  try {
    for (const member of group.members.values()) {
      const metadata = member.protocols.find((protocol) => protocol.name === group.protocol)?.metadata
      if (metadata === undefined) return null
      const reader = new Reader(metadata)
      reader.int16()
      // Version 0 prefixes all later ones, so it reads what clients newer than us say.
      for (const topic of ConsumerProtocolSubscription.decode(reader, 0).topics) topics.add(topic)
    }
  } catch (error) {
    if (isFault(error, 'invalid')) return null
    throw error
  }
  return topics
}
