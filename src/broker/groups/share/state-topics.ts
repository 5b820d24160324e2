/**
 * Of which partitions a share group's state exists, as its record says: being made, made, or being deleted. Pure.
 *
 * Topics that are gone fall out by and by: nobody needs to tell the group.
 */
import type { ShareGroupStatePartitionMetadataValue } from '../../../wire/messages/share-group-records.ts'
import type { TopicDirectory } from '../topic-directory.ts'
import { type TopicPartitions, toPartitions } from './share-group-state.ts'

type StateTopics = ShareGroupStatePartitionMetadataValue
type ShareTopics = Pick<TopicDirectory, 'topicId' | 'topicName' | 'partitionCount'>

/** Partitions of these topics that have no state yet. */
export function withoutState(state: StateTopics, names: Iterable<string>, topics: ShareTopics): TopicPartitions {
  const initialized = toPartitions(state.initializedTopics)
  const missing = new Map<string, readonly number[]>()
  for (const name of names) {
    const topicId = topics.topicId(name)
    const all = Array.from({ length: topics.partitionCount(name) ?? 0 }, (_, index) => index)
    if (topicId === undefined) continue
    const indexes = all.filter((index) => !initialized.get(topicId)?.includes(index))
    if (indexes.length > 0) missing.set(topicId, indexes)
  }
  return missing
}

export function beginStates(state: StateTopics, partitions: TopicPartitions, topics: ShareTopics): StateTopics {
  return {
    initializingTopics: toTopics(union(toPartitions(state.initializingTopics), partitions), topics),
    initializedTopics: living(state.initializedTopics, topics),
    deletingTopics: living(state.deletingTopics, topics).filter(({ topicId }) => !partitions.has(topicId))
  }
}

/** The states were made, or could not be. */
export function endStates(
  state: StateTopics,
  partitions: TopicPartitions,
  made: boolean,
  topics: ShareTopics
): StateTopics {
  const initialized = toPartitions(state.initializedTopics)
  return {
    initializingTopics: toTopics(difference(toPartitions(state.initializingTopics), partitions), topics),
    initializedTopics: toTopics(made ? union(initialized, partitions) : initialized, topics),
    deletingTopics: living(state.deletingTopics, topics)
  }
}

/** Everything of these topics is to be deleted. */
export function beginDeletion(state: StateTopics, topicIds: ReadonlySet<string>, topics: ShareTopics): StateTopics {
  const deleting = new Set([...state.deletingTopics.map(({ topicId }) => topicId), ...topicIds])
  return {
    initializingTopics: living(state.initializingTopics, topics).filter(({ topicId }) => !topicIds.has(topicId)),
    initializedTopics: living(state.initializedTopics, topics).filter(({ topicId }) => !topicIds.has(topicId)),
    deletingTopics: [...deleting].flatMap((topicId) => {
      const topicName = topics.topicName(topicId)
      return topicName === undefined ? [] : [{ topicId, topicName }]
    })
  }
}

export function endDeletion(state: StateTopics, topicIds: ReadonlySet<string>, topics: ShareTopics): StateTopics {
  return {
    initializingTopics: living(state.initializingTopics, topics),
    initializedTopics: living(state.initializedTopics, topics),
    deletingTopics: living(state.deletingTopics, topics).filter(({ topicId }) => !topicIds.has(topicId))
  }
}

/** Every partition that has a state, may have one, or may still have one. */
export function allStates(state: StateTopics, topics: ShareTopics): TopicPartitions {
  const deleting = new Map<string, readonly number[]>()
  for (const { topicId } of state.deletingTopics) {
    const name = topics.topicName(topicId)
    const count = name === undefined ? 0 : (topics.partitionCount(name) ?? 0)
    deleting.set(
      topicId,
      Array.from({ length: count }, (_, index) => index)
    )
  }
  return union(union(toPartitions(state.initializedTopics), toPartitions(state.initializingTopics)), deleting)
}

function living<Named extends { readonly topicId: string }>(named: readonly Named[], topics: ShareTopics): Named[] {
  return named.filter(({ topicId }) => topics.topicName(topicId) !== undefined)
}

function toTopics(partitions: TopicPartitions, topics: ShareTopics): StateTopics['initializedTopics'] {
  return [...partitions].flatMap(([topicId, indexes]) => {
    const topicName = topics.topicName(topicId)
    return topicName === undefined ? [] : [{ topicId, topicName, partitions: [...indexes] }]
  })
}

function union(a: TopicPartitions, b: TopicPartitions): TopicPartitions {
  const both = new Map(a)
  for (const [topicId, indexes] of b) {
    both.set(
      topicId,
      [...new Set([...(a.get(topicId) ?? []), ...indexes])].sort((x, y) => x - y)
    )
  }
  return both
}

function difference(a: TopicPartitions, b: TopicPartitions): TopicPartitions {
  const left = [...a].map(([topicId, indexes]): [string, readonly number[]] => [
    topicId,
    indexes.filter((index) => !b.get(topicId)?.includes(index))
  ])
  return new Map(left.filter(([, indexes]) => indexes.length > 0))
}
