/** `longhaul topic delete NAME…` */
import { Command } from 'commander'
import { bootstrapOption, withAdmin } from './kafka-client.ts'
import { type Surroundings, writeLine } from './surroundings.ts'
import { json } from './table.ts'

interface Options {
  readonly bootstrap: string
  readonly json?: boolean
}

export function topicDeleteCommand(surroundings: Surroundings): Command {
  return new Command('delete')
    .description('delete topics with all their records; there is no way back')
    .argument('<name...>', 'names of the topics')
    .option('--json', 'print JSON')
    .addOption(bootstrapOption())
    .addHelpText('after', '\nExample:\n  longhaul topic delete readings')
    .action(async (names: string[], options: Options) => {
      await withAdmin(options.bootstrap, (admin) => admin.deleteTopics({ topics: names }))
      const line = options.json ? json({ deleted: names }) : `deleted ${names.join(', ')}`
      await writeLine(surroundings.output, line)
    })
}
