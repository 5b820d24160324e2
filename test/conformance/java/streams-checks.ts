/**
 * Kafka Streams: a word count that is killed twice while its input flows, in both group protocols, with the tools that
 * look after such applications; and the smoke test of Kafka's own system tests, with two processes of which one is
 * killed.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KAFKA_VERSION } from '../kafka/kafka.ts'
import type { PeerProcess } from '../peer-process.ts'
import { eventually, unique } from '../waiting.ts'
import type { CheckReport } from './check-report.ts'
import { startJava } from './java-process.ts'
import type { JavaSetUp } from './java-set-up.ts'
import { absent, found, KafkaTools, once } from './tools/kafka-tools.ts'

const CLIENT = 'Kafka Streams'
const LINES = 3000
const LINES_PER_SECOND = 150
const WORDS_PER_LINE = 3
const WORDS = 30
const PARTITIONS = 3
const WORD_COUNT = { timeoutMs: 300_000 }
const SMOKE = { timeoutMs: 600_000 }
const SMOKE_TEST = 'org.apache.kafka.streams.tests.StreamsSmokeTest'
const SMOKE_TOPICS = [
  ...['echo', 'data', 'min', 'min-suppressed', 'min-raw', 'max', 'sum', 'sws-raw', 'sws-suppressed'],
  ...['dif', 'cnt', 'avg', 'wcnt', 'tagg', 'fk']
]

type Protocol = 'classic' | 'streams'

export async function streamsChecks(setUp: JavaSetUp, bootstrap: string, report: CheckReport): Promise<void> {
  const tools = await KafkaTools.create(setUp, bootstrap, report)
  const folder = await mkdtemp(join(tmpdir(), 'longhaul-streams-'))
  try {
    for (const protocol of ['classic', 'streams'] as const) {
      const app = new WordCount(tools, folder, protocol)
      const counted = once(() => app.countThroughKills())
      const feature = `word count exactly once through two kills (group.protocol=${protocol})`
      await report.check(CLIENT, KAFKA_VERSION, feature, counted, WORD_COUNT)
      if (protocol === 'classic') await resetClassic(tools, app, counted)
      else await streamsGroups(tools, app, counted)
      await app.stop()
    }
    const feature = 'smoke test with two processes, one of them killed'
    await report.check(CLIENT, KAFKA_VERSION, feature, () => smokeTest(setUp, tools, folder), SMOKE)
  } finally {
    await tools.close()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

class WordCount {
  readonly id = unique('words')
  readonly input = unique('lines')
  readonly #output = unique('counts')
  readonly #tools: KafkaTools
  readonly #folder: string
  readonly #protocol: Protocol
  #process: PeerProcess | undefined

  constructor(tools: KafkaTools, folder: string, protocol: Protocol) {
    this.#tools = tools
    this.#folder = folder
    this.#protocol = protocol
  }

  /** The second kill takes the local state with it, so that it has to be read back from its changelog. */
  async countThroughKills(): Promise<void> {
    for (const topic of [this.input, this.#output]) await this.#tools.createTopic(topic, PARTITIONS)
    await this.#start('first')
    const feed = this.#tools.startProgram('WordFeed', [this.input, String(LINES), String(LINES_PER_SECOND)])
    for (const [sent, stateDir] of [
      [LINES / 3, 'first'],
      [(LINES * 2) / 3, 'second']
    ] as const) {
      await feed.until(`${sent} lines`, 120_000, () => (feed.stdout.includes(`sent ${sent}\n`) ? true : undefined))
      await this.#process?.kill()
      await this.#start(stateDir)
    }
    await feed.until('all lines', 120_000, () => (feed.stdout.includes('sent all') ? true : undefined))
    const expected = LINES * WORDS_PER_LINE
    verifyCounts(await this.#counts(expected, 90_000))
    const all = await this.#counts(expected + 1, 5000)
    assert.equal(all.length, expected, 'counts in the output')
  }

  /** Resolves when the application runs; what is killed has to be waited for. */
  async #start(stateDir: string): Promise<void> {
    const place = [this.input, this.#output, join(this.#folder, `${this.id}-${stateDir}`), this.#protocol]
    const process = this.#tools.startProgram('WordCount', [this.id, ...place])
    this.#process = process
    await process.until('the state RUNNING', 90_000, () => (/^RUNNING$/m.test(process.stdout) ? true : undefined))
  }

  async stop(): Promise<void> {
    await this.#process?.stop()
  }

  /** `word<TAB>count` as committed, at most `count` of them, until none came for a while. */
  async #counts(count: number, timeoutMs: number): Promise<string[]> {
    const read = ['--topic', this.#output, '--from-beginning', '--isolation-level', 'read_committed']
    const limits = ['--max-messages', String(count), '--timeout-ms', String(timeoutMs)]
    const format = ['--formatter-property', 'print.key=true']
    const options = { timeoutMs: timeoutMs + 60_000 }
    const output = await this.#tools.run('kafka-console-consumer', [...read, ...limits, ...format], options)
    return output.split('\n').filter((line) => line.startsWith('word'))
  }
}

/** Every word counts 1, 2, 3 … without a gap or a repetition. */
function verifyCounts(lines: readonly string[]): void {
  const last = new Map<string, number>()
  for (const line of lines) {
    const [word = '', count] = line.split('\t')
    assert.equal(Number(count), (last.get(word) ?? 0) + 1, `the next count of ${word}`)
    last.set(word, Number(count))
  }
  const each = (LINES * WORDS_PER_LINE) / WORDS
  assert.deepEqual([...new Set(last.values())], [each], `all words were counted ${each} times`)
  assert.equal(last.size, WORDS)
}

async function resetClassic(tools: KafkaTools, app: WordCount, counted: () => Promise<void>): Promise<void> {
  await tools.check('kafka-streams-application-reset', 'resets offsets and deletes internal topics', async () => {
    await counted()
    await app.stop()
    found(await tools.run('kafka-topics', ['--list']), new RegExp(`^${app.id}-counts-changelog$`, 'm'))
    const args = ['--application-id', app.id, '--input-topics', app.input, '--force']
    const output = await tools.run('kafka-streams-application-reset', args)
    found(output, new RegExp(`Topic: ${app.input} Partition: 0 Offset: 0`))
    found(output, new RegExp(`Deleting inferred internal topics .*${app.id}-counts-changelog`))
    await eventually('they are gone', async () => !(await tools.run('kafka-topics', ['--list'])).includes(`${app.id}-`))
    const described = await tools.run('kafka-consumer-groups', ['--describe', '--group', app.id])
    found(described, new RegExp(`${app.input}\\s+0\\s+0\\s+\\d+`))
  })
}

async function streamsGroups(tools: KafkaTools, app: WordCount, counted: () => Promise<void>): Promise<void> {
  const groups = (...args: string[]): Promise<string> => tools.run('kafka-streams-groups', args)
  const check = (feature: string, run: () => Promise<void>): Promise<void> =>
    tools.check('kafka-streams-groups', feature, async () => {
      await counted()
      await run()
    })
  await check('list', async () => {
    found(await groups('--list'), new RegExp(`^${app.id}$`, 'm'))
    found(await groups('--list', '--state', 'stable'), new RegExp(`^${app.id}\\s+Stable`, 'm'))
    found(await tools.run('kafka-groups', ['--list', '--streams']), new RegExp(`^${app.id}\\s+Streams`, 'm'))
  })
  await check('describe', async () => {
    found(await groups('--describe', '--group', app.id), new RegExp(`${app.id}\\s+${app.input}\\s+0\\s+0\\s*$`, 'm'))
    found(
      await groups('--describe', '--group', app.id, '--verbose'),
      new RegExp(`${app.id}\\s+${app.input}\\s+0\\s+\\d+`)
    )
  })
  await check('describe members', async () => {
    const output = await groups('--describe', '--group', app.id, '--members')
    found(output, new RegExp(`${app.id}\\s+\\S+\\s+\\S+\\s+${app.id}-\\S+\\s+.*ACTIVE: .*\\[0,1,2\\]`))
  })
  await check('describe state', async () => {
    const output = await groups('--describe', '--group', app.id, '--state')
    found(output, new RegExp(`${app.id}\\s+127\\.0\\.0\\.1:\\d+\\s+\\(\\d+\\)\\s+Stable\\s+\\d`))
  })
  const reset = ['--reset-offsets', '--group', app.id, '--input-topic', app.input]
  await check('reset offsets', async () => {
    await app.stop()
    await eventually('it is empty', async () => /Empty/.test(await groups('--describe', '--group', app.id, '--state')))
    const line = new RegExp(`${app.id}\\s+${app.input}\\s+0\\s+0\\s*$`, 'm')
    found(await groups(...reset, '--to-earliest', '--dry-run'), line)
    found(await groups(...reset, '--to-earliest', '--execute'), line)
    found(await groups(...reset, '--to-offset', '3', '--execute'), new RegExp(`${app.input}\\s+0\\s+3\\s*$`, 'm'))
  })
  await check('delete offsets', async () => {
    await app.stop()
    const output = await groups('--delete-offsets', '--group', app.id, '--input-topic', app.input)
    found(output, /Request succeeded for deleting offsets from group/)
  })
  await check('delete', async () => {
    await app.stop()
    found(
      await groups('--delete', '--group', app.id, '--delete-all-internal-topics'),
      /Deletion of requested streams groups/
    )
    absent(await groups('--list'), new RegExp(`^${app.id}$`, 'm'))
  })
}

/** Its topics have fixed names, so it needs a broker on which it has not run yet. */
async function smokeTest(setUp: JavaSetUp, tools: KafkaTools, folder: string): Promise<void> {
  for (const topic of SMOKE_TOPICS) await tools.createTopic(topic, 5)
  const settings = async (name: string): Promise<string> => {
    const guarantee = 'processing.guarantee=exactly_once_v2\nsession.timeout.ms=10000\n'
    const stateDir = `state.dir=${join(folder, `smoke-${name}`)}\n`
    return tools.file(`smoke-${name}.properties`, `bootstrap.servers=${tools.bootstrap}\n${guarantee}${stateDir}`)
  }
  const start = async (name: string, command: string): Promise<PeerProcess> =>
    startJava(setUp.newest, SMOKE_TEST, [await settings(name), command], { heapMb: 300 })
  const workers = [await start('one', 'process'), await start('two', 'process')]
  const driver = await start('driver', 'run')
  try {
    const [first, second] = workers
    await first?.until('records', 200_000, () => (/processed 1000 records/.test(first.stdout) ? true : undefined))
    await second?.kill()
    workers.push(await start('two', 'process'))
    await driver.until('the verdict', 400_000, () => (/SUCCESS|FAILED|FAILURE/.test(driver.stdout) ? true : undefined))
    found(driver.stdout, /^SUCCESS$/m)
  } finally {
    for (const process of [...workers, driver]) await process.kill()
  }
}
