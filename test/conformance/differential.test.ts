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
import { clusterCases } from './differential/cluster-cases.ts'
import { type Difference, differences, plain } from './differential/comparison.ts'
import { configCases } from './differential/config-cases.ts'
import { consumerGroupCases } from './differential/consumer-group-cases.ts'
import { fetchCases } from './differential/fetch-cases.ts'
import { groupCases } from './differential/group-cases.ts'
import { meantDifferences } from './differential/meant-differences.ts'
import { offsetCases } from './differential/offset-cases.ts'
import { Peer } from './differential/peer.ts'
import { produceCases } from './differential/produce-cases.ts'
import { shareFetchCases } from './differential/share-fetch-cases.ts'
import { shareGroupCases } from './differential/share-group-cases.ts'
import { shareStateCases } from './differential/share-state-cases.ts'
import { streamsGroupCases } from './differential/streams-group-cases.ts'
import { topicCases } from './differential/topic-cases.ts'
import { transactionCases } from './differential/transaction-cases.ts'
import { transactionLogCases } from './differential/transaction-log-cases.ts'
import type { RunningKafka } from './kafka/kafka.ts'
import { startKafkaWithTelemetry } from './kafka/telemetry.ts'

const TEST = { timeout: 180_000 }
/** Versions of the busiest APIs whose messages and meaning are those of the version before: ApiVersions is enough. */
const SAME_AS_BEFORE: ReadonlyMap<number, readonly number[]> = new Map<number, readonly number[]>([
  [apis.produce.request.apiKey, [4, 6]],
  [apis.fetch.request.apiKey, [6, 8, 14]],
  [apis.listOffsets.request.apiKey, [3, 5]]
])
/** Cases wait more than they work. */
const CASES_AT_ONCE = 12
const cases = [
  ...topicCases,
  ...produceCases,
  ...fetchCases,
  ...groupCases,
  ...offsetCases,
  ...transactionCases,
  ...transactionLogCases,
  ...consumerGroupCases,
  ...shareGroupCases,
  ...shareStateCases,
  ...shareFetchCases,
  ...streamsGroupCases,
  ...configCases,
  ...clusterCases
]
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
  const scope = Math.floor(Math.random() * 0x1_0000_0000).toString(36)

  before(async () => {
    started = given === undefined ? await startKafkaWithTelemetry() : undefined
    const [host = '', port] = (given ?? started?.bootstrap ?? '').split(':')
    broker = await brokerUnderTest()
    ;[kafka, ours] = await Promise.all([
      Peer.connect('Kafka', { host, port: Number(port) }, scope),
      Peer.connect('ours', broker, scope)
    ])
    ranges = await commonVersions(kafka, ours)
  })
  after(async () => {
    kafka?.close()
    ours?.close()
    await broker?.stop()
    await started?.stop()
  })

  describe('side by side', { concurrency: CASES_AT_ONCE }, () => {
    for (const [index, one] of cases.entries()) if (one.alone !== true) compare(one, index)
  })
  describe('one after another', () => {
    for (const [index, one] of cases.entries()) if (one.alone === true) compare(one, index)
  })

  function compare(one: Case, index: number): void {
    it(`${one.request.name}: ${one.name}`, TEST, async (t) => {
      const range = ranges.get(one.request.apiKey)
      if (range === undefined) return t.skip('one of the brokers does not have this API')
      const versions = versionsOf(one, range)
      const found = new Map<string, number[]>()
      const run = async (version: number) => {
        for (const sentence of await compareAt(one, `${scope}-${index}-${version}`, version)) {
          found.set(
            sentence,
            [...(found.get(sentence) ?? []), version].sort((a, b) => a - b)
          )
        }
      }
      if (one.alone === true) for (const version of versions) await run(version)
      else await Promise.all(versions.map(run))
      assert.ok(versions.length > 0, 'no version was compared')
      const sentences = [...found].map(([sentence, versions]) => `v${versions.join(',')} ${sentence}`)
      if (sentences.length > 0) assert.fail(`differs from Kafka:\n${sentences.join('\n')}`)
    })
  }

  async function compareAt(one: Case, scope: string, version: number): Promise<string[]> {
    const [theirs, mine] = await Promise.all([kafka, ours].map((peer) => outcome(one, peer.at(scope), version)))
    return unmeant(one, differences(theirs, mine))
  }
})

/** What came of it, with failures as values: a closed connection is an answer, too. */
async function outcome(one: Case, peer: Peer, version: number) {
  try {
    return plain(await one.run(peer, version), peer)
  } catch (error) {
    // A request that its version cannot carry, or an answer that is none: nothing would be compared.
    if (error instanceof WireFault) throw error
    const message = error instanceof Error ? error.message : String(error)
    return `failed: ${message}`.replaceAll(peer.scope, '*').replaceAll(peer.name, 'the broker')
  } finally {
    peer.close()
  }
}

function versionsOf({ request, versions: [first, last] }: Case, range: { min: number; max: number }): number[] {
  const min = Math.max(range.min, first)
  const all = Array.from({ length: Math.max(0, Math.min(range.max, last) - min + 1) }, (_, index) => min + index)
  const told = all.filter((version) => !SAME_AS_BEFORE.get(request.apiKey)?.includes(version))
  return told.length > 0 ? told : all
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
