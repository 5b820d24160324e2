/** Kafka's rules for topic names. */

const NAME = /^[a-zA-Z0-9._-]+$/
const LENGTH_MAX = 249

/** Topic that holds what consumer groups have committed. */
export const OFFSETS_TOPIC = '__consumer_offsets'

/** Topic that holds what share groups have done with the partitions they read. */
export const SHARE_STATE_TOPIC = '__share_group_state'

/** Topic that holds what is known of transactional ids. */
export const TRANSACTION_STATE_TOPIC = '__transaction_state'

const INTERNAL_TOPICS: ReadonlySet<string> = new Set([OFFSETS_TOPIC, SHARE_STATE_TOPIC, TRANSACTION_STATE_TOPIC])

/** Whether a topic of this name belongs to the broker, which creates it with the settings it needs. */
export function isInternalTopic(name: string): boolean {
  return INTERNAL_TOPICS.has(name)
}

/** Why no topic can have this name, or `undefined` when one can. */
export function topicNameProblem(name: string): string | undefined {
  if (name === '') return 'a topic name cannot be empty'
  if (name === '.' || name === '..') return `a topic cannot be called ${name}`
  if (name.length > LENGTH_MAX) return `a topic name has at most ${LENGTH_MAX} characters, this one has ${name.length}`
  if (!NAME.test(name))
    return `topic name ${name} has characters other than letters, digits, dot, underscore and hyphen`
  return undefined
}

/** Kafka's metric names fold dots into underscores, so two topics may not differ in nothing else. */
export function collidingTopic(name: string, existing: Iterable<string>): string | undefined {
  const folded = name.replaceAll('.', '_')
  for (const other of existing) if (other !== name && other.replaceAll('.', '_') === folded) return other
  return undefined
}
