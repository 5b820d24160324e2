/** `longhaul topic describe NAME` */
import type { Admin } from '@platformatic/kafka'
import { Command } from 'commander'
import { bootstrapOption, offsetsOf, partitionsOf, withAdmin } from './kafka-client.ts'
import { type Surroundings, writeLine } from './surroundings.ts'
import { json, table } from './table.ts'

interface Options {
  readonly bootstrap: string
  readonly json?: boolean
}

/** DescribeConfigs: the resource is a topic. */
const topicResource: typeof import('@platformatic/kafka').ConfigResourceTypes.TOPIC = 2
/** DescribeConfigs: set on the topic itself, not inherited from the broker. */
const topicConfigSource = 1

export function topicDescribeCommand(surroundings: Surroundings): Command {
  return new Command('describe')
    .description('show the partitions, offsets and settings of a topic')
    .argument('<name>', 'name of the topic')
    .option('--json', 'print JSON')
    .addOption(bootstrapOption())
    .addHelpText('after', '\nExample:\n  longhaul topic describe telemetry')
    .action(async (name: string, options: Options) => {
      const description = await withAdmin(options.bootstrap, (admin) => describeTopic(admin, name))
      await writeLine(surroundings.output, options.json ? json(description, 2) : inWords(description))
    })
}

async function describeTopic(admin: Admin, name: string) {
  const ids = await partitionsOf(admin, name)
  const metadata = await admin.metadata({ topics: [name] })
  const earliest = await offsetsOf(admin, name, ids, 'earliest')
  const latest = await offsetsOf(admin, name, ids, 'latest')
  const resource = { resourceType: topicResource, resourceName: name, configurationKeys: null }
  const [described] = await admin.describeConfigs({ resources: [resource] })
  const own = described?.configs.filter((config) => config.configSource === topicConfigSource) ?? []
  const topic = metadata.topics.get(name)
  return {
    name,
    id: topic?.id,
    partitions: ids.map((partition) => ({
      partition,
      leader: topic?.partitions[partition]?.leader,
      leaderEpoch: topic?.partitions[partition]?.leaderEpoch,
      startOffset: earliest.get(partition),
      endOffset: latest.get(partition)
    })),
    configs: Object.fromEntries(own.map((config) => [config.name, config.value]))
  }
}

function inWords(topic: Awaited<ReturnType<typeof describeTopic>>): string {
  const rows = topic.partitions.map((it) => [it.partition, it.leader, it.leaderEpoch, it.startOffset, it.endOffset])
  const configs = Object.entries(topic.configs).map(([name, value]) => `${name}=${value}`)
  return [
    `${topic.name} (id ${topic.id})`,
    `settings: ${configs.length === 0 ? "the broker's defaults" : configs.join(', ')}`,
    '',
    table(['PARTITION', 'LEADER', 'EPOCH', 'START', 'END'], rows)
  ].join('\n')
}
