/**
 * Apache Kafka as the control of every conformance test: one KRaft node from the published jars alone, on free ports,
 * in a temporary folder that is removed when it stops.
 *
 * The jars come from the folder that KAFKA_LIB names, or from Maven Central through `mvn`, once, into the cache.
 * It does not manage Java: `java` (17 or newer) must be on the PATH.
 */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheFolder } from '../cache-folder.ts'
import { PeerProcess, run } from '../peer-process.ts'

export const KAFKA_VERSION = '4.3.1'

export interface RunningKafka {
  /** host:port */
  readonly bootstrap: string
  stop(): Promise<void>
}

/**
 * Starts a fresh Kafka; resolves when it answers. `settings` are added to server.properties; `classPath` takes the place
 * of the jars described above.
 */
export async function startKafka(
  settings: Readonly<Record<string, string>> = {},
  classPath?: string
): Promise<RunningKafka> {
  const node = await KafkaNode.create(settings, classPath)
  try {
    const broker = await node.start()
    const stop = async (): Promise<void> => {
      await broker.stop(20_000)
      await node.remove()
    }
    return { bootstrap: node.bootstrap, stop }
  } catch (error) {
    await node.remove()
    throw error
  }
}

/** A formatted data folder and two ports: what stays when the process of a node is killed and started again. */
export class KafkaNode {
  readonly port: number
  readonly bootstrap: string
  readonly #folder: string
  readonly #java: readonly string[]

  private constructor(folder: string, port: number, java: readonly string[]) {
    this.port = port
    this.bootstrap = `127.0.0.1:${port}`
    this.#folder = folder
    this.#java = java
  }

  static async create(settings: Readonly<Record<string, string>> = {}, classPath?: string): Promise<KafkaNode> {
    const jars = classPath ?? `${process.env.KAFKA_LIB ?? (await downloadJars())}/*`
    const java = [
      '-Xmx512m',
      '-XX:TieredStopAtLevel=1',
      '-XX:+UseSerialGC',
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
      '-cp',
      jars
    ]
    const [port, controllerPort] = await freePorts(2)
    if (port === undefined || controllerPort === undefined) throw new Error('no free port')
    const folder = await mkdtemp(join(tmpdir(), 'longhaul-kafka-'))
    const properties = join(folder, 'server.properties')
    await writeFile(properties, serverProperties(folder, port, controllerPort, settings))
    const format = ['kafka.tools.StorageTool', 'format', '-t', 'bG9uZ2hhdWwtY29udHJvbA', '-c', properties]
    await run('java', [...java, ...format], { timeoutMs: 60_000 })
    return new KafkaNode(folder, port, java)
  }

  /** Starts the process; resolves when it answers ApiVersions. */
  async start(): Promise<PeerProcess> {
    const broker = this.spawn()
    try {
      await answering(broker, this.port, 60_000)
      return broker
    } catch (error) {
      await broker.kill()
      throw error
    }
  }

  /** Starts the process and waits for nothing. */
  spawn(): PeerProcess {
    return new PeerProcess('java', [...this.#java, 'kafka.Kafka', join(this.#folder, 'server.properties')])
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

function serverProperties(folder: string, port: number, controllerPort: number, settings: Record<string, string>) {
  const properties: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': join(folder, 'log'),
    'num.partitions': '1',
    'offsets.topic.num.partitions': '4',
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    ...settings
  }
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}

async function downloadJars(): Promise<string> {
  const folder = join(cacheFolder(), `kafka-${KAFKA_VERSION}`)
  const lib = join(folder, 'lib')
  if (existsSync(lib)) return lib
  await mkdir(folder, { recursive: true })
  const artifacts = [
    ['org.apache.kafka', 'kafka_2.13', KAFKA_VERSION],
    ['org.apache.kafka', 'kafka-tools', KAFKA_VERSION],
    ['org.slf4j', 'slf4j-simple', '1.7.36']
  ]
  const dependencies = artifacts.map(
    ([group, artifact, version]) =>
      `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`
  )
  const pom = join(folder, 'pom.xml')
  await writeFile(
    pom,
    `<project><modelVersion>4.0.0</modelVersion><groupId>longhaul</groupId><artifactId>control</artifactId>
<version>1</version><dependencies>${dependencies.join('\n')}</dependencies></project>\n`
  )
  // Copied under another name first: a download that was interrupted must not look like a complete one.
  const partial = join(folder, `partial-${process.pid}`)
  await run('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${partial}`], {
    timeoutMs: 600_000
  })
  await rename(partial, lib).catch((error: unknown) => {
    if (!existsSync(lib)) throw error
  })
  return lib
}

/** Ports that were free a moment ago, for programs that cannot choose one themselves. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject)
          server.listen(0, '127.0.0.1', () => {
            const address = server.address()
            if (address === null || typeof address === 'string') reject(new Error('no port'))
            else resolve(address.port)
          })
        })
    )
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

async function answering(broker: PeerProcess, port: number, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await answersApiVersions(port))) {
    if (broker.over) throw new Error(`Kafka ended while starting\n${broker.lastOutput()}`)
    if (Date.now() > deadline) throw new Error(`Kafka did not answer within ${timeoutMs} ms\n${broker.lastOutput()}`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

/** The port is bound long before requests are served, so only an answer counts. */
function answersApiVersions(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const finish = (answer: boolean) => () => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(2000, finish(false))
    socket.once('error', finish(false))
    socket.once('close', finish(false))
    socket.once('data', finish(true))
    // Length 10, api key 18, version 0, correlation id 1, null client id.
    socket.write(Buffer.from('0000000a001200000000' + '0001ffff', 'hex'))
  })
}
