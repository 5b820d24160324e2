/** `longhaul partition move TOPIC PARTITION BROKER` */
import { Argument, Command } from 'commander'
import type { Metadata, Topic } from '../metadata/metadata.ts'
import { Fault } from '../runtime/fault.ts'
import { addClusterOptions, type ClusterOptions, requireTopic, withCluster } from './cluster-access.ts'
import { wholeNumber } from './option-values.ts'
import { type Surroundings, writeLine } from './surroundings.ts'
import { json } from './table.ts'

interface Options extends ClusterOptions {
  readonly json?: boolean
}

export function partitionMoveCommand(surroundings: Surroundings): Command {
  const command = new Command('move')
    .description('have a partition handed over to another broker; no data is copied')
    .argument('<topic>', 'name of the topic')
    .addArgument(new Argument('<partition>', 'its number').argParser(wholeNumber(0)))
    .addArgument(new Argument('<broker>', 'id of the broker that is to lead it').argParser(wholeNumber(0)))
    .option('--json', 'print JSON')
  return addClusterOptions(command)
    .addHelpText(
      'after',
      '\nExample:\n  longhaul partition move telemetry 0 2\n\n' +
        'Balancing may move it again; the topic setting longhaul.balance.pin keeps it.'
    )
    .action((name: string, partition: number, broker: number, options: Options) =>
      withCluster(options, surroundings, (metadata) =>
        move(metadata, { name, partition, broker }, options, surroundings)
      )
    )
}

async function move(
  metadata: Metadata,
  { name, partition, broker }: { readonly name: string; readonly partition: number; readonly broker: number },
  options: Options,
  { output }: Surroundings
): Promise<void> {
  const { pinsOf } = await import('../cluster/balance-view.ts')
  const topic = requireTopic(metadata, name)
  const row = requirePartition(topic, partition)
  requireRunning(metadata, broker)
  const pins = pinsOf(topic.configs)
  if (pins.length > 0 && !pins.includes(broker)) {
    const remedy = 'change its setting longhaul.balance.pin, or name one of those'
    throw new Fault('conflict', `topic ${name} is pinned to broker ${pins.join(', ')}, and would move back: ${remedy}`)
  }
  const isMoving = row.leader !== broker
  await metadata.setTargets([{ topicId: topic.id, index: partition, node: broker }])
  if (options.json) {
    return await writeLine(output, json({ topic: name, partition, from: row.leader, to: broker, begun: isMoving }))
  }
  const outcome = isMoving ? `moves from broker ${row.leader} to broker ${broker}` : `stays at broker ${broker}`
  await writeLine(output, `${name}-${partition} ${outcome}`)
}

export function requirePartition({ name, partitions }: Topic, index: number) {
  const row = partitions[index]
  if (row === undefined) {
    throw new Fault('missing', `topic ${name} has partitions 0 to ${partitions.length - 1}, and no ${index}`)
  }
  return row
}

function requireRunning({ image }: Metadata, id: number): void {
  const state = image.nodes().get(id)?.state
  if (state === 'running') return
  const running = [...image.nodes().values()].flatMap((node) => (node.state === 'running' ? [node.id] : []))
  const others = running.length > 0 ? `name one that runs: ${running.join(', ')}` : 'no broker runs: start one first'
  throw new Fault(
    'conflict',
    `broker ${id} ${state === undefined ? 'is not known' : `is ${state}`}, and can take nothing: ${others}`
  )
}
