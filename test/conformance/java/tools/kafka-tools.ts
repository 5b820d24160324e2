/** Kafka's tools by the names that its users type, with what checks of all of them need. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KAFKA_VERSION } from '../../kafka/kafka.ts'
import type { PeerProcess } from '../../peer-process.ts'
import { type CheckOptions, type CheckReport, NotOffered } from '../check-report.ts'
import { startJava } from '../java-process.ts'
import type { JavaSetUp } from '../java-set-up.ts'
import { ToolHost, type ToolOptions } from '../tool-host.ts'

const MAINS = {
  'kafka-topics': 'org.apache.kafka.tools.TopicCommand',
  'kafka-configs': 'kafka.admin.ConfigCommand',
  'kafka-consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  'kafka-share-groups': 'org.apache.kafka.tools.consumer.group.ShareGroupCommand',
  'kafka-streams-groups': 'org.apache.kafka.tools.streams.StreamsGroupCommand',
  'kafka-groups': 'org.apache.kafka.tools.GroupsCommand',
  'kafka-transactions': 'org.apache.kafka.tools.TransactionsCommand',
  'kafka-delete-records': 'org.apache.kafka.tools.DeleteRecordsCommand',
  'kafka-reassign-partitions': 'org.apache.kafka.tools.reassign.ReassignPartitionsCommand',
  'kafka-get-offsets': 'org.apache.kafka.tools.GetOffsetShell',
  'kafka-producer-perf-test': 'org.apache.kafka.tools.ProducerPerformance',
  'kafka-consumer-perf-test': 'org.apache.kafka.tools.ConsumerPerformance',
  'kafka-share-consumer-perf-test': 'org.apache.kafka.tools.ShareConsumerPerformance',
  'kafka-verifiable-producer': 'org.apache.kafka.tools.VerifiableProducer',
  'kafka-verifiable-consumer': 'org.apache.kafka.tools.VerifiableConsumer',
  'kafka-verifiable-share-consumer': 'org.apache.kafka.tools.VerifiableShareConsumer',
  'kafka-console-producer': 'org.apache.kafka.tools.ConsoleProducer',
  'kafka-console-consumer': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  'kafka-console-share-consumer': 'org.apache.kafka.tools.consumer.ConsoleShareConsumer',
  'kafka-e2e-latency': 'org.apache.kafka.tools.EndToEndLatency',
  'kafka-transactional-message-copier': 'org.apache.kafka.tools.TransactionalMessageCopier',
  'kafka-leader-election': 'org.apache.kafka.tools.LeaderElectionCommand',
  'kafka-log-dirs': 'org.apache.kafka.tools.LogDirsCommand',
  'kafka-features': 'org.apache.kafka.tools.FeatureCommand',
  'kafka-metadata-quorum': 'org.apache.kafka.tools.MetadataQuorumCommand',
  'kafka-broker-api-versions': 'org.apache.kafka.tools.BrokerApiVersionsCommand',
  'kafka-cluster': 'org.apache.kafka.tools.ClusterTool',
  'kafka-client-metrics': 'org.apache.kafka.tools.ClientMetricsCommand',
  'kafka-client-compatibility-test': 'org.apache.kafka.tools.ClientCompatibilityTest',
  'kafka-streams-application-reset': 'org.apache.kafka.tools.StreamsResetter'
} as const
export type ToolName = keyof typeof MAINS

const UNSUPPORTED = /UnsupportedVersionException|UnsupportedEndpointTypeException|does not support [A-Z_]{6,}/
const EVENT_MS = 60_000
const FILL_MS = 60_000

export class KafkaTools {
  readonly bootstrap: string
  readonly #classPath: string
  readonly #host: ToolHost
  readonly #report: CheckReport
  readonly #folder: string

  private constructor({ newest }: JavaSetUp, bootstrap: string, report: CheckReport, folder: string) {
    this.bootstrap = bootstrap
    this.#classPath = newest
    this.#host = new ToolHost(newest)
    this.#report = report
    this.#folder = folder
  }

  static async create(setUp: JavaSetUp, bootstrap: string, report: CheckReport): Promise<KafkaTools> {
    return new KafkaTools(setUp, bootstrap, report, await mkdtemp(join(tmpdir(), 'longhaul-tools-')))
  }

  async close(): Promise<void> {
    await this.#host.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** A check of the matrix; all of its calls go to `tool` or to others that it needs. */
  async check(tool: ToolName, feature: string, run: () => Promise<void>, options?: CheckOptions): Promise<void> {
    await this.#report.check(`tool ${tool}`, KAFKA_VERSION, feature, run, options)
  }

  /** Runs a tool with the bootstrap address; fails unless it exits with 0. Resolves with all that it printed. */
  async run(tool: ToolName, args: readonly string[], options: ToolOptions = {}): Promise<string> {
    const { status, output } = await this.try(tool, args, options)
    if (status !== 0) throw new Error(`${tool} ${args.join(' ')} exits with ${status}: ${output}`)
    return output
  }

  /** The same, whatever the exit status, except that an API the broker lacks ends the check. */
  async try(tool: ToolName, args: readonly string[], options: ToolOptions = {}) {
    const server = tool === 'kafka-transactional-message-copier' ? '--broker-list' : '--bootstrap-server'
    // The subcommand of some tools comes first, and the address belongs to it.
    const whole = tool === 'kafka-cluster' ? [...args, server, this.bootstrap] : [server, this.bootstrap, ...args]
    const { status, stdout, stderr } = await this.#host.call(MAINS[tool], whole, options)
    const output = `${stdout}\n${stderr}`
    if (UNSUPPORTED.test(output)) throw new NotOffered(/.*(?:UnsupportedVersion|does not support).*/.exec(output)?.[0])
    return { status, output }
  }

  /** Starts a tool that runs until it is told to stop in a JVM of its own. */
  start(tool: ToolName, args: readonly string[]): PeerProcess {
    return startJava(this.#classPath, MAINS[tool], ['--bootstrap-server', this.bootstrap, ...args])
  }

  /** Starts one of our own programs. */
  startProgram(main: string, args: readonly string[]): PeerProcess {
    return startJava(this.#classPath, main, [this.bootstrap, ...args])
  }

  async file(name: string, content: string): Promise<string> {
    const path = join(this.#folder, name)
    await writeFile(path, content)
    return path
  }

  async createTopic(topic: string, partitions = 1, configs: readonly string[] = []): Promise<void> {
    const settings = configs.flatMap((config) => ['--config', config])
    const shape = ['--partitions', String(partitions), '--replication-factor', '1']
    await this.run('kafka-topics', ['--create', '--topic', topic, ...shape, ...settings])
  }

  /** A new topic with `records` lines line-0, line-1, … spread over its partitions. */
  async filledTopic(topic: string, records: number, partitions = 1): Promise<void> {
    await this.createTopic(topic, partitions)
    const input = Array.from({ length: records }, (_, index) => `key-${index}\tline-${index}\n`).join('')
    const args = ['--topic', topic, '--reader-property', 'parse.key=true']
    await this.run('kafka-console-producer', args, { input, timeoutMs: FILL_MS })
  }

  /** The number of the only node. */
  async nodeId(): Promise<number> {
    const output = await this.run('kafka-broker-api-versions', [])
    return Number(found(output, /\(id: (\d+) /)[1])
  }
}

/** The match of `pattern`, without which the check fails. */
export function found(text: string, pattern: RegExp): RegExpExecArray {
  const match = pattern.exec(text)
  if (match === null) throw new Error(`expected ${pattern} in: ${text}`)
  return match
}

export function absent(text: string, pattern: RegExp): void {
  if (pattern.test(text)) throw new Error(`did not expect ${pattern} in: ${text}`)
}

/** The first line of JSON with this `name` that a verifiable client prints. */
export async function event(process: PeerProcess, name: string, matches = (_: VerifiableEvent): boolean => true) {
  return await process.until(`the event ${name}`, EVENT_MS, () =>
    events(process.stdout).find((one) => one.name === name && matches(one))
  )
}

export interface VerifiableEvent {
  readonly name: string
  readonly [field: string]: unknown
}

export function events(output: string): VerifiableEvent[] {
  return output
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as VerifiableEvent)
}

/** What several checks need, made by the first that asks; when it cannot be made, each of them fails with the reason. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}
