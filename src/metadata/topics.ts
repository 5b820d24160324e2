/** Queries that change topics, their partitions and settings. Each runs inside a transaction of `Database.write`. */
import { Fault } from '../runtime/fault.ts'
import { type Random, uuid } from '../runtime/random.ts'
import type { ChangeSet } from './change-feed.ts'
import { batches, type Tx } from './database.ts'
import type { NewTopic, TopicId } from './metadata.ts'
import { destroyEmptyObjects } from './objects.ts'
import { allocate } from './sequences.ts'

/** A random UUID as Kafka prints it; never with a leading dash, which command lines would take for a flag. */
export function randomId(random: Random): string {
  for (;;) {
    const id = Buffer.from(uuid(random).replaceAll('-', ''), 'hex').toString('base64url')
    if (!id.startsWith('-')) return id
  }
}

export async function createTopic(tx: Tx, changes: ChangeSet, topic: NewTopic, id: TopicId): Promise<void> {
  if (!Number.isSafeInteger(topic.partitions) || topic.partitions < 1) {
    throw new Fault('invalid', `topic ${topic.name} needs at least 1 partition, not ${topic.partitions}`)
  }
  const inserted = await tx
    .insertInto('topic')
    .values({ id, name: topic.name, internal: topic.internal ? 1 : 0 })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning('id')
    .execute()
  if (inserted.length === 0) throw new Fault('conflict', `topic ${topic.name} exists already`)
  const configs = Object.entries(topic.configs).map(([name, value]) => ({ topic_id: id, name, value }))
  for (const batch of batches(configs)) await tx.insertInto('topic_config').values(batch).execute()
  await addPartitions(tx, changes, id, { from: 0, total: topic.partitions, leaders: topic.leaders })
}

export async function createPartitions(
  tx: Tx,
  changes: ChangeSet,
  topicId: TopicId,
  total: number,
  leaders: readonly number[]
): Promise<void> {
  const name = await topicName(tx, topicId)
  const row = await tx
    .selectFrom('partition')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('topic_id', '=', topicId)
    .executeTakeFirstOrThrow()
  const present = Number(row.count)
  if (!Number.isSafeInteger(total) || total <= present) {
    throw new Fault('invalid', `topic ${name} has ${present} partitions already: ask for more than that, not ${total}`)
  }
  await addPartitions(tx, changes, topicId, { from: present, total, leaders })
}

/** Adds the partitions [from, total), each with a new stream. */
async function addPartitions(
  tx: Tx,
  changes: ChangeSet,
  topicId: TopicId,
  { from, total, leaders }: { readonly from: number; readonly total: number; readonly leaders: readonly number[] }
): Promise<void> {
  if (leaders.length === 0) throw new Fault('invalid', 'partitions need a node that leads them')
  const firstStream = await allocate(tx, 'stream', total - from)
  const streamIds = Array.from({ length: total - from }, (_, n) => firstStream + n)
  for (const ids of batches(streamIds)) {
    const streams = ids.map((id) => ({ id, epoch: 0, tenure: 0, start_offset: 0, end_offset: 0, cleaned_offset: 0 }))
    await tx.insertInto('stream').values(streams).execute()
    const partitions = ids.map((id) => ({
      topic_id: topicId,
      partition_index: from + (id - firstStream),
      stream_id: id,
      leader: leaders[(id - firstStream) % leaders.length] ?? 0,
      leader_epoch: 0,
      target: null
    }))
    await tx.insertInto('partition').values(partitions).execute()
  }
  changes.topics.add(topicId)
  for (const id of streamIds) changes.streams.add(id)
}

export async function deleteTopic(tx: Tx, changes: ChangeSet, topicId: TopicId, now: number): Promise<void> {
  await topicName(tx, topicId)
  const partitions = await tx.deleteFrom('partition').where('topic_id', '=', topicId).returning('stream_id').execute()
  await tx.deleteFrom('topic_config').where('topic_id', '=', topicId).execute()
  await tx.deleteFrom('topic').where('id', '=', topicId).execute()
  changes.topics.add(topicId)
  const touched = new Set<number>()
  for (const ids of batches(partitions.map((row) => row.stream_id))) {
    const ranges = await tx.deleteFrom('stream_range').where('stream_id', 'in', ids).returning('object_id').execute()
    for (const row of ranges) touched.add(row.object_id)
    await tx.deleteFrom('stream_snapshot').where('stream_id', 'in', ids).execute()
    await tx.deleteFrom('stream').where('id', 'in', ids).execute()
    for (const id of ids) changes.streams.add(id)
  }
  await destroyEmptyObjects(tx, changes, [...touched], now)
}

export async function setTopicConfigs(
  tx: Tx,
  changes: ChangeSet,
  topicId: TopicId,
  configs: Readonly<Record<string, string | undefined>>
): Promise<void> {
  await topicName(tx, topicId)
  for (const [name, value] of Object.entries(configs)) {
    if (value === undefined) {
      await tx.deleteFrom('topic_config').where('topic_id', '=', topicId).where('name', '=', name).execute()
    } else {
      await tx
        .insertInto('topic_config')
        .values({ topic_id: topicId, name, value })
        .onConflict((conflict) => conflict.columns(['topic_id', 'name']).doUpdateSet({ value }))
        .execute()
    }
  }
  changes.topics.add(topicId)
}

async function topicName(tx: Tx, topicId: TopicId): Promise<string> {
  const row = await tx.selectFrom('topic').select('name').where('id', '=', topicId).executeTakeFirst()
  if (row === undefined) throw new Fault('missing', `there is no topic with id ${topicId}`)
  return row.name
}
