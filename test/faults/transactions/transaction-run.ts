/**
 * Read-process-write in transactions, while brokers and clients are killed: whatever happens, a committed transaction is
 * seen once and whole, and nothing is seen of an aborted one.
 *
 * At the end everything is compared: each transaction with what a read_committed reader finds; the output with the input
 * before the group's position; readers that begin anywhere with the one that began at the start; and all of it again
 * after a restart.
 */
import { type Random, seededRandom } from '../../../src/runtime/random.ts'
import { errorName } from '../../../src/wire/error-codes.ts'
import type { PeerProcess } from '../../conformance/peer-process.ts'
import { eventually, pause, within } from '../../conformance/waiting.ts'
import { apis } from '../apis.ts'
import type { KillTarget } from '../kill-target.ts'
import type { StoredRecord } from '../ledger.ts'
import { RawConnection } from '../raw-client.ts'
import { CommittedReader } from './committed-reader.ts'
import { type Outcome, TransactionLedger, whatOf } from './transaction-ledger.ts'
import { TransactionalClient } from './transactional-client.ts'
import {
  GROUP,
  INPUT,
  type LoadParts,
  OUTPUT,
  outputsOf,
  PARTITIONS,
  Sleeper,
  Source,
  Worker
} from './transactional-load.ts'

const SOURCES = 4
const WORKERS = 8
const SLEEPERS = 2
/** Records of input that may wait before sources pause. */
const BACKLOG_MAX = 400
const STABLE_MS = 60_000
const READS_FROM_ANYWHERE = 400

export interface TransactionRunOptions {
  readonly seed: number
  /** Ends when so many transactions were committed or aborted. */
  readonly transactions: number
  /** Longest time that the broker lives between two kills; undefined: it is not killed. */
  readonly upMsMax?: number
  readonly progress?: (sentence: string) => void
}

export interface TransactionReport {
  readonly seed: number
  readonly kills: number
  readonly outcomes: Readonly<Record<Outcome, number>>
  readonly zombiesRefused: number
  readonly recordsProcessed: number
  readonly recordsSeenLive: number
  readonly readsFromAnywhere: number
  readonly seconds: number
  readonly violations: readonly string[]
}

/** `target` is started here, and removed at the end. */
export async function runTransactions(target: KillTarget, options: TransactionRunOptions): Promise<TransactionReport> {
  const run = new TransactionRun(target, options)
  try {
    return await run.run()
  } finally {
    await run.abandon()
  }
}

class TransactionRun {
  readonly #target: KillTarget
  readonly #options: TransactionRunOptions
  readonly #random: Random
  readonly #ledger = new TransactionLedger()
  readonly #sources: Source[]
  readonly #workers: Worker[]
  readonly #sleepers: Sleeper[]
  readonly #names: string[] = []
  readonly #stop = new AbortController()
  /** By `topic-partition`: what the live reader saw, by offset. */
  readonly #live = new Map<string, Map<number, string>>()
  #broker: PeerProcess | undefined
  #kills = 0
  #seenLive = 0
  #inputSeen = 0
  #readsFromAnywhere = 0

  constructor(target: KillTarget, options: TransactionRunOptions) {
    this.#target = target
    this.#options = options
    this.#random = seededRandom(options.seed)
    this.#sources = Array.from({ length: SOURCES }, (_, at) => new Source(this.#parts(`source-${at}`, at)))
    this.#workers = Array.from({ length: WORKERS }, (_, at) => {
      const partitions = Array.from({ length: PARTITIONS }, (_, index) => index).filter((p) => p % WORKERS === at)
      return new Worker(this.#parts(`worker-${at}`, at), partitions)
    })
    this.#sleepers = Array.from({ length: SLEEPERS }, (_, at) => new Sleeper(this.#parts(`sleeper-${at}`, at)))
  }

  async run(): Promise<TransactionReport> {
    const startedMs = performance.now()
    await this.#start()
    await this.#createTopics()
    const { signal } = this.#stop
    const processed = () => this.#workers.reduce((sum, worker) => sum + worker.processed, 0)
    const isAhead = () => this.#inputSeen - processed() > BACKLOG_MAX
    const load = Promise.all([
      ...this.#sources.map((source) => source.run(signal, isAhead)),
      ...this.#workers.map((worker) => worker.run(signal)),
      ...this.#sleepers.map((sleeper) => sleeper.run(signal)),
      ...this.#watch(signal)
    ])
    load.catch((error: unknown) => this.#ledger.violate(`the load ended: ${String(error)}`))
    await this.#killUntilEnough()
    this.#stop.abort()
    await within('the load comes to its end', load, STABLE_MS)
    await this.#settle()
    await this.#compare()
    await this.#broker?.stop()
    await this.#start()
    await this.#compare()
    await this.#broker?.stop()
    return this.#report((performance.now() - startedMs) / 1000)
  }

  /** Ends whatever still runs, also after a failure. */
  async abandon(): Promise<void> {
    this.#stop.abort()
    await this.#broker?.kill()
    await this.#target.remove()
  }

  #parts(name: string, place: number): LoadParts {
    this.#names.push(name)
    const { ledger, address } = { ledger: this.#ledger, address: this.#target }
    const random = seededRandom(this.#random.int(0x7fff_ffff))
    return { address, ledger, random, name, version: place % 2 === 0 ? 1 : 2 }
  }

  async #start(): Promise<void> {
    this.#broker = await this.#target.start()
  }

  async #createTopics(): Promise<void> {
    const connection = await RawConnection.open(this.#target)
    const topics = [INPUT, OUTPUT].map((name) => {
      return { name, numPartitions: PARTITIONS, replicationFactor: 1, assignments: [], configs: [] }
    })
    const created = await connection.send(apis.createTopics, 7, { topics })
    // Apache Kafka makes the coordinators' topics when somebody looks for them, and not before.
    for (const keyType of [0, 1]) {
      await eventually('there is a coordinator', async () => {
        const found = await connection.send(apis.findCoordinator, 4, { keyType, coordinatorKeys: [GROUP] })
        return found.coordinators[0]?.errorCode === 0
      })
    }
    connection.close()
    const failed = created.topics.find(({ errorCode }) => errorCode !== 0)
    if (failed !== undefined) throw new Error(`CreateTopics: ${errorName(failed.errorCode)}`)
  }

  async #killUntilEnough(): Promise<void> {
    const { transactions, upMsMax, progress } = this.#options
    const ended = () => this.#ledger.outcomes().committed + this.#ledger.outcomes().aborted
    for (;;) {
      const lifeMs = upMsMax === undefined ? 1000 : 100 + this.#random.int(upMsMax)
      for (const until = Date.now() + lifeMs; Date.now() < until && ended() < transactions; ) await pause(50)
      progress?.(`${ended()} transactions, ${this.#kills} kills, ${this.#ledger.violations.length} violations`)
      if (ended() >= transactions || this.#ledger.violations.length > 0) return
      if (upMsMax === undefined) continue
      if (this.#broker?.over) this.#ledger.violate(`the broker ended by itself: ${this.#broker.lastOutput()}`)
      await this.#broker?.kill()
      this.#kills++
      await this.#start()
    }
  }

  /** Live readers, one for each partition: what they see never changes, and never goes back. */
  #watch(stop: AbortSignal): Promise<void>[] {
    return this.#places().map(async ([topic, partition]) => {
      const reader = new CommittedReader(this.#target)
      const seen = new Map<number, string>()
      this.#live.set(`${topic}-${partition}`, seen)
      let next = 0
      while (!stop.aborted) {
        const read = await reader.read(topic, partition, next, { waitMs: 200 })
        if (read === undefined) {
          await pause(50)
          continue
        }
        for (const { offset, value } of read.records) {
          this.#ledger.seen(`${topic}-${partition} offset ${offset}`, value)
          seen.set(offset, value)
          this.#seenLive++
          if (topic === INPUT) this.#inputSeen++
        }
        if (read.nextOffset < next) this.#ledger.violate(`${topic}-${partition} went back from ${next}`)
        next = read.nextOffset
      }
      reader.close()
    })
  }

  /** Whoever takes over a transactional id ends what was left open. */
  async #settle(): Promise<void> {
    for (const transactionalId of this.#names) {
      const parts = { address: this.#target, transactionalId, transactionTimeoutMs: 60_000, version: 1 as const }
      const client = new TransactionalClient(parts)
      await client.init()
      client.kill()
    }
    const reader = new CommittedReader(this.#target)
    for (const [topic, partition] of this.#places()) {
      await eventually(
        `no transaction is open in ${topic}-${partition}`,
        async () => {
          const read = await reader.read(topic, partition, 0, { bytesMax: 1 })
          return read !== undefined && read.lastStableOffset === read.highWatermark
        },
        STABLE_MS
      )
    }
    reader.close()
  }

  async #compare(): Promise<void> {
    const reader = new CommittedReader(this.#target)
    const stored = new Map<string, StoredRecord[]>()
    for (const [topic, partition] of this.#places()) {
      stored.set(`${topic}-${partition}`, await readAll(reader, topic, partition))
    }
    this.#ledger.compare(new Map([...stored].map(([place, records]) => [place, records.map(({ value }) => value)])))
    this.#compareLive(stored)
    await this.#compareOutput(reader, stored)
    await this.#readFromAnywhere(reader, stored)
    reader.close()
  }

  #compareLive(stored: ReadonlyMap<string, readonly StoredRecord[]>): void {
    for (const [place, seen] of this.#live) {
      const byOffset = new Map(stored.get(place)?.map(({ offset, value }) => [offset, value]))
      for (const [offset, value] of seen) {
        if (byOffset.get(offset) === value) continue
        this.#ledger.violate(`a reader saw ${value} at ${place} offset ${offset}, where ${byOffset.get(offset)} is`)
      }
      const last = Math.max(-1, ...seen.keys())
      for (const { offset, value } of stored.get(place) ?? []) {
        if (offset < last && !seen.has(offset)) this.#ledger.violate(`a reader passed over ${value} at ${place}`)
      }
    }
  }

  /** Exactly once: each record before the group's position is in its two places, and nothing else is. */
  async #compareOutput(reader: CommittedReader, stored: ReadonlyMap<string, readonly StoredRecord[]>): Promise<void> {
    const expected = new Map<string, string[]>()
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const position = await positionIn(reader, partition)
      for (const { offset, value } of stored.get(`${INPUT}-${partition}`) ?? []) {
        if (offset >= position) continue
        for (const output of outputsOf(whatOf(value))) {
          const place = `${OUTPUT}-${output}`
          expected.set(place, [...(expected.get(place) ?? []), whatOf(value)])
        }
      }
    }
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const place = `${OUTPUT}-${partition}`
      const found = stored.get(place)?.map(({ value }) => whatOf(value)) ?? []
      const wanted = new Set(expected.get(place))
      for (const what of found) if (!wanted.delete(what)) this.#ledger.violate(`${what} is in ${place} once too often`)
      for (const what of wanted) this.#ledger.violate(`${what} was processed and is not in ${place}`)
    }
  }

  async #readFromAnywhere(reader: CommittedReader, stored: ReadonlyMap<string, readonly StoredRecord[]>) {
    const places = this.#places()
    for (let count = 0; count < READS_FROM_ANYWHERE; count++) {
      const [topic, partition] = places[this.#random.int(places.length)] ?? [INPUT, 0]
      const records = stored.get(`${topic}-${partition}`) ?? []
      const from = this.#random.int((records.at(-1)?.offset ?? 0) + 1)
      const read = await reader.read(topic, partition, from, { bytesMax: 1 + this.#random.int(20_000) })
      if (read === undefined) throw new Error(`${topic}-${partition} cannot be read`)
      const wanted = records.filter(({ offset }) => offset >= from && offset < read.nextOffset)
      this.#readsFromAnywhere++
      if (JSON.stringify(wanted) === JSON.stringify(read.records)) continue
      this.#ledger.violate(
        `${topic}-${partition} from ${from} to ${read.nextOffset} shows ${read.records.length} records, not ${wanted.length}`
      )
    }
  }

  #places(): [topic: string, partition: number][] {
    const indexes = Array.from({ length: PARTITIONS }, (_, index) => index)
    return [INPUT, OUTPUT].flatMap((topic) => indexes.map((index): [string, number] => [topic, index]))
  }

  #report(seconds: number): TransactionReport {
    const processes = [...this.#sources, ...this.#workers]
    return {
      seed: this.#options.seed,
      kills: this.#kills,
      outcomes: this.#ledger.outcomes(),
      zombiesRefused: processes.reduce((sum, { zombiesRefused }) => sum + zombiesRefused, 0),
      recordsProcessed: this.#workers.reduce((sum, { processed }) => sum + processed, 0),
      recordsSeenLive: this.#seenLive,
      readsFromAnywhere: this.#readsFromAnywhere,
      seconds: Math.round(seconds),
      violations: this.#ledger.violations
    }
  }
}

/** Once the coordinator has loaded the group, and every transaction that holds an offset of it has ended. */
async function positionIn(reader: CommittedReader, partition: number): Promise<number> {
  const deadline = Date.now() + STABLE_MS
  for (;;) {
    const position = await reader.groupOffset(GROUP, INPUT, partition)
    if (position !== undefined) return position
    if (Date.now() > deadline) throw new Error(`the position in ${INPUT}-${partition} is not known: ${reader.problem}`)
    await pause(50)
  }
}

async function readAll(reader: CommittedReader, topic: string, partition: number): Promise<StoredRecord[]> {
  const records: StoredRecord[] = []
  for (let next = 0; ; ) {
    const read = await reader.read(topic, partition, next, { bytesMax: 4 * 1024 * 1024 })
    if (read === undefined) {
      await pause(50)
      continue
    }
    records.push(...read.records)
    if (read.nextOffset === next) return records
    next = read.nextOffset
  }
}
