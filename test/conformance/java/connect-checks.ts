/**
 * Kafka Connect, distributed: two workers copy a growing file into a topic exactly once and the topic into another file,
 * while the worker that reads is killed and comes back; and the REST interface that operators use.
 */
import assert from 'node:assert/strict'
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts, KAFKA_VERSION } from '../kafka/kafka.ts'
import type { PeerProcess } from '../peer-process.ts'
import { eventually, pause, unique } from '../waiting.ts'
import type { CheckReport } from './check-report.ts'
import { startJava } from './java-process.ts'
import type { JavaSetUp } from './java-set-up.ts'
import { found, KafkaTools, once } from './tools/kafka-tools.ts'

const CLIENT = 'Kafka Connect'
const WORKER = 'org.apache.kafka.connect.cli.ConnectDistributed'
const START_MS = 120_000
const SLOW = { timeoutMs: 300_000 }
const LINES = 1500
const LINES_PER_STEP = 15
const STEP_MS = 200
/** Session time-out, delay of the rebalance, and the start of tasks. */
const MOVE_MS = 90_000

export async function connectChecks(setUp: JavaSetUp, bootstrap: string, report: CheckReport): Promise<void> {
  const tools = await KafkaTools.create(setUp, bootstrap, report)
  const folder = await mkdtemp(join(tmpdir(), 'longhaul-connect-'))
  const workers = new Workers(setUp, bootstrap, folder)
  const started = once(() => workers.start())
  const copy = new FileCopy(workers, tools, folder)
  const copied = once(async () => {
    await started()
    await copy.throughKill()
  })
  const check = (feature: string, run: () => Promise<void>): Promise<void> =>
    report.check(CLIENT, KAFKA_VERSION, feature, run, SLOW)
  try {
    await check('two workers form a cluster', started)
    await check('file source, exactly once through the kill of a worker', async () => {
      await copied()
      await copy.verifyTopic()
    })
    await check('file sink has everything', async () => {
      await copied()
      await copy.verifySink()
    })
    await check('REST: pause, resume, restart, stop, offsets, delete', async () => {
      await copied()
      await copy.lifeCycle()
    })
  } finally {
    await workers.stop()
    await tools.close()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

interface Status {
  readonly connector: { readonly state: string; readonly worker_id: string }
  readonly tasks: readonly { readonly state: string; readonly worker_id: string }[]
}

class Workers {
  readonly #setUp: JavaSetUp
  readonly #bootstrap: string
  readonly #folder: string
  readonly #group = unique('connect')
  readonly #running = new Map<number, PeerProcess>()

  constructor(setUp: JavaSetUp, bootstrap: string, folder: string) {
    this.#setUp = setUp
    this.#bootstrap = bootstrap
    this.#folder = folder
  }

  async start(): Promise<void> {
    const ports = await freePorts(2)
    for (const port of ports) await this.run(port)
    for (const port of ports) await this.#answering(port)
    const about = await this.request<{ version: string; kafka_cluster_id: string }>('GET', '/')
    assert.equal(about.version, KAFKA_VERSION)
    assert.ok(about.kafka_cluster_id.length > 0, 'the id of the Kafka cluster')
    const plugins = await this.request<{ class: string }[]>('GET', '/connector-plugins')
    found(JSON.stringify(plugins), /FileStreamSinkConnector/)
  }

  async run(port: number): Promise<void> {
    const path = join(this.#folder, `worker-${port}.properties`)
    await writeFile(path, this.#properties(port))
    this.#running.set(port, startJava(this.#setUp.newest, WORKER, [path], { heapMb: 300, log: 'warn' }))
  }

  /** Kills the worker and starts it again at the same address; resolves when it answers. */
  async killAndRestart(workerId: string): Promise<void> {
    const port = Number(workerId.split(':').at(-1))
    await this.#running.get(port)?.kill()
    await this.run(port)
    await this.#answering(port)
  }

  async stop(): Promise<void> {
    for (const worker of this.#running.values()) await worker.kill()
  }

  lastOutput(): string {
    return [...this.#running.values()].map((worker) => worker.stderr.slice(-1500)).join('\n')
  }

  /** Asks any worker: each passes on what another has to do. Waits while the cluster is rebalancing. */
  async request<T>(method: string, path: string, body?: unknown): Promise<T> {
    const [port] = this.#running.keys()
    const init = { method, headers: { 'content-type': 'application/json' } }
    let answer: T | undefined
    await eventually(
      `${method} ${path} is answered`,
      async () => {
        const sent = body === undefined ? init : { ...init, body: JSON.stringify(body) }
        const response = await fetch(`http://127.0.0.1:${port}${path}`, sent)
        const text = await response.text()
        if (response.status === 409) return false
        if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
        answer = (text === '' ? undefined : JSON.parse(text)) as T
        return true
      },
      MOVE_MS
    )
    return answer as T
  }

  status(connector: string): Promise<Status> {
    return this.request<Status>('GET', `/connectors/${connector}/status`)
  }

  async untilRunning(connector: string): Promise<Status> {
    let status: Status | undefined
    await eventually(
      `${connector} runs`,
      async () => {
        status = await this.status(connector).catch(() => undefined)
        return status?.connector.state === 'RUNNING' && status.tasks[0]?.state === 'RUNNING'
      },
      MOVE_MS
    )
    return status as Status
  }

  async #answering(port: number): Promise<void> {
    const worker = this.#running.get(port)
    const ready = async (): Promise<boolean> => {
      if (worker?.over) throw new Error(`a worker ended\n${worker.lastOutput()}`)
      const response = await fetch(`http://127.0.0.1:${port}/connectors`).catch(() => undefined)
      return response?.ok === true
    }
    await eventually('the worker answers', ready, START_MS)
  }

  #properties(port: number): string {
    const converter = 'org.apache.kafka.connect.storage.StringConverter'
    const settings: Record<string, string> = {
      'bootstrap.servers': this.#bootstrap,
      'group.id': this.#group,
      listeners: `http://127.0.0.1:${port}`,
      'rest.advertised.host.name': '127.0.0.1',
      'key.converter': converter,
      'value.converter': converter,
      'exactly.once.source.support': 'enabled',
      'offset.flush.interval.ms': '1000',
      'session.timeout.ms': '10000',
      'heartbeat.interval.ms': '1000',
      'scheduled.rebalance.max.delay.ms': '2000',
      'plugin.discovery': 'service_load'
    }
    for (const kind of ['config', 'offset', 'status']) {
      settings[`${kind}.storage.topic`] = `${this.#group}-${kind}`
      settings[`${kind}.storage.replication.factor`] = '1'
    }
    settings['offset.storage.partitions'] = '3'
    return Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join('')
  }
}

class FileCopy {
  readonly #workers: Workers
  readonly #tools: KafkaTools
  readonly #topic = unique('copied')
  readonly #source = unique('source')
  readonly #sink = unique('sink')
  readonly #from: string
  readonly #to: string

  constructor(workers: Workers, tools: KafkaTools, folder: string) {
    this.#workers = workers
    this.#tools = tools
    this.#from = join(folder, 'from.txt')
    this.#to = join(folder, 'to.txt')
  }

  async throughKill(): Promise<void> {
    await this.#tools.createTopic(this.#topic)
    await writeFile(this.#from, '')
    const connector = 'org.apache.kafka.connect.file.FileStream'
    const source = { 'connector.class': `${connector}SourceConnector`, topic: this.#topic, file: this.#from }
    const sink = { 'connector.class': `${connector}SinkConnector`, topics: this.#topic, file: this.#to }
    const config = { ...source, 'exactly.once.support': 'required' }
    await this.#workers.request('POST', '/connectors', { name: this.#source, config })
    await this.#workers.request('POST', '/connectors', { name: this.#sink, config: sink })
    await this.#workers.untilRunning(this.#sink)
    const { tasks } = await this.#workers.untilRunning(this.#source)
    let restarted: Promise<void> | undefined
    for (let line = 0; line < LINES; line += LINES_PER_STEP) {
      await appendFile(this.#from, lines(line, LINES_PER_STEP))
      if (line >= LINES / 3) restarted ??= this.#workers.killAndRestart(tasks[0]?.worker_id ?? '')
      await pause(STEP_MS)
    }
    await restarted
    const last = `line-${LINES - 1}\n`
    try {
      await eventually('the last line arrives', async () => (await this.#written()).includes(last), MOVE_MS)
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}; ${await this.#state()}`)
    }
  }

  /** For the message of a failure. */
  async #state(): Promise<string> {
    const statuses = await Promise.all([this.#source, this.#sink].map((name) => this.#workers.status(name)))
    const sink = (await this.#written()).trimEnd().split('\n').at(-1)
    return `${sink} is the last in the sink; ${JSON.stringify(statuses)}; ${this.#workers.lastOutput()}`
  }

  async verifyTopic(): Promise<void> {
    const read = [
      '--topic',
      this.#topic,
      '--from-beginning',
      '--isolation-level',
      'read_committed',
      '--timeout-ms',
      '6000'
    ]
    const output = await this.#tools.run('kafka-console-consumer', read)
    const copied = output.split('\n').filter((line) => line.startsWith('line-'))
    assert.equal(copied.length, LINES, 'lines in the topic')
    assert.equal(`${copied.join('\n')}\n`, lines(0, LINES))
  }

  /** A sink may write again what a killed worker had not committed, but leaves nothing out. */
  async verifySink(): Promise<void> {
    const written = (await this.#written()).trimEnd().split('\n')
    assert.equal(`${[...new Set(written)].join('\n')}\n`, lines(0, LINES))
  }

  async lifeCycle(): Promise<void> {
    const of = (what: string): string => `/connectors/${this.#source}${what}`
    const until = (state: string): Promise<void> =>
      eventually(`the state ${state}`, async () => (await this.#workers.status(this.#source)).connector.state === state)
    await this.#workers.request('PUT', of('/pause'))
    await until('PAUSED')
    await this.#workers.request('PUT', of('/resume'))
    await until('RUNNING')
    await this.#workers.request('POST', of('/restart?includeTasks=true'))
    await this.#workers.untilRunning(this.#source)
    const offsets = JSON.stringify(await this.#workers.request('GET', of('/offsets')))
    found(offsets, /"position":\d+/)
    await this.#workers.request('PUT', of('/stop'))
    await until('STOPPED')
    await this.#workers.request('DELETE', of('/offsets'))
    assert.deepEqual(await this.#workers.request('GET', of('/offsets')), { offsets: [] })
    await this.#workers.request('DELETE', of(''))
    await eventually('it is gone', async () => {
      const names = await this.#workers.request<string[]>('GET', '/connectors')
      return !names.includes(this.#source)
    })
  }

  #written(): Promise<string> {
    return readFile(this.#to, 'utf8').catch(() => '')
  }
}

function lines(first: number, count: number): string {
  return Array.from({ length: count }, (_, index) => `line-${first + index}\n`).join('')
}
