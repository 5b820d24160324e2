/** `longhaul device add ID` */
import { Command } from 'commander'
import { defaultTenant } from '../fleet/device-registry.ts'
import { collectPairs } from './option-values.ts'
import { addRegistryOptions, type RegistryOptions, withRegistry } from './registry-access.ts'
import { type Surroundings, writeLine } from './surroundings.ts'
import { json } from './table.ts'

interface Options extends RegistryOptions {
  readonly tenant: string
  readonly attribute: readonly [string, string][]
  readonly json?: boolean
}

export function deviceAddCommand(surroundings: Surroundings): Command {
  const command = new Command('add')
    .description('register a device and print its token, this once')
    .argument('<id>', 'id of the device')
    .option('--tenant <name>', 'tenant that the device belongs to', defaultTenant)
    .option('--attribute <name=value>', 'fact about the device, such as region=eu; repeatable', collectPairs, [])
    .option('--json', 'print JSON')
  return addRegistryOptions(command)
    .addHelpText('after', '\nExample:\n  TOKEN=$(longhaul device add truck-7 --attribute region=eu)')
    .action((id: string, options: Options) => addDevice(id, options, surroundings))
}

async function addDevice(id: string, options: Options, surroundings: Surroundings): Promise<void> {
  const { tenant } = options
  const attributes = Object.fromEntries(options.attribute)
  const { token } = await withRegistry(options, surroundings, (registry) => registry.add({ tenant, id, attributes }))
  if (options.json) return await writeLine(surroundings.output, json({ tenant, id, attributes, token }))
  // The token alone goes to standard output, so that a script can capture it.
  await writeLine(surroundings.errors, `added device ${id}; its token is shown only now:`)
  await writeLine(surroundings.output, token)
}
