/** `longhaul device list` */
import { Command } from 'commander'
import { addRegistryOptions, type RegistryOptions, withRegistry } from './registry-access.ts'
import { type Surroundings, writeLine } from './surroundings.ts'
import { json, table } from './table.ts'

interface Options extends RegistryOptions {
  readonly tenant?: string
  readonly json?: boolean
}

export function deviceListCommand(surroundings: Surroundings): Command {
  const command = new Command('list')
    .description('list registered devices')
    .option('--tenant <name>', 'only devices of this tenant')
    .option('--json', 'print JSON')
  return addRegistryOptions(command)
    .addHelpText('after', '\nExample:\n  longhaul device list --tenant default')
    .action((options: Options) => listDevices(options, surroundings))
}

async function listDevices(options: Options, surroundings: Surroundings): Promise<void> {
  const { output, errors } = surroundings
  const devices = await withRegistry(options, surroundings, (registry) => registry.list(options.tenant))
  if (options.json) return await writeLine(output, json(devices, 2))
  if (devices.length === 0) return await writeLine(errors, 'no devices yet: `longhaul device add ID` registers one')
  const rows = devices.map((device) => [
    device.tenant,
    device.id,
    device.enabled ? 'enabled' : 'disabled',
    Object.entries(device.attributes)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ')
  ])
  await writeLine(output, table(['TENANT', 'DEVICE', 'STATE', 'ATTRIBUTES'], rows))
}
