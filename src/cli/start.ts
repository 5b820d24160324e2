/**
 * `longhaul start`: runs a node until it is told to stop, and shows how it fares.
 * What the node consists of is decided in `node/`; here are only its settings, its display and its end.
 */
import { Command } from 'commander'
import type { NodeStatus } from '../node/node-status.ts'
import { type Configuration, loadConfiguration } from '../runtime/configuration.ts'
import { settingNames } from '../runtime/configuration-settings.ts'
import { nextSteps } from './next-steps.ts'
import { settingOptions } from './setting-options.ts'
import { jsonStatus, showStatus } from './status-display.ts'
import { type Surroundings, writeLine } from './surroundings.ts'
import { json } from './table.ts'

type Flags = Readonly<Record<string, unknown>>

export interface StartedNode {
  status(): NodeStatus
  /** Rejects when the node can take no records any more, although nobody stopped it; never resolves. */
  readonly failed: Promise<never>
  /** Uploads or keeps in the WAL what was acknowledged, then releases ports and files. */
  close(): Promise<void>
}

export type StartNode = (configuration: Configuration, surroundings: Surroundings) => Promise<StartedNode>

export function startCommand(surroundings: Surroundings, start: StartNode = startRealNode): Command {
  const command = new Command('start')
    .description('run a node: broker, device gateway and, unless switched off, a small simulated fleet')
    .option('--config <file>', 'YAML file with settings; flags and LONGHAUL_… variables win over it')
  for (const option of settingOptions(settingNames)) command.addOption(option)
  return command
    .option('--json', 'print a line of JSON when started, every second, and when stopped')
    .addHelpText(
      'after',
      '\nExamples:\n  longhaul start\n  longhaul start --no-fleet --data-dir /var/lib/longhaul\n' +
        '\nCtrl-C stops cleanly, a second one at once. docs/configuration.md tells more about each setting.'
    )
    .action((flags: Flags) => runNode(flags, surroundings, start))
}

async function runNode(flags: Flags, surroundings: Surroundings, start: StartNode): Promise<void> {
  const { env, readFile, workingDirectory, output, clock, stop } = surroundings
  const configuration = loadConfiguration({ flags, env, readFile, workingDirectory })
  const node = await start(configuration, surroundings)
  const say = (event: string, sentence: string) =>
    writeLine(output, flags.json === true ? json({ event, ...node.status() }) : sentence)
  try {
    await say('started', nextSteps(node.status(), configuration))
    const show = flags.json === true ? jsonStatus : showStatus
    const display = show(output, clock, () => node.status())
    await Promise.race([stopRequested(stop), node.failed]).finally(() => display.close())
    await say('stopping', 'stopping …')
  } finally {
    await node.close()
  }
  await writeLine(output, flags.json === true ? json({ event: 'stopped' }) : 'stopped; everything acknowledged is kept')
}

function stopRequested(stop: AbortSignal): Promise<void> {
  if (stop.aborted) return Promise.resolve()
  return new Promise((resolve) => stop.addEventListener('abort', () => resolve(), { once: true }))
}

/** Loaded only here: the other commands need none of it and start faster without. */
async function startRealNode(configuration: Configuration, { clock, random }: Surroundings): Promise<StartedNode> {
  const { startNode } = await import('../node/node.ts')
  return await startNode(configuration, { clock, random })
}
