/**
 * `node dist/test/conformance/java.slow.js [--peer longhaul|kafka] [--part NAME]… [--only TEXT]`: Kafka's own tools, Java
 * clients, Streams, Connect and MirrorMaker against our broker, or against Apache Kafka as the control.
 *
 * Prints each check as it ends; a whole run against ours is saved for the page of compatibility. Ends with status 1 when
 * something that is offered fails.
 */
import { parseArgs } from 'node:util'
import { type Finding, saveFindings } from './compatibility.ts'
import { CheckReport } from './java/check-report.ts'
import { connectChecks } from './java/connect-checks.ts'
import { javaClientChecks } from './java/java-clients.ts'
import { type JavaSetUp, setUpJava } from './java/java-set-up.ts'
import { mirrorChecks } from './java/mirror-checks.ts'
import { streamsChecks } from './java/streams-checks.ts'
import { PEERS, type Peer, type PeerName, startPeer } from './java/suite-peer.ts'
import { toolChecks } from './java/tools/tool-checks.ts'

type Part = (setUp: JavaSetUp, peer: Peer, report: CheckReport) => Promise<void>
const parts: Readonly<Record<string, Part>> = {
  tools: (setUp, peer, report) => toolChecks(setUp, peer.bootstrap, report),
  streams: (setUp, peer, report) => streamsChecks(setUp, peer.bootstrap, report),
  connect: (setUp, peer, report) => connectChecks(setUp, peer.bootstrap, report),
  mirror: (setUp, peer, report) => mirrorChecks(setUp, peer.bootstrap, report),
  clients: (setUp, peer, report) => javaClientChecks(setUp, peer.bootstrap, report)
}

const { values } = parseArgs({
  options: {
    peer: { type: 'string', default: 'longhaul' },
    part: { type: 'string', multiple: true, default: Object.keys(parts) },
    only: { type: 'string', default: '' }
  }
})
const setUp = await setUpJava()
const report = new CheckReport(values.only, print)
for (const name of values.part) {
  const part = parts[name]
  if (part === undefined) throw new Error(`no part ${name}: there are ${Object.keys(parts).join(', ')}`)
  // Each part has a broker of its own, so that what one leaves behind is not in the way of another.
  const peer = await startPeer(peerNamed(values.peer), setUp)
  try {
    await part(setUp, peer, report)
  } finally {
    await peer.stop()
  }
}
const whole = values.only === '' && values.part.length === Object.keys(parts).length
if (values.peer === 'longhaul' && whole) await saveFindings('java', report.findings)
const count = (result: string): number => report.findings.filter((finding) => finding.result === result).length
console.log(`${count('works')} work, ${count('not offered')} are not offered, ${count('fails')} fail`)
process.exit(count('fails') === 0 && report.findings.length > 0 ? 0 : 1)

function print({ client, version, feature, result, detail }: Finding): void {
  console.log(`${result.padEnd(12)} ${client} ${version}: ${feature}${detail === '' ? '' : `  (${detail})`}`)
}

function peerNamed(name: string): PeerName {
  const peer = PEERS.find((one) => one === name)
  if (peer === undefined) throw new Error(`no peer ${name}: there are ${PEERS.join(', ')}`)
  return peer
}
