/** Tools that look at nodes and replicas, or ask for changes that a single node answers at once. */
import assert from 'node:assert/strict'
import { eventually, unique } from '../../waiting.ts'
import { absent, found, type KafkaTools } from './kafka-tools.ts'

export async function clusterTools(tools: KafkaTools): Promise<void> {
  await tools.check('kafka-broker-api-versions', 'list', async () => {
    const output = await tools.run('kafka-broker-api-versions', [])
    found(output, /^\S+:\d+ \(id: \d+ rack: \S+ isFenced: false\) -> \(/m)
    for (const api of ['Produce', 'Fetch', 'Metadata', 'JoinGroup', 'ApiVersions']) {
      found(output, new RegExp(`^\\s*${api}\\(\\d+\\): \\d+( to \\d+)? \\[usable: \\d+\\]`, 'm'))
    }
  })
  await tools.check('kafka-cluster', 'cluster id, endpoints', async () => {
    found(await tools.run('kafka-cluster', ['cluster-id']), /Cluster ID: \S+/)
    found(await tools.run('kafka-cluster', ['list-endpoints']), /127\.0\.0\.1\s+\d+/)
  })
  await features(tools)
  await quorum(tools)
  await tools.check('kafka-log-dirs', 'describe', async () => {
    const topic = unique('dirs')
    await tools.filledTopic(topic, 5)
    const output = await tools.run('kafka-log-dirs', ['--describe', '--topic-list', topic])
    found(output, new RegExp(`"partition":"${topic}-0","size":[1-9]`))
  })
  await tools.check('kafka-leader-election', 'preferred', async () => {
    const topic = unique('election')
    await tools.createTopic(topic)
    const args = ['--election-type', 'preferred', '--topic', topic, '--partition', '0']
    found(await tools.run('kafka-leader-election', args), new RegExp(`Valid replica already elected for.*${topic}-0`))
  })
  await reassignment(tools)
  await tools.check('kafka-client-compatibility-test', 'all', () => compatibility(tools))
}

async function features(tools: KafkaTools): Promise<void> {
  await tools.check('kafka-features', 'describe', async () => {
    const output = await tools.run('kafka-features', ['describe'])
    for (const feature of ['metadata.version', 'group.version', 'transaction.version', 'share.version']) {
      found(output, new RegExp(`Feature: ${feature}\\s+SupportedMinVersion: \\S+\\s+SupportedMaxVersion: \\S+`))
    }
  })
  await tools.check('kafka-features', 'upgrade, dry run', async () => {
    const output = await tools.run('kafka-features', ['upgrade', '--feature', 'group.version=1', '--dry-run'])
    found(output, /group\.version (can be|was) upgraded to 1/)
  })
}

async function quorum(tools: KafkaTools): Promise<void> {
  await tools.check('kafka-metadata-quorum', 'status and replication', async () => {
    const status = await tools.run('kafka-metadata-quorum', ['describe', '--status'])
    for (const field of ['ClusterId', 'LeaderId', 'LeaderEpoch', 'HighWatermark', 'CurrentVoters']) {
      found(status, new RegExp(`^${field}:\\s+\\S`, 'm'))
    }
    const replication = await tools.run('kafka-metadata-quorum', ['describe', '--replication'])
    found(replication, /^\d+\s.*\sLeader\s*$/m)
  })
}

async function reassignment(tools: KafkaTools): Promise<void> {
  const topic = unique('moved')
  const reassign = (...args: string[]): Promise<string> => tools.run('kafka-reassign-partitions', args)
  const plan = async (): Promise<string> => {
    const node = await tools.nodeId()
    const partitions = [{ topic, partition: 0, replicas: [node], log_dirs: ['any'] }]
    return tools.file('reassignment.json', JSON.stringify({ version: 1, partitions }))
  }
  await tools.check('kafka-reassign-partitions', 'generate', async () => {
    await tools.createTopic(topic)
    const file = await tools.file('topics.json', JSON.stringify({ topics: [{ topic }], version: 1 }))
    const brokers = String(await tools.nodeId())
    const output = await reassign('--generate', '--topics-to-move-json-file', file, '--broker-list', brokers)
    found(output, new RegExp(`Proposed partition reassignment configuration\\s+.*"topic":"${topic}"`))
  })
  await tools.check('kafka-reassign-partitions', 'execute, verify, list, cancel', async () => {
    const file = ['--reassignment-json-file', await plan()]
    found(await reassign('--execute', ...file), /Successfully started partition reassignment/)
    await eventually('it is complete', async () =>
      new RegExp(`Reassignment of partition ${topic}-0 is completed`).test(await reassign('--verify', ...file))
    )
    found(await reassign('--list'), /No partition reassignments found/)
    found(await reassign('--cancel', ...file), /None of the specified partition reassignments are active/)
  })
}

/** It always creates the topic `newtopic`, which must not stay for the next run. */
async function compatibility(tools: KafkaTools): Promise<void> {
  const topic = unique('compatible')
  await tools.createTopic(topic)
  const acls = /DescribeAcls\(\d+\): \d+/.test(await tools.run('kafka-broker-api-versions', []))
  const expected = {
    'offsets-for-times-supported': true,
    'cluster-id-supported': true,
    'expect-record-too-large-exception': false,
    'num-cluster-nodes': 1,
    'create-topics-supported': true,
    'describe-acls-supported': acls,
    'describe-configs-supported': true,
    'idempotent-producer-supported': true
  }
  const flags = Object.entries(expected).flatMap(([name, value]) => [`--${name}`, String(value)])
  try {
    const { output } = await tools.try('kafka-client-compatibility-test', ['--topic', topic, ...flags])
    found(output, /^SUCCESS\.$/m)
    absent(output, /FAILED/)
  } finally {
    const deleted = await tools.try('kafka-topics', ['--delete', '--topic', 'newtopic'])
    assert.ok(deleted.status === 0 || /does not exist/.test(deleted.output), deleted.output)
  }
}
