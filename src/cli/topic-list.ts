/** `longhaul topic list` */
import { Command } from 'commander'
import { bootstrapOption, withAdmin } from './kafka-client.ts'
import { type Surroundings, writeLine } from './surroundings.ts'
import { json, table } from './table.ts'

interface Options {
  readonly bootstrap: string
  readonly internal?: boolean
  readonly json?: boolean
}

export function topicListCommand(surroundings: Surroundings): Command {
  return new Command('list')
    .description('list topics')
    .option('--internal', "include the broker's own topics")
    .option('--json', 'print JSON')
    .addOption(bootstrapOption())
    .addHelpText('after', "\nExample:\n  longhaul topic list --json | jq -r '.[].name'")
    .action((options: Options) => listTopics(options, surroundings))
}

async function listTopics(options: Options, { output, errors }: Surroundings): Promise<void> {
  const topics = await withAdmin(options.bootstrap, async (admin) => {
    const names = await admin.listTopics({ includeInternals: options.internal ?? false })
    if (names.length === 0) return []
    const metadata = await admin.metadata({ topics: names })
    return names.map((name) => ({ name, partitions: metadata.topics.get(name)?.partitionsCount ?? 0 }))
  })
  if (options.json) return await writeLine(output, json(topics, 2))
  if (topics.length === 0) return await writeLine(errors, 'no topics yet: `longhaul topic create NAME` makes one')
  await writeLine(
    output,
    table(
      ['TOPIC', 'PARTITIONS'],
      topics.map((topic) => [topic.name, topic.partitions])
    )
  )
}
