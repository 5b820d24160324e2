/**
 * MirrorMaker 2 between Apache Kafka and the broker under test, both ways at once: records exactly once through a kill,
 * settings of topics, and the offsets of groups, translated.
 */
import assert from 'node:assert/strict'
import { KAFKA_VERSION } from '../kafka/kafka.ts'
import type { PeerProcess } from '../peer-process.ts'
import { eventually, unique } from '../waiting.ts'
import type { CheckReport } from './check-report.ts'
import { startJava } from './java-process.ts'
import type { JavaSetUp } from './java-set-up.ts'
import { startPeer } from './suite-peer.ts'
import { found, KafkaTools, once } from './tools/kafka-tools.ts'

const CLIENT = 'MirrorMaker 2'
const MIRROR_MAKER = 'org.apache.kafka.connect.mirror.MirrorMaker'
const SLOW = { timeoutMs: 240_000 }
const MIRRORED_MS = 120_000
const RECORDS = 100
const FLOWING = 1500
const PER_SECOND = 100

/** One of the two clusters: its name in the settings, and its tools. */
interface Side {
  readonly alias: string
  readonly tools: KafkaTools
}

export async function mirrorChecks(setUp: JavaSetUp, bootstrap: string, report: CheckReport): Promise<void> {
  const kafka = await startPeer('kafka', setUp)
  const apache = { alias: 'apache', tools: await KafkaTools.create(setUp, kafka.bootstrap, report) }
  const tested = { alias: 'tested', tools: await KafkaTools.create(setUp, bootstrap, report) }
  const mirror = new Mirror(setUp, apache, tested)
  try {
    for (const [from, to, name] of [
      [apache, tested, 'from Apache Kafka'],
      [tested, apache, 'to Apache Kafka']
    ] as const) {
      await direction(report, new Flow(mirror, from, to), name)
    }
  } finally {
    await mirror.stop()
    await apache.tools.close()
    await tested.tools.close()
    await kafka.stop()
  }
}

async function direction(report: CheckReport, flow: Flow, name: string): Promise<void> {
  const check = (feature: string, run: () => Promise<void>): Promise<void> =>
    report.check(CLIENT, KAFKA_VERSION, `${feature} ${name}`, run, SLOW)
  const mirrored = once(() => flow.mirror())
  const withRecords = (run: () => Promise<void>) => async () => {
    await mirrored()
    await run()
  }
  await check('records', mirrored)
  await check(
    'topic settings',
    withRecords(() => flow.settings())
  )
  await check(
    'translated offsets of a group',
    withRecords(() => flow.offsets())
  )
  await check(
    'checkpoints and heartbeats',
    withRecords(() => flow.internalTopics())
  )
  await check(
    'records exactly once through a kill',
    withRecords(() => flow.throughKill())
  )
}

class Mirror {
  readonly #setUp: JavaSetUp
  readonly #sides: readonly [Side, Side]
  #process: PeerProcess | undefined

  constructor(setUp: JavaSetUp, ...sides: [Side, Side]) {
    this.#setUp = setUp
    this.#sides = sides
  }

  async start(): Promise<void> {
    if (this.#process?.over === false) return
    const [one, other] = this.#sides
    const file = await one.tools.file('mirror-maker.properties', properties(one, other))
    this.#process = startJava(this.#setUp.newest, MIRROR_MAKER, [file], { heapMb: 512, log: 'warn' })
  }

  async kill(): Promise<void> {
    await this.#process?.kill()
  }

  async stop(): Promise<void> {
    await this.#process?.kill()
  }

  lastOutput(): string {
    return this.#process?.stderr.slice(-300) ?? ''
  }
}

function properties(one: Side, other: Side): string {
  const settings: Record<string, string> = {
    clusters: `${one.alias}, ${other.alias}`,
    topics: 'mirrored-.*',
    groups: 'mirrored-.*',
    'sync.group.offsets.enabled': 'true',
    'sync.topic.acls.enabled': 'false',
    'offset.lag.max': '0'
  }
  for (const interval of [
    'refresh.topics',
    'refresh.groups',
    'sync.topic.configs',
    'emit.checkpoints',
    'sync.group.offsets'
  ]) {
    settings[`${interval}.interval.seconds`] = '2'
  }
  for (const topic of [
    'offset.storage',
    'status.storage',
    'config.storage',
    'checkpoints.topic',
    'heartbeats.topic',
    'offset-syncs.topic'
  ]) {
    settings[`${topic}.replication.factor`] = '1'
  }
  settings['replication.factor'] = '1'
  for (const [from, to] of [
    [one, other],
    [other, one]
  ] as const) {
    settings[`${from.alias}.bootstrap.servers`] = from.tools.bootstrap
    settings[`${from.alias}->${to.alias}.enabled`] = 'true'
    // Settings of the workers count only under the name of the cluster that they write to.
    settings[`${to.alias}.exactly.once.source.support`] = 'enabled'
    settings[`${to.alias}.scheduled.rebalance.max.delay.ms`] = '1000'
  }
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join('')
}

/** One direction, with a topic and groups of its own. */
class Flow {
  readonly #mirror: Mirror
  readonly #from: Side
  readonly #to: Side
  readonly #topic = unique('mirrored')
  readonly #copy: string

  constructor(mirror: Mirror, from: Side, to: Side) {
    this.#mirror = mirror
    this.#from = from
    this.#to = to
    this.#copy = `${from.alias}.${this.#topic}`
  }

  async mirror(): Promise<void> {
    await this.#from.tools.filledTopic(this.#topic, RECORDS, 1)
    await this.#setting('retention.ms=86400001')
    await this.#mirror.start()
    await this.#eventually('the copy has all records', async () => (await this.#values(RECORDS)).length === RECORDS)
    assert.deepEqual(
      await this.#values(RECORDS),
      Array.from({ length: RECORDS }, (_, index) => `line-${index}`)
    )
  }

  async settings(): Promise<void> {
    const described = (): Promise<string> => this.#to.tools.run('kafka-topics', ['--describe', '--topic', this.#copy])
    await this.#eventually('the setting is copied', async () => /retention\.ms=86400001/.test(await described()))
    await this.#setting('retention.ms=86400002')
    await this.#eventually('its change is copied', async () => /retention\.ms=86400002/.test(await described()))
  }

  /** Offsets are translated when the copier has seen them pass, so the one at the end is exact. */
  async offsets(): Promise<void> {
    const group = unique('mirrored')
    const read = ['--topic', this.#topic, '--group', group, '--from-beginning', '--max-messages', String(RECORDS)]
    await this.#from.tools.run('kafka-console-consumer', [...read, '--timeout-ms', '30000'])
    const committed = new RegExp(`${group}\\s+${this.#copy}\\s+0\\s+(\\d+)\\s`)
    await this.#eventually('the offset is translated', async () => {
      const { output } = await this.#to.tools.try('kafka-consumer-groups', ['--describe', '--group', group])
      // In the copy, the ends of transactions take offsets too.
      return Number(committed.exec(output)?.[1] ?? 0) >= RECORDS
    })
    const rest = ['--topic', this.#copy, '--group', group, '--timeout-ms', '8000']
    const output = await this.#to.tools.run('kafka-console-consumer', rest)
    found(output, /Processed a total of 0 messages/)
  }

  async internalTopics(): Promise<void> {
    const topics = await this.#to.tools.run('kafka-topics', ['--list'])
    found(topics, new RegExp(`^${this.#from.alias}\\.checkpoints\\.internal$`, 'm'))
    found(topics, /^heartbeats$/m)
    found(topics, new RegExp(`^${this.#from.alias}\\.heartbeats$`, 'm'))
    const read = ['--topic', `${this.#from.alias}.checkpoints.internal`, '--from-beginning', '--max-messages', '1']
    const output = await this.#to.tools.run('kafka-console-consumer', [...read, '--timeout-ms', '30000'])
    found(output, /Processed a total of 1 messages/)
  }

  async throughKill(): Promise<void> {
    const feed = this.#from.tools.startProgram('WordFeed', [this.#topic, String(FLOWING), String(PER_SECOND)])
    await feed.until('half of the records', 60_000, () => (feed.stdout.includes('sent 700\n') ? true : undefined))
    await this.#mirror.kill()
    await this.#mirror.start()
    await feed.until('all records', 60_000, () => (feed.stdout.includes('sent all') ? true : undefined))
    const all = RECORDS + FLOWING
    await this.#eventually('the copy is complete', async () => (await this.#values(all)).length >= all)
    const original = await read(this.#from.tools, this.#topic, all + 1)
    assert.deepEqual(await this.#values(all + 1), original)
  }

  #values(count: number): Promise<string[]> {
    return read(this.#to.tools, this.#copy, count)
  }

  async #setting(config: string): Promise<void> {
    const entity = ['--entity-type', 'topics', '--entity-name', this.#topic]
    await this.#from.tools.run('kafka-configs', [...entity, '--alter', '--add-config', config])
  }

  async #eventually(what: string, condition: () => Promise<boolean>): Promise<void> {
    try {
      await eventually(what, condition, MIRRORED_MS)
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}; ${this.#mirror.lastOutput()}`)
    }
  }
}

/** The committed values of a topic with one partition, at most `count`. */
async function read(tools: KafkaTools, topic: string, count: number): Promise<string[]> {
  const limits = ['--max-messages', String(count), '--timeout-ms', '4000', '--isolation-level', 'read_committed']
  const args = ['--topic', topic, '--from-beginning', ...limits]
  const { output } = await tools.try('kafka-console-consumer', args)
  return output.split('\n').filter((line) => /^(line-|word)/.test(line))
}
