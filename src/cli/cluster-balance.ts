/**
 * `longhaul cluster balance`: one plan of the kind that the controller makes every few seconds, now. Shown before it is
 * done; whatever it leaves the controller goes on with.
 */
import { Command } from 'commander'
import type { BalancePlan } from '../cluster/balance-plan.ts'
import { addClusterOptions, type ClusterOptions, withCluster } from './cluster-access.ts'
import { type Surroundings, writeLine } from './surroundings.ts'
import { json, table } from './table.ts'

interface Options extends ClusterOptions {
  readonly plan?: boolean
  readonly json?: boolean
}

export function clusterBalanceCommand(surroundings: Surroundings): Command {
  const command = new Command('balance')
    .description('move partitions so that brokers carry the same; it happens by itself, this is for now')
    .option('--plan', 'only show what would move, and why')
    .option('--json', 'print JSON')
  return addClusterOptions(command)
    .addHelpText('after', '\nExamples:\n  longhaul cluster balance --plan\n  longhaul cluster balance')
    .action((options: Options) => balance(options, surroundings))
}

async function balance(options: Options, surroundings: Surroundings): Promise<void> {
  const { loadBalanceView } = await import('../admin/cluster/cluster-status.ts')
  const { planBalance } = await import('../cluster/balance-plan.ts')
  const { BALANCE_LIMITS } = await import('../cluster/balancer.ts')
  const { output } = surroundings
  await withCluster(options, surroundings, async (metadata) => {
    const { nodes, partitions } = await loadBalanceView(metadata)
    const plan = planBalance(nodes, partitions, BALANCE_LIMITS)
    const isDone = options.plan !== true && plan.moves.length > 0
    if (!options.json) await writeLine(output, inWords(plan))
    if (isDone) {
      await metadata.setTargets(plan.moves.map(({ topicId, index, to }) => ({ topicId, index, node: to })))
    }
    if (options.json) await writeLine(output, json({ moves: plan.moves, cutBy: plan.cutBy ?? null, begun: isDone }, 2))
    else if (isDone) await writeLine(output, 'these moves have begun; longhaul broker list shows how far they are')
  })
}

function inWords({ moves, cutBy }: BalancePlan): string {
  if (moves.length === 0)
    return cutBy === undefined ? 'nothing is to move' : 'nothing more can move at once: moves are under way'
  const rows = moves.map(({ topic, index, from, to, reason }) => [`${topic}-${index}`, from, to ?? 'stays', reason])
  const more =
    cutBy === undefined ? [] : ['there is more to move than may move at once; the controller goes on with it']
  return [table(['PARTITION', 'FROM', 'TO', 'BECAUSE'], rows), ...more].join('\n')
}
