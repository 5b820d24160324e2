/** `longhaul broker list` */
import { Command } from 'commander'
import type { BrokerStatus } from '../admin/cluster/cluster-status.ts'
import { addClusterOptions, type ClusterOptions, readableMs, withCluster } from './cluster-access.ts'
import { readableBytes } from './storage-access.ts'
import { type Surroundings, writeLine } from './surroundings.ts'
import { json, table } from './table.ts'

interface Options extends ClusterOptions {
  readonly json?: boolean
}

export function brokerListCommand(surroundings: Surroundings): Command {
  const command = new Command('list').description('list the brokers of the cluster').option('--json', 'print JSON')
  return addClusterOptions(command)
    .addHelpText('after', '\nExample:\n  longhaul broker list --metadata postgres://db/longhaul')
    .action((options: Options) => list(options, surroundings))
}

async function list(options: Options, surroundings: Surroundings): Promise<void> {
  const { loadBrokerStatuses } = await import('../admin/cluster/cluster-status.ts')
  const brokers = await withCluster(options, surroundings, loadBrokerStatuses)
  await writeLine(surroundings.output, options.json ? json(brokers, 2) : brokerTable(brokers))
}

export function brokerTable(brokers: readonly BrokerStatus[]): string {
  const headers = ['BROKER', 'STATE', 'RACK', 'ADDRESS', 'EPOCH', 'LEASE', 'LEADS', 'IN', 'OUT', 'REQUESTS', 'REMARKS']
  const rows = brokers.map(({ load, ...broker }) => [
    broker.id,
    broker.state,
    broker.rack ?? '-',
    broker.address ?? '-',
    broker.epoch,
    leaseOf(broker),
    broker.partitions,
    load === undefined ? '-' : `${readableBytes(load.bytesIn)}/s`,
    load === undefined ? '-' : `${readableBytes(load.bytesOut)}/s`,
    load === undefined ? '-' : `${load.requests.toFixed(1)}/s`,
    remarksOn(broker)
  ])
  return table(headers, rows)
}

function leaseOf({ leaseRemainingMs, state }: Omit<BrokerStatus, 'load'>): string {
  if (leaseRemainingMs > 0) return readableMs(leaseRemainingMs)
  return state === 'running' || state === 'draining' ? `over since ${readableMs(-leaseRemainingMs)}` : '-'
}

function remarksOn({ leaving, slow, excluded }: Omit<BrokerStatus, 'load'>): string {
  const remarks = [
    ...(leaving > 0 ? [`${leaving} on their way elsewhere`] : []),
    ...(excluded ? ['excluded from balancing'] : []),
    ...(slow === undefined ? [] : [`slow: ${slow}`])
  ]
  return remarks.length > 0 ? remarks.join('; ') : '-'
}
