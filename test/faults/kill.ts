/**
 * Kills a broker at random moments under load, starts it again on the same data, and holds it to every promise it made:
 * acknowledged records are at the offsets they were acknowledged with, offsets are dense, idempotent producers leave no
 * duplicate, committed offsets do not go back, topics created or deleted stay so, producer ids are given once.
 *
 * The seed repeats the choices of the run, not the timing of the machine.
 */
import { type Random, seededRandom } from '../../src/runtime/random.ts'
import { errorName } from '../../src/wire/error-codes.ts'
import type { PeerProcess } from '../conformance/peer-process.ts'
import { eventually, pause, within } from '../conformance/waiting.ts'
import { apis } from './apis.ts'
import { committedOffsets, OffsetCommitter, TopicChurn } from './background-load.ts'
import { IdempotentProducer, initProducerId } from './idempotent-producer.ts'
import type { KillTarget } from './kill-target.ts'
import { Ledger } from './ledger.ts'
import { GroupConsumer, LibraryProducer } from './library-clients.ts'
import { dumpPartition, endOffset } from './partition-dump.ts'
import { RawConnection } from './raw-client.ts'

const TOPIC = 'killed'
const PARTITIONS = 3
const RAW_PRODUCERS = 3
const DRAIN_MS = 60_000
const CHECK_MS = 60_000
const GROUP = 'kill-members'
/**
 * A client that joins again as a new member waits until the sessions of the members from before the kill are over, as
 * with Kafka. Now and then the broker lives long enough for that.
 */
const LONG_LIFE_EVERY = 8
const LONG_LIFE_MS = 10_000
/** Longest time in which the group may read nothing. */
const STALL_MS = 45_000

export interface KillOptions {
  readonly seed: number
  readonly kills: number
  /** Longest time that the broker lives between two kills. */
  readonly upMsMax?: number
  /** Told after each restart. */
  readonly progress?: (sentence: string) => void
}

export interface KillReport {
  readonly seed: number
  readonly kills: number
  /** Kills before the broker listened, among them. */
  readonly killsWhileStarting: number
  readonly startMsMedian: number
  readonly startMsMax: number
  readonly recordsAcknowledged: number
  readonly recordsSeenByGroup: number
  /** What the library gave up for, when its members did not come back by themselves. */
  readonly membersReplacedFor: readonly string[]
  readonly batchesSentAgain: number
  readonly duplicatesWithoutOffset: number
  readonly libraryRecordsAcknowledged: number
  readonly librarySendsUncertain: number
  readonly commitsAcknowledged: number
  readonly topicChangesAcknowledged: number
  readonly violations: readonly string[]
}

export async function runKills(target: KillTarget, options: KillOptions): Promise<KillReport> {
  const run = new KillRun(target, options)
  try {
    await run.begin()
    for (let kill = 1; kill <= options.kills; kill++) await run.kill(kill)
    await run.finish()
    return run.report()
  } finally {
    await run.abandon()
  }
}

class KillRun {
  readonly #target: KillTarget
  readonly #options: KillOptions
  readonly #random: Random
  readonly #ledger = new Ledger()
  readonly #producers: IdempotentProducer[]
  readonly #library: LibraryProducer
  readonly #committers: OffsetCommitter[]
  readonly #churn: TopicChurn
  readonly #members: GroupConsumer[]
  readonly #groupCommitted = new Map<number, number>()
  readonly #producerIds = new Set<number>()
  readonly #stop = new AbortController()
  readonly #deadline = new AbortController()
  readonly #startMs: number[] = []
  #killsWhileStarting = 0
  #violationsTold = 0
  #broker: PeerProcess | undefined
  #load: Promise<unknown> = Promise.resolve()

  constructor(target: KillTarget, options: KillOptions) {
    this.#target = target
    this.#options = options
    this.#random = seededRandom(options.seed)
    const shared = { address: target, topic: TOPIC, partitions: PARTITIONS, ledger: this.#ledger }
    const parts = () => ({ ...shared, random: seededRandom(this.#random.int(0x7fff_ffff)) })
    const named = (name: string) => ({ ...parts(), name })
    this.#producers = Array.from({ length: RAW_PRODUCERS }, (_, i) => new IdempotentProducer(named(`raw-${i}`)))
    this.#library = new LibraryProducer(named('library'))
    this.#committers = ['kill-a', 'kill-b'].map((group) => new OffsetCommitter(parts(), group))
    this.#churn = new TopicChurn(parts())
    this.#members = ['member-0', 'member-1'].map((name) => new GroupConsumer(named(name), GROUP, this.#groupCommitted))
  }

  async begin(): Promise<void> {
    await this.#start()
    const connection = await RawConnection.open(this.#target)
    const topic = { name: TOPIC, numPartitions: PARTITIONS, replicationFactor: 1, assignments: [], configs: [] }
    const created = await connection.send(apis.createTopics, 7, { topics: [topic] })
    connection.close()
    const errorCode = created.topics[0]?.errorCode ?? -1
    if (errorCode !== 0) throw new Error(`CreateTopics: ${errorName(errorCode)}`)
    for (const producer of this.#producers) {
      await producer.start()
      this.#checkProducerId(producer.producerId)
    }
    for (const member of this.#members) await within('a member starts', member.start())
    const load = [
      ...this.#producers.map((producer) => producer.run(this.#stop.signal, this.#deadline.signal)),
      this.#library.run(this.#stop.signal),
      ...this.#committers.map((committer) => committer.run(this.#stop.signal)),
      this.#churn.run(this.#stop.signal)
    ]
    this.#load = Promise.all(load)
    this.#load.catch((error: unknown) => this.#ledger.violate(`the load ended: ${String(error)}`))
  }

  async kill(number: number): Promise<void> {
    const long = number % LONG_LIFE_EVERY === 0 ? LONG_LIFE_MS : 0
    await pause(20 + long + this.#random.int(this.#options.upMsMax ?? 1200))
    if (this.#broker?.over)
      this.#ledger.violate(`the broker ended by itself before kill ${number}: ${lastWords(this.#broker)}`)
    await this.#broker?.kill()
    while (this.#random.float() < 0.25) {
      const starting = this.#target.spawn()
      await pause(this.#random.int(600))
      if (starting.over) this.#ledger.violate(`the broker ended by itself while starting: ${lastWords(starting)}`)
      await starting.kill()
      this.#killsWhileStarting++
    }
    await this.#start()
    await this.#check()
    const started = `started in ${Math.round(this.#startMs.at(-1) ?? 0)} ms`
    const { acknowledgedRecords, seenRecords } = this.#ledger
    this.#options.progress?.(
      `kill ${number}: ${started}, ${acknowledgedRecords} records acknowledged, ${seenRecords} consumed`
    )
    for (const sentence of this.#ledger.violations.slice(this.#violationsTold)) this.#options.progress?.(sentence)
    this.#violationsTold = this.#ledger.violations.length
  }

  /** Stops the load, lets producers get their last answers, and compares everything; again after a clean restart. */
  async finish(): Promise<void> {
    this.#stop.abort()
    const timer = setTimeout(() => this.#deadline.abort(), DRAIN_MS)
    await within('the producers finish', this.#load, DRAIN_MS + 30_000)
    clearTimeout(timer)
    await this.#catchUp()
    await this.#compare()
    for (const member of this.#members) await within('a member leaves', member.stop())
    await this.#broker?.stop()
    await this.#start()
    await this.#check()
    await this.#compare()
    await this.#broker?.stop()
  }

  /** Ends whatever still runs, also after a failure. */
  async abandon(): Promise<void> {
    this.#stop.abort()
    this.#deadline.abort()
    await Promise.race([Promise.allSettled(this.#members.map((member) => member.stop())), pause(2000)])
    await this.#broker?.kill()
    await this.#target.remove()
  }

  report(): KillReport {
    const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
    const sorted = [...this.#startMs].sort((a, b) => a - b)
    return {
      seed: this.#options.seed,
      kills: this.#options.kills,
      killsWhileStarting: this.#killsWhileStarting,
      startMsMedian: Math.round(sorted[sorted.length >> 1] ?? 0),
      startMsMax: Math.round(sorted.at(-1) ?? 0),
      recordsAcknowledged: this.#ledger.acknowledgedRecords,
      recordsSeenByGroup: this.#ledger.seenRecords,
      membersReplacedFor: this.#members.flatMap((member) => member.replacedFor),
      batchesSentAgain: sum(this.#producers.map((producer) => producer.resent)),
      duplicatesWithoutOffset: sum(this.#producers.map((producer) => producer.withoutOffset)),
      libraryRecordsAcknowledged: this.#library.acknowledged,
      librarySendsUncertain: this.#library.uncertain,
      commitsAcknowledged: sum(this.#committers.map((committer) => committer.acknowledged)),
      topicChangesAcknowledged: this.#churn.acknowledged,
      violations: this.#ledger.violations
    }
  }

  async #start(): Promise<void> {
    const before = performance.now()
    this.#broker = await this.#target.start()
    this.#startMs.push(performance.now() - before)
  }

  /** What must hold as soon as the broker answers again, while the load goes on. */
  async #check(): Promise<void> {
    const promised = Array.from({ length: PARTITIONS }, (_, partition) => this.#ledger.acknowledgedEnd(partition))
    const committed = new Map(this.#groupCommitted)
    await this.#connected(async (connection) => {
      for (const [partition, end] of promised.entries()) {
        const found = await endOffset(connection, TOPIC, partition)
        if (found < end) this.#ledger.violate(`partition ${partition} ends at ${found}, acknowledged up to ${end}`)
      }
      await this.#churn.check(connection, this.#target.metadataLagMs)
      for (const committer of this.#committers) await committer.check(connection)
      const found = await committedOffsets(connection, GROUP, { topic: TOPIC, partitions: PARTITIONS })
      for (const [partition, offset] of committed) {
        const now = found.get(partition) ?? -1
        if (now < offset) this.#ledger.violate(`${GROUP} partition ${partition} went back from ${offset} to ${now}`)
      }
      this.#checkProducerId((await initProducerId(connection)).producerId)
    })
  }

  /** The group has to get over every kill in the end, and to leave no record unread. */
  async #catchUp(): Promise<void> {
    const partitions = [...Array(PARTITIONS).keys()]
    const behind = (): number[] =>
      partitions.filter((partition) => this.#ledger.seenEnd(partition) < this.#ledger.acknowledgedEnd(partition))
    for (let seen = -1; behind().length > 0; ) {
      if (this.#ledger.seenRecords === seen) {
        const places = behind().map((partition) => `partition ${partition} at ${this.#ledger.seenEnd(partition)}`)
        this.#ledger.violate(`the group does not go on: ${places.join(', ')}; ${await this.#groupState()}`)
        return
      }
      seen = this.#ledger.seenRecords
      await eventually('progress', () => this.#ledger.seenRecords > seen || behind().length === 0, STALL_MS).catch(
        () => {}
      )
    }
  }

  async #groupState(): Promise<string> {
    let state = ''
    await this.#connected(async (connection) => {
      const response = await connection.send(apis.describeGroups, 5, {
        groups: [GROUP],
        includeAuthorizedOperations: false
      })
      const [group] = response.groups
      state = `the broker says ${group?.groupState} with ${group?.members.length} members`
    })
    return `${state}, the members last crashed for ${this.#members.map((member) => member.lastCrash).join(' and ')}`
  }

  async #compare(): Promise<void> {
    await this.#connected(async (connection) => {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        this.#ledger.compare(partition, await dumpPartition(connection, TOPIC, partition, this.#ledger))
      }
    })
  }

  async #connected(work: (connection: RawConnection) => Promise<void>): Promise<void> {
    const connection = await RawConnection.open(this.#target)
    try {
      await within('the checks after a restart', work(connection), CHECK_MS)
    } finally {
      connection.close()
    }
  }

  #checkProducerId(id: number): void {
    if (this.#producerIds.has(id)) this.#ledger.violate(`producer id ${id} was given twice`)
    this.#producerIds.add(id)
  }
}

function lastWords(broker: PeerProcess): string {
  return broker.lastOutput()
}
