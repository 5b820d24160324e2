/**
 * Two producers share a transactional id and do whatever they like, while the coordinator crashes, its log is slow or
 * fails, and the leaders of partitions are away. What must hold is read from the log, the markers and the answers.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { silentLog } from '../../runtime/log.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { MemoryRecordLogs } from '../memory-record-logs.ts'
import type { LogProducer, TransactionEnd } from '../record-log.ts'
import { isCommit, isEnding, type Transaction, type TransactionVersion } from './transaction.ts'
import { TransactionCoordinator } from './transaction-coordinator.ts'
import type { TopicPartition } from './transaction-partitions.ts'
import { decodeTransaction } from './transaction-records.ts'
import { DEFAULT_TRANSACTION_SETTINGS } from './transaction-shard.ts'

const PARTITIONS: readonly TopicPartition[] = [
  { topic: 'cars', partition: 0 },
  { topic: 'boats', partition: 1 }
]
const TIMEOUT_MS = 30_000

class World {
  readonly clock = new VirtualClock()
  logs = new MemoryRecordLogs(1)
  coordinator: TransactionCoordinator
  /** Code of a leader that takes no marker; NONE when it does. */
  leaders: number = ErrorCode.NONE
  /** What each of the two producers was told last. */
  readonly holds: LogProducer[] = []
  /** Which producer was given an id and epoch. */
  readonly given = new Map<string, number>()
  /** Outcomes of which a producer was told that they are decided. */
  readonly promised: { readonly producer: LogProducer; readonly committed: boolean }[] = []
  readonly wrong: string[] = []
  #producerId = 10

  constructor() {
    this.coordinator = this.#create()
  }

  stored(): Transaction[] {
    return this.logs.records(0).flatMap((record) => decodeTransaction(record)?.transaction ?? [])
  }

  /** What was not durable is lost, and whoever waits hears nothing. */
  async crash(): Promise<void> {
    const old = this.logs
    this.logs = new MemoryRecordLogs(1)
    this.logs.entries[0]?.push(...(old.entries[0] ?? []))
    this.coordinator.close()
    this.coordinator = this.#create()
    void this.coordinator.loadAll()
  }

  async init(who: number, known: boolean): Promise<void> {
    const expected = known ? this.holds[who] : undefined
    const { error, producer } = await this.coordinator.initProducer('truck', { timeoutMs: TIMEOUT_MS, expected })
    if (error === ErrorCode.NONE) this.#give(who, producer)
  }

  async add(who: number, version: TransactionVersion, partition: TopicPartition): Promise<void> {
    const producer = this.holds[who]
    if (producer !== undefined) await this.coordinator.addPartitions('truck', producer, [partition], version)
  }

  async end(who: number, version: TransactionVersion, committed: boolean): Promise<void> {
    const producer = this.holds[who]
    if (producer === undefined) return
    const { error, producer: next } = await this.coordinator.end('truck', producer, committed, version)
    if (error !== ErrorCode.NONE) return
    this.promised.push({ producer: { ...producer, epoch: producer.epoch + (version === 2 ? 1 : 0) }, committed })
    if (version === 2) this.#give(who, next)
  }

  #give(who: number, producer: LogProducer): void {
    const key = `${producer.id}/${producer.epoch}`
    if ((this.given.get(key) ?? who) !== who) this.wrong.push(`${key} was given to both producers`)
    this.given.set(key, who)
    this.holds[who] = producer
  }

  #create(): TransactionCoordinator {
    const { logs } = this
    return new TransactionCoordinator({
      clock: this.clock,
      log: silentLog,
      logs,
      ends: { end: async (end, partitions) => (logs === this.logs ? this.#told(end, partitions) : [this.leaders]) },
      settings: DEFAULT_TRANSACTION_SETTINGS,
      nextProducerId: async () => this.#producerId++,
      version: () => 2,
      loadGraceMs: 200
    })
  }

  /** Nothing may be said to a partition that is not in the log, as the last word. */
  #told({ producer, committed }: TransactionEnd, partitions: readonly TopicPartition[]): readonly number[] {
    const last = this.stored().at(-1)
    const decided =
      last !== undefined &&
      isEnding(last) &&
      isCommit(last) === committed &&
      last.producerId === producer.id &&
      last.producerEpoch === producer.epoch
    if (!decided) this.wrong.push(`a partition is told ${JSON.stringify({ producer, committed })} of ${last?.state}`)
    return partitions.map(() => this.leaders)
  }
}

/** Whether the records of one id follow each other as they may. */
function checkLog(records: readonly Transaction[]): void {
  for (const [at, after] of records.entries()) {
    const before = records[at - 1]
    if (before === undefined) continue
    const step = `${JSON.stringify(before)} became ${JSON.stringify(after)}`
    const sameId = before.producerId === after.producerId
    assert.ok(sameId ? after.producerEpoch >= before.producerEpoch : after.producerId > before.producerId, step)
    if (isEnding(before)) {
      assert.ok(after.state === (isCommit(before) ? 'CompleteCommit' : 'CompleteAbort'), step)
    }
    if (isEnding(after) && isCommit(after)) assert.equal(before.state, 'Ongoing', step)
  }
}

const who = fc.constantFrom(0, 1)
const version = fc.constantFrom<TransactionVersion[]>(0, 2)
const event = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('init' as const), who, known: fc.boolean() }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('add' as const), who, version, partition: fc.constantFrom(...PARTITIONS) })
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('end' as const), who, version, committed: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(50, 3_000, 45_000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('hold' as const, 'release' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('fail' as const, 'heal' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('away' as const, 'back' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const) }) }
)

async function perform(world: World, step: typeof event extends fc.Arbitrary<infer T> ? T : never): Promise<void> {
  switch (step.do) {
    case 'init':
      void world.init(step.who, step.known)
      break
    case 'add':
      void world.add(step.who, step.version, step.partition)
      break
    case 'end':
      void world.end(step.who, step.version, step.committed)
      break
    case 'wait':
      await world.clock.advance(step.ms)
      break
    case 'hold':
      world.logs.hold()
      break
    case 'release':
      world.logs.release()
      break
    case 'fail':
      world.logs.failWith('unavailable')
      break
    case 'heal':
      world.logs.failure = undefined
      break
    case 'away':
    case 'back':
      world.leaders = step.do === 'away' ? ErrorCode.NOT_LEADER_OR_FOLLOWER : ErrorCode.NONE
      break
    case 'crash':
      await world.crash()
  }
  await world.clock.advance(0)
}

it('a transaction has one outcome, which stays, and a producer its epoch alone, whatever fails', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 60, size: 'max' }), async (events) => {
      const world = new World()
      for (const step of events) await perform(world, step)
      world.logs.failure = undefined
      world.logs.release()
      world.leaders = ErrorCode.NONE
      // Nobody asks for anything any more.
      await world.clock.advance(120_000)
      const records = world.stored()
      checkLog(records)
      assert.deepEqual(world.wrong, [])
      for (const { producer, committed } of world.promised) {
        const decided = records.some(
          (one) =>
            isEnding(one) &&
            isCommit(one) === committed &&
            one.producerId === producer.id &&
            one.producerEpoch === producer.epoch
        )
        assert.ok(decided, `nothing in the log says ${JSON.stringify({ producer, committed })}`)
      }
      const last = records.at(-1)
      assert.ok(last === undefined || (last.state !== 'Ongoing' && !isEnding(last)), `left ${last?.state}`)
      world.coordinator.close()
    }),
    { numRuns: 150 }
  )
})
