/** What to try once a node runs: commands that can be pasted as they are. */
import type { NodeStatus } from '../node/node-status.ts'
import type { Configuration } from '../runtime/configuration.ts'
import { defaultBootstrap } from './kafka-client.ts'

export function nextSteps(status: NodeStatus, { dataDir, fleet }: Configuration): string {
  const { kafkaAddress } = status
  const bootstrap = kafkaAddress === defaultBootstrap ? '' : ` --bootstrap ${kafkaAddress}`
  return [
    `A node runs${fleet ? ' with a simulated fleet' : ''}. In another terminal:`,
    '',
    '  read what devices send',
    `    npx longhaul consume telemetry --from-beginning --json --max-messages 5${bootstrap}`,
    `    kcat -b ${kafkaAddress} -t telemetry -C -o beginning -c 5`,
    ...ownDevice(status, dataDir),
    '  lose nothing: kill it, start it again the same way, and look at the count',
    `    kill -9 ${process.pid}`,
    ''
  ].join('\n')
}

/** Sending as a device of one's own, when there is a gateway. */
function ownDevice({ mqttAddress, httpAddress }: NodeStatus, dataDir: string): string[] {
  if (mqttAddress === '' || httpAddress === '') return []
  const at = mqttAddress.lastIndexOf(':')
  const host = mqttAddress.slice(0, at).replaceAll(/[[\]]/g, '')
  const port = mqttAddress.slice(at + 1)
  return [
    '  send a record as a device of your own, over HTTP or MQTT',
    `    TOKEN=$(npx longhaul device add truck-7 --data-dir ${quoted(dataDir)})`,
    `    curl -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' \\`,
    `      -d '{"speed":88}' http://${httpAddress}/v1/telemetry`,
    `    mosquitto_pub -h ${host} -p ${port} -u truck-7 -P "$TOKEN" -q 1 -t v1/telemetry -m '{"speed":88}'`
  ]
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
