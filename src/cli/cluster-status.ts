/** `longhaul cluster status`: who is there, who leads what, and what went wrong lately. */
import { Command } from 'commander'
import type { ClusterStatus, UnservedPartition } from '../admin/cluster/cluster-status.ts'
import type { Failover } from '../metadata/failovers.ts'
import { brokerTable } from './broker-list.ts'
import { addClusterOptions, type ClusterOptions, readableMs, withCluster } from './cluster-access.ts'
import { wholeNumber } from './option-values.ts'
import { readableBytes } from './storage-access.ts'
import { type Surroundings, writeLine } from './surroundings.ts'
import { json, table } from './table.ts'

/** More of them say nothing new to people. */
const UNSERVED_SHOWN = 20

interface Options extends ClusterOptions {
  readonly failovers: number
  readonly json?: boolean
}

export function clusterStatusCommand(surroundings: Surroundings): Command {
  const command = new Command('status')
    .description('show brokers, leases, the controller, partitions that nobody serves, and the last failovers')
    .option('--failovers <n>', 'how many of the last failovers to show', wholeNumber(0, 100), 5)
    .option('--json', 'print JSON')
  return addClusterOptions(command)
    .addHelpText('after', '\nExample:\n  longhaul cluster status --metadata postgres://db/longhaul')
    .action((options: Options) => show(options, surroundings))
}

async function show(options: Options, surroundings: Surroundings): Promise<void> {
  const { loadClusterStatus } = await import('../admin/cluster/cluster-status.ts')
  const found = await withCluster(options, surroundings, loadClusterStatus)
  const failovers = options.failovers === 0 ? [] : found.failovers.slice(-options.failovers)
  const status = { ...found, failovers }
  await writeLine(surroundings.output, options.json ? json(status, 2) : inWords(status))
}

function inWords({ clusterId, controller, brokers, unserved, failovers }: ClusterStatus): string {
  const leader =
    controller === undefined
      ? 'none: nobody would notice a broker that dies. It takes a running broker that reaches the database'
      : `broker ${controller.nodeId}, epoch ${controller.epoch}, lease ${readableMs(controller.leaseRemainingMs)}`
  return [
    `cluster ${clusterId}`,
    `controller: ${leader}`,
    '',
    brokerTable(brokers),
    '',
    unservedInWords(unserved),
    ...(failovers.length === 0
      ? ['no failovers']
      : ['', 'failovers, times from the end of the lease:', failoverTable(failovers)])
  ].join('\n')
}

function unservedInWords(unserved: readonly UnservedPartition[]): string {
  if (unserved.length === 0) return 'every partition has a leader that serves'
  const rows = unserved
    .slice(0, UNSERVED_SHOWN)
    .map(({ topic, partition, leader, why }) => [`${topic}-${partition}`, leader, why])
  const more = unserved.length > UNSERVED_SHOWN ? `\nand ${unserved.length - UNSERVED_SHOWN} more` : ''
  return `${unserved.length} partitions that nobody serves:\n${table(['PARTITION', 'LEADER', 'WHICH IS'], rows)}${more}`
}

function failoverTable(failovers: readonly Failover[]): string {
  const headers = ['BROKER', 'AT', 'NOTICED', 'FENCED', 'OPENED', 'REPLAYED', 'COMMITTED', 'SERVED', 'MOVED', 'OUTCOME']
  const rows = failovers
    .toReversed()
    .map((it) => [
      it.nodeId,
      new Date(it.sinceMs).toISOString(),
      ...[it.noticedMs, it.fencedMs, it.openedMs, it.replayedMs, it.committedMs, it.handedOverMs].map((ms) =>
        ms === undefined ? '-' : readableMs(ms)
      ),
      `${it.partitions} partitions, ${it.records} records, ${readableBytes(it.bytes)}`,
      it.problem === undefined ? it.outcome : `${it.outcome}; ${it.problem}`
    ])
  return table(headers, rows)
}
