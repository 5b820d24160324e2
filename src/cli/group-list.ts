/** `longhaul group list` */
import { Command } from 'commander'
import { bootstrapOption, withAdmin } from './kafka-client.ts'
import { type Surroundings, writeLine } from './surroundings.ts'
import { json, table } from './table.ts'

interface Options {
  readonly bootstrap: string
  readonly json?: boolean
}

export function groupListCommand(surroundings: Surroundings): Command {
  return new Command('list')
    .description('list consumer groups')
    .option('--json', 'print JSON')
    .addOption(bootstrapOption())
    .addHelpText('after', '\nExample:\n  longhaul group list')
    .action((options: Options) => listGroups(options, surroundings))
}

async function listGroups(options: Options, { output, errors }: Surroundings): Promise<void> {
  // No types named: groups of every kind.
  const answer = await withAdmin(options.bootstrap, (admin) => admin.listGroups({ types: [] }))
  const groups = [...answer.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  if (options.json) return await writeLine(output, json(groups, 2))
  if (groups.length === 0) {
    return await writeLine(errors, 'no groups yet: `longhaul consume TOPIC --group NAME` makes one')
  }
  const rows = groups.map((group) => [group.id, group.state, group.groupType || '-', group.protocolType || '-'])
  await writeLine(output, table(['GROUP', 'STATE', 'TYPE', 'PROTOCOL'], rows))
}
