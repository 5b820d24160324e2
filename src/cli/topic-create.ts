/** `longhaul topic create NAME` */
import { Command } from 'commander'
import { isFault } from '../runtime/fault.ts'
import { bootstrapOption, kafkaFault, withAdmin } from './kafka-client.ts'
import { collectPairs, wholeNumber } from './option-values.ts'
import { type Surroundings, writeLine } from './surroundings.ts'
import { json } from './table.ts'

interface Options {
  readonly bootstrap: string
  readonly partitions?: number
  readonly replicas?: number
  readonly config: readonly [string, string][]
  readonly ifNotExists?: boolean
  readonly json?: boolean
}

export function topicCreateCommand(surroundings: Surroundings): Command {
  return new Command('create')
    .description('create a topic')
    .argument('<name>', 'name of the topic')
    .option('-p, --partitions <n>', "number of partitions (default: the broker's)", wholeNumber(1, 10_000))
    .option(
      '--replicas <n>',
      "number of replicas, for other Kafka clusters (default: the broker's)",
      wholeNumber(1, 99)
    )
    .option('-c, --config <name=value>', 'setting of the topic, by its Kafka name; repeatable', collectPairs, [])
    .option('--if-not-exists', 'succeed when the topic exists already')
    .option('--json', 'print JSON')
    .addOption(bootstrapOption())
    .addHelpText('after', '\nExample:\n  longhaul topic create readings --partitions 6 --config retention.ms=86400000')
    .action((name: string, options: Options) => createTopic(name, options, surroundings))
}

async function createTopic(name: string, options: Options, { output }: Surroundings): Promise<void> {
  const created = await withAdmin(options.bootstrap, async (admin) => {
    try {
      const [topic] = await admin.createTopics({
        topics: [name],
        configs: options.config.map(([key, value]) => ({ name: key, value })),
        ...(options.partitions === undefined ? {} : { partitions: options.partitions }),
        ...(options.replicas === undefined ? {} : { replicas: options.replicas })
      })
      return topic
    } catch (error) {
      if (options.ifNotExists && isFault(kafkaFault(error, options.bootstrap), 'conflict')) return undefined
      throw error
    }
  })
  const line = created ? `created topic ${name} with ${created.partitions} partitions` : `topic ${name} exists already`
  const result = created
    ? { name, created: true, id: created.id, partitions: created.partitions }
    : { name, created: false }
  await writeLine(output, options.json ? json(result) : line)
}
