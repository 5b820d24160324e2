/** `longhaul simulate`: drives a seeded fleet against a running node and proves that nothing acknowledged is missing. */
import { Command } from 'commander'
import { Fault } from '../runtime/fault.ts'
import { silentLog } from '../runtime/log.ts'
import type { SimulationResult } from '../simulator/simulate.ts'
import { bootstrapOption, requireBroker } from './kafka-client.ts'
import { wholeNumber } from './option-values.ts'
import { addRegistryOptions, type RegistryOptions, withRegistry } from './registry-access.ts'
import { type Surroundings, writeLine } from './surroundings.ts'
import { json } from './table.ts'

interface Options extends RegistryOptions {
  readonly bootstrap: string
  readonly gatewayHost: string
  readonly mqttPort: number
  readonly httpPort: number
  readonly devices: number
  readonly rate: number
  readonly records: number
  readonly seed: number
  readonly json?: boolean
}

const port = wholeNumber(1, 65_535)

export function simulateCommand(surroundings: Surroundings): Command {
  const command = new Command('simulate')
    .description('drive a simulated fleet over MQTT and HTTP, then prove by reading that every record arrived')
    .option('--devices <n>', 'devices in the fleet', wholeNumber(1, 10_000), 12)
    .option('--rate <n>', 'records per second of each device', wholeNumber(1, 10_000), 10)
    .option(
      '--records <n>',
      'end after so many records of the whole fleet; Ctrl-C ends it sooner',
      wholeNumber(1),
      1_000
    )
    .option('--seed <n>', 'the same seed measures the same values', wholeNumber(0, 2 ** 32 - 1), 1)
    .option('--gateway-host <host>', 'where the device gateway listens', '127.0.0.1')
    .option('--mqtt-port <n>', 'its MQTT port', port, 1883)
    .option('--http-port <n>', 'its HTTP port', port, 8080)
    .option('--json', 'print JSON')
    .addOption(bootstrapOption())
  return addRegistryOptions(command)
    .addHelpText(
      'after',
      "\nThe devices are registered in the node's own registry: name its --data-dir or --metadata when it is not ./data." +
        '\n\nExample:\n  longhaul simulate --devices 50 --records 10000 --seed 7'
    )
    .action((options: Options) => runSimulation(options, surroundings))
}

async function runSimulation(options: Options, surroundings: Surroundings): Promise<void> {
  const { clock, output, errors, stop } = surroundings
  const { devices, rate, records, seed, gatewayHost: host, mqttPort, httpPort, bootstrap } = options
  await requireBroker(bootstrap)
  // Loaded only here: the other commands start faster without it.
  const { simulate } = await import('../simulator/simulate.ts')
  await writeLine(errors, `seed ${seed}: ${devices} devices send ${records} records, ${devices * rate} a second …`)
  const result = await withRegistry(options, surroundings, (registry) =>
    simulate({
      gateway: { host, mqttPort, httpPort },
      registry,
      clock,
      log: silentLog,
      bootstrap: bootstrap.split(','),
      settings: { devices, seed, recordsPerSecond: rate, recordsMax: records },
      signal: stop
    })
  )
  await writeLine(output, options.json ? json({ seed, ...result }, 2) : inWords(result))
  if (!result.ok)
    throw new Fault('corrupt', 'what devices know and what the topics hold differ; the list above says where')
}

function inWords(result: SimulationResult): string {
  return [
    `measured      ${result.measured}`,
    `acknowledged  ${result.acknowledged}, ${result.acknowledgedPerSecond}/s over ${result.elapsedMs} ms`,
    `delivered     ${result.delivered} exactly as sent, ${result.deadLettered} malformed ones dead-lettered`,
    `lost          ${result.missing}, declared lost by devices ${result.declaredLost}, still with them ${result.buffered}`,
    `duplicates    ${result.duplicates}`,
    `altered       ${result.altered}, out of order ${result.outOfOrder}, strangers ${result.strangers}`,
    ...result.violations.map((violation) => `violation: ${violation}`),
    result.ok ? 'every acknowledged record is there' : 'NOT every acknowledged record is there as it was sent'
  ].join('\n')
}
