/** Reads from the tables what an image shows: everything, or the present state of what a change set names. */

import type { ChangeSet } from './change-feed.ts'
import { loadClientQuotas } from './client-quotas.ts'
import { batches, type Tx } from './database.ts'
import { loadFeatureLevels } from './feature-levels.ts'
import type { ImageUpdate } from './image.ts'
import type { ClientQuota, ObjectRange, Partition, StoredObject, Stream, Topic, TopicId } from './metadata.ts'
import { loadNodes } from './nodes.ts'
import { loadAllConfigs, loadConfigs } from './resource-configs.ts'
import type { Tables } from './schema.ts'

export async function loadEverything(tx: Tx): Promise<ImageUpdate> {
  const topics = await tx.selectFrom('topic').selectAll().execute()
  const configs = await tx.selectFrom('topic_config').selectAll().execute()
  const partitions = await tx.selectFrom('partition').selectAll().orderBy('partition_index').execute()
  const streams = await tx.selectFrom('stream').selectAll().execute()
  const objects = await tx.selectFrom('object').selectAll().where('state', '=', 'committed').execute()
  const ranges = await tx.selectFrom('stream_range').selectAll().orderBy('stream_id').orderBy('start_offset').execute()
  return {
    topics: new Map(assembleTopics(topics, configs, partitions).map((topic) => [topic.id, topic])),
    streams: new Map(streams.map((row) => [row.id, streamOf(row)])),
    objects: new Map(objects.map((row) => [row.id, objectOf(row)])),
    ranges: ranges.map(rangeOf),
    quotas: await loadClientQuotas(tx),
    features: await loadFeatureLevels(tx),
    configs: await loadAllConfigs(tx),
    nodes: await loadNodes(tx)
  }
}

export async function loadChanged(tx: Tx, changes: ChangeSet): Promise<ImageUpdate> {
  const topics = new Map<TopicId, Topic | undefined>([...changes.topics].map((id) => [id, undefined]))
  const streams = new Map<number, Stream | undefined>([...changes.streams].map((id) => [id, undefined]))
  const objects = new Map<number, StoredObject | undefined>([...changes.objects].map((id) => [id, undefined]))
  const ranges: ObjectRange[] = []
  for (const ids of batches([...changes.topics])) {
    for (const topic of await loadTopics(tx, ids)) topics.set(topic.id, topic)
  }
  for (const ids of batches([...changes.streams])) {
    const rows = await tx.selectFrom('stream').selectAll().where('id', 'in', ids).execute()
    for (const row of rows) streams.set(row.id, streamOf(row))
  }
  for (const ids of batches([...changes.objects])) {
    const rows = await tx
      .selectFrom('object')
      .selectAll()
      .where('id', 'in', ids)
      .where('state', '=', 'committed')
      .execute()
    for (const row of rows) objects.set(row.id, objectOf(row))
    const found = await tx.selectFrom('stream_range').selectAll().where('object_id', 'in', ids).execute()
    for (const row of found) ranges.push(rangeOf(row))
  }
  ranges.sort((a, b) => a.streamId - b.streamId || a.startOffset - b.startOffset)
  const quotas = new Map<string, ClientQuota | undefined>([...changes.quotas].map((key) => [key, undefined]))
  for (const [key, quota] of await loadClientQuotas(tx, changes.quotas)) quotas.set(key, quota)
  const configs = await loadConfigs(tx, changes.configs)
  return {
    topics,
    streams,
    objects,
    ranges,
    quotas,
    configs,
    ...(changes.features.size === 0 ? {} : { features: await loadFeatureLevels(tx) }),
    ...(changes.nodes.size === 0 ? {} : { nodes: await loadNodes(tx) })
  }
}

async function loadTopics(tx: Tx, ids: readonly TopicId[]): Promise<Topic[]> {
  return assembleTopics(
    await tx.selectFrom('topic').selectAll().where('id', 'in', ids).execute(),
    await tx.selectFrom('topic_config').selectAll().where('topic_id', 'in', ids).execute(),
    await tx.selectFrom('partition').selectAll().where('topic_id', 'in', ids).orderBy('partition_index').execute()
  )
}

/** `partitions` must come by partition index. */
function assembleTopics(
  topics: readonly Tables['topic'][],
  configs: readonly Tables['topic_config'][],
  partitions: readonly Tables['partition'][]
): Topic[] {
  const configsByTopic = byTopic(configs)
  const partitionsByTopic = byTopic(partitions)
  return topics.map((row) => ({
    id: row.id,
    name: row.name,
    internal: row.internal === 1,
    configs: Object.fromEntries((configsByTopic.get(row.id) ?? []).map((config) => [config.name, config.value])),
    partitions: (partitionsByTopic.get(row.id) ?? []).map(partitionOf)
  }))
}

function byTopic<Row extends { readonly topic_id: TopicId }>(rows: readonly Row[]): Map<TopicId, Row[]> {
  const groups = new Map<TopicId, Row[]>()
  for (const row of rows) {
    const group = groups.get(row.topic_id)
    if (group === undefined) groups.set(row.topic_id, [row])
    else group.push(row)
  }
  return groups
}

function partitionOf(row: Tables['partition']): Partition {
  return {
    topicId: row.topic_id,
    index: row.partition_index,
    streamId: row.stream_id,
    leader: row.leader,
    leaderEpoch: row.leader_epoch,
    target: row.target
  }
}

function streamOf(row: Tables['stream']): Stream {
  return {
    id: row.id,
    epoch: row.epoch,
    tenure: row.tenure,
    startOffset: row.start_offset,
    endOffset: row.end_offset,
    cleanedOffset: row.cleaned_offset
  }
}

export function objectOf(row: Omit<Tables['object'], 'state' | 'upload_digest'>): StoredObject {
  return { id: row.id, key: row.key, bytes: row.bytes, profile: row.profile, since: row.state_changed_at }
}

function rangeOf(row: Tables['stream_range']): ObjectRange {
  return {
    objectId: row.object_id,
    streamId: row.stream_id,
    startOffset: row.start_offset,
    endOffset: row.end_offset,
    bytes: row.bytes,
    maxTimestamp: row.max_timestamp
  }
}
