/**
 * The same requests to Apache Kafka and to our broker, good and bad, at every version that both have; their answers are
 * compared field by field. Kafka is the one LONGHAUL_CONTROL_BOOTSTRAP names, or is started when KAFKA_LIB names its jars.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { WireFault } from '../../src/wire/buffers.ts'
import { apis } from '../faults/apis.ts'
import { type BrokerUnderTest, brokerUnderTest } from './broker-under-test.ts'
import type { Case } from './differential/case.ts'
import { type Difference, differences, plain } from './differential/comparison.ts'
import { fetchCases } from './differential/fetch-cases.ts'
import { groupCases } from './differential/group-cases.ts'
import { meantDifferences } from './differential/meant-differences.ts'
import { offsetCases } from './differential/offset-cases.ts'
import { Peer } from './differential/peer.ts'
import { produceCases } from './differential/produce-cases.ts'
import { topicCases } from './differential/topic-cases.ts'
import { type RunningKafka, startKafka } from './kafka/kafka.ts'

const TEST = { timeout: 180_000 }
const cases = [...topicCases, ...produceCases, ...fetchCases, ...groupCases, ...offsetCases]
const given = process.env.LONGHAUL_CONTROL_BOOTSTRAP
const skip =
  given === undefined && process.env.KAFKA_LIB === undefined
    ? 'needs Apache Kafka: set KAFKA_LIB to a folder with its jars, or LONGHAUL_CONTROL_BOOTSTRAP to its address'
    : false

describe('our broker answers as Apache Kafka does', { skip }, () => {
  let started: RunningKafka | undefined
  let broker: BrokerUnderTest | undefined
  let kafka: Peer
  let ours: Peer
  let ranges: Map<number, { min: number; max: number }>
  const run = Math.floor(Math.random() * 0x1_0000_0000).toString(36)

  before(async () => {
    started = given === undefined ? await startKafka() : undefined
    const [host = '', port] = (given ?? started?.bootstrap ?? '').split(':')
    broker = await brokerUnderTest()
    kafka = new Peer('Kafka', { host, port: Number(port) })
    ours = new Peer('ours', broker)
    kafka.scope = run
    ours.scope = run
    await Promise.all([kafka.connect(), ours.connect()])
    ranges = await commonVersions(kafka, ours)
  })
  after(async () => {
    kafka?.close()
    ours?.close()
    await broker?.stop()
    await started?.stop()
  })

  for (const [index, one] of cases.entries()) {
    it(`${one.request.name}: ${one.name}`, TEST, async (t) => {
      const range = ranges.get(one.request.apiKey)
      if (range === undefined) return t.skip('one of the brokers does not have this API')
      const found = new Map<string, number[]>()
      let compared = 0
      for (
        let version = Math.max(range.min, one.versions[0]);
        version <= Math.min(range.max, one.versions[1]);
        version++
      ) {
        kafka.scope = `${run}-${index}-${version}`
        ours.scope = kafka.scope
        const [theirs, mine] = await Promise.all([outcome(one, kafka, version), outcome(one, ours, version)])
        compared++
        for (const sentence of unmeant(one, differences(theirs, mine))) {
          found.set(sentence, [...(found.get(sentence) ?? []), version])
        }
      }
      assert.ok(compared > 0, 'no version was compared')
      const sentences = [...found].map(([sentence, versions]) => `v${versions.join(',')} ${sentence}`)
      if (sentences.length > 0) assert.fail(`differs from Kafka:\n${sentences.join('\n')}`)
    })
  }
})

/** What came of it, with failures as values: a closed connection is an answer, too. */
async function outcome(one: Case, peer: Peer, version: number) {
  try {
    return plain(await one.run(peer, version), peer)
  } catch (error) {
    if (error instanceof WireFault) return `the case cannot be said at this version: ${error.message}`
    peer.close()
    return `failed: ${error instanceof Error ? error.message : String(error)}`.replaceAll(peer.scope, '*')
  }
}

function unmeant(one: Case, all: readonly Difference[]): string[] {
  const where = `${one.request.name}: ${one.name}`
  return all
    .filter(({ path }) => !meantDifferences.some((meant) => meant.where.test(where) && meant.path.test(path)))
    .map(({ path, kafka, ours }) => `${path}: Kafka ${shown(kafka)}, ours ${shown(ours)}`)
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

async function commonVersions(kafka: Peer, ours: Peer) {
  const request = { clientSoftwareName: 'differential', clientSoftwareVersion: '1' }
  const [theirs, mine] = await Promise.all([kafka, ours].map((peer) => peer.send(apis.apiVersions, 3, request)))
  const ranges = new Map<number, { min: number; max: number }>()
  for (const { request: message } of Object.values(apis)) {
    const [a, b] = [theirs, mine].map((answer) => answer?.apiKeys.find(({ apiKey }) => apiKey === message.apiKey))
    if (a === undefined || b === undefined) continue
    const min = Math.max(a.minVersion, b.minVersion, message.minVersion)
    ranges.set(message.apiKey, { min, max: Math.min(a.maxVersion, b.maxVersion, message.maxVersion) })
  }
  return ranges
}
