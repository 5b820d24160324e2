/** `longhaul broker drain ID`: a broker hands over what it leads and gets nothing more, so that it can be stopped. */
import { Argument, Command } from 'commander'
import type { ClusterNode, Metadata } from '../metadata/metadata.ts'
import { sleep } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import { addClusterOptions, type ClusterOptions, withCluster } from './cluster-access.ts'
import { wholeNumber } from './option-values.ts'
import { type Surroundings, writeLine } from './surroundings.ts'
import { json } from './table.ts'

const LOOK_MS = 200

interface Options extends ClusterOptions {
  readonly cancel?: boolean
  readonly wait?: boolean
  readonly timeoutMs?: number
  readonly json?: boolean
}

export function brokerDrainCommand(surroundings: Surroundings): Command {
  const command = new Command('drain')
    .description('have a broker hand over what it leads, and give it nothing more until it starts again')
    .addArgument(new Argument('<id>', 'id of the broker').argParser(wholeNumber(0)))
    .option('--cancel', 'give it partitions again')
    .option('--wait', 'wait until it leads nothing')
    .option('--timeout-ms <ms>', 'how long to wait at most; without it, as long as it takes', wholeNumber(0))
    .option('--json', 'print JSON')
  return addClusterOptions(command)
    .addHelpText('after', '\nExamples:\n  longhaul broker drain 3 --wait\n  longhaul broker drain 3 --cancel')
    .action((id: number, options: Options) => drain(id, options, surroundings))
}

async function drain(id: number, options: Options, surroundings: Surroundings): Promise<void> {
  if (options.cancel && options.wait) {
    throw new Fault(
      'invalid',
      '--cancel and --wait exclude each other: a broker that drains no more never leads nothing'
    )
  }
  await withCluster(options, surroundings, async (metadata) => {
    const node = requireBroker(metadata, id)
    const state = options.cancel ? 'running' : 'draining'
    if (state === 'draining') requireHeirs(metadata, id)
    const isChanged = node.state !== state
    if (isChanged) await metadata.announceNode(id, node.epoch, state, node)
    if (options.wait) await emptied(metadata, id, options, surroundings)
    await tell({ id, state, isChanged, leads: countLed(metadata, id) }, options, surroundings)
  })
}

interface Outcome {
  readonly id: number
  readonly state: 'running' | 'draining'
  readonly isChanged: boolean
  readonly leads: number
}

async function tell(
  { id, state, isChanged, leads }: Outcome,
  options: Options,
  { output }: Surroundings
): Promise<void> {
  if (options.json) return await writeLine(output, json({ id, state, changed: isChanged, partitions: leads }))
  if (state === 'running') {
    return await writeLine(output, isChanged ? `broker ${id} takes partitions again` : `broker ${id} was not draining`)
  }
  const emptied =
    leads === 0 ? 'leads nothing: it can be stopped' : `leads ${leads} partitions; --wait waits for the last`
  await writeLine(output, `broker ${id} ${isChanged ? 'is draining' : 'was draining already'} and ${emptied}`)
}

/** One that is alive, as far as the metadata tells. */
function requireBroker({ image }: Metadata, id: number): ClusterNode {
  const node = image.nodes().get(id)
  if (node === undefined) {
    const ids = [...image.nodes().keys()]
    const known = ids.length > 0 ? `those there are: ${ids.join(', ')}` : 'none has joined a cluster on this database'
    throw new Fault('missing', `there is no broker ${id}; ${known}`)
  }
  if (node.state === 'running' || node.state === 'draining') return node
  const remedy = 'what it led goes to others by itself'
  throw new Fault(
    'conflict',
    `broker ${id} is ${node.state}: only one that runs can be drained, or take partitions again; ${remedy}`
  )
}

function requireHeirs({ image }: Metadata, id: number): void {
  for (const node of image.nodes().values()) if (node.id !== id && node.state === 'running') return
  throw new Fault('conflict', `no other broker runs that could take what broker ${id} leads: start one first`)
}

async function emptied(
  metadata: Metadata,
  id: number,
  { timeoutMs }: Options,
  surroundings: Surroundings
): Promise<void> {
  const { clock, errors, stop } = surroundings
  const endMs = clock.monotonic() + (timeoutMs ?? Number.POSITIVE_INFINITY)
  for (let told = -1; ; ) {
    await metadata.poll()
    const leads = countLed(metadata, id)
    if (leads === 0) return
    if (leads !== told) await writeLine(errors, `broker ${id} leads ${leads} partitions`)
    told = leads
    if (stop.aborted) throw new Fault('closed', `no longer waiting; broker ${id} goes on draining`)
    if (clock.monotonic() >= endMs) {
      const advice = 'longhaul cluster status shows whether a controller runs and where they are to go'
      throw new Fault('unavailable', `broker ${id} still leads ${leads} partitions: ${advice}`)
    }
    await sleep(clock, LOOK_MS, stop)
  }
}

function countLed({ image }: Metadata, id: number): number {
  let count = 0
  for (const { partitions } of image.topics()) for (const { leader } of partitions) if (leader === id) count += 1
  return count
}
