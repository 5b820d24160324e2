/** `longhaul partition describe TOPIC [PARTITION]`: who leads it, where it goes, and what goes through it. */
import { Argument, Command } from 'commander'
import type { Metadata } from '../metadata/metadata.ts'
import { addClusterOptions, type ClusterOptions, requireTopic, withCluster } from './cluster-access.ts'
import { wholeNumber } from './option-values.ts'
import { requirePartition } from './partition-move.ts'
import { readableBytes } from './storage-access.ts'
import { type Surroundings, writeLine } from './surroundings.ts'
import { json, table } from './table.ts'

interface Options extends ClusterOptions {
  readonly json?: boolean
}

export function partitionDescribeCommand(surroundings: Surroundings): Command {
  const command = new Command('describe')
    .description('show who leads the partitions of a topic, where they are to go, and what goes through them')
    .argument('<topic>', 'name of the topic')
    .addArgument(new Argument('[partition]', 'its number; all of them without it').argParser(wholeNumber(0)))
    .option('--json', 'print JSON')
  return addClusterOptions(command)
    .addHelpText('after', '\nExample:\n  longhaul partition describe telemetry')
    .action(async (name: string, partition: number | undefined, options: Options) => {
      const rows = await withCluster(options, surroundings, (metadata) => describe(metadata, name, partition))
      await writeLine(surroundings.output, options.json ? json(rows, 2) : inWords(rows))
    })
}

async function describe(metadata: Metadata, name: string, partition: number | undefined) {
  const { loadBalanceView } = await import('../admin/cluster/cluster-status.ts')
  const topic = requireTopic(metadata, name)
  const wanted = partition === undefined ? topic.partitions : [requirePartition(topic, partition)]
  const view = await loadBalanceView(metadata)
  const { image } = metadata
  return wanted.map(({ index, leader, leaderEpoch, target, streamId }) => {
    const known = view.partitions.find((one) => one.topicId === topic.id && one.index === index)
    return {
      topic: name,
      partition: index,
      leader,
      leaderState: image.nodes().get(leader)?.state ?? null,
      leaderEpoch,
      target,
      pins: known?.pins ?? [],
      streamId,
      startOffset: image.stream(streamId)?.startOffset,
      committedOffset: image.stream(streamId)?.endOffset,
      bytesInPerSecond: known?.load?.bytesIn,
      bytesOutPerSecond: known?.load?.bytesOut,
      requestsPerSecond: known?.load?.requests
    }
  })
}

function inWords(rows: Awaited<ReturnType<typeof describe>>): string {
  const headers = [
    'PARTITION',
    'LEADER',
    'WHICH IS',
    'EPOCH',
    'MOVES TO',
    'PINNED TO',
    'START',
    'IN OBJECTS TO',
    'IN',
    'OUT',
    'REQUESTS'
  ]
  const rate = (bytes: number | undefined): string => (bytes === undefined ? '-' : `${readableBytes(bytes)}/s`)
  const cells = rows.map((row) => [
    `${row.topic}-${row.partition}`,
    row.leader,
    row.leaderState ?? '-',
    row.leaderEpoch,
    row.target ?? '-',
    row.pins.length > 0 ? row.pins.join(',') : '-',
    row.startOffset,
    row.committedOffset,
    rate(row.bytesInPerSecond),
    rate(row.bytesOutPerSecond),
    row.requestsPerSecond === undefined ? '-' : `${row.requestsPerSecond.toFixed(1)}/s`
  ])
  return table(headers, cells)
}
