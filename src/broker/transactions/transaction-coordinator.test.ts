import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLog } from '../../runtime/log.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { ErrorCode, errorName } from '../../wire/error-codes.ts'
import { MemoryRecordLogs } from '../memory-record-logs.ts'
import type { TransactionEnd } from '../record-log.ts'
import { newTransaction } from './transaction.ts'
import { TransactionCoordinator } from './transaction-coordinator.ts'
import type { TopicPartition } from './transaction-partitions.ts'
import { decodeTransaction, encodeTransaction } from './transaction-records.ts'
import { DEFAULT_TRANSACTION_SETTINGS } from './transaction-shard.ts'

const CARS = { topic: 'cars', partition: 0 }

/** Partitions as the coordinator sees them: what they were told, and what they answer. */
class Leaders {
  readonly told: { readonly end: TransactionEnd; readonly partition: TopicPartition }[] = []
  answer: number = ErrorCode.NONE

  async end(end: TransactionEnd, partitions: readonly TopicPartition[]): Promise<readonly number[]> {
    if (this.answer === ErrorCode.NONE) for (const partition of partitions) this.told.push({ end, partition })
    return partitions.map(() => this.answer)
  }
}

class World {
  readonly clock = new VirtualClock()
  readonly logs = new MemoryRecordLogs(1)
  readonly leaders = new Leaders()
  coordinator: TransactionCoordinator
  #producerId = 10

  constructor() {
    this.coordinator = this.#create()
  }

  /** The process ends, and another one begins on what is durable. */
  async restart(): Promise<void> {
    this.coordinator.close()
    this.coordinator = this.#create()
    await this.settled(this.coordinator.loadAll())
  }

  async settled<T>(promise: Promise<T>): Promise<T> {
    let isDone = false
    promise.then(
      () => (isDone = true),
      () => (isDone = true)
    )
    for (let turn = 0; turn < 50 && !isDone; turn++) await this.clock.advance(0)
    assert.ok(isDone, 'it waits for time to pass')
    return promise
  }

  async init(timeoutMs = 60_000) {
    const { error, producer } = await this.settled(
      this.coordinator.initProducer('truck', { timeoutMs, expected: undefined })
    )
    return { error: errorName(error), producer }
  }

  /** A producer with an open transaction on cars-0. */
  async open(version: 0 | 2 = 0) {
    const { error, producer } = await this.init()
    assert.equal(error, 'NONE')
    assert.equal(await this.settled(this.coordinator.addPartitions('truck', producer, [CARS], version)), 0)
    return producer
  }

  async state(): Promise<string | undefined> {
    return (await this.settled(this.coordinator.describe('truck'))).transaction?.state
  }

  #create(): TransactionCoordinator {
    return new TransactionCoordinator({
      clock: this.clock,
      log: silentLog,
      logs: this.logs,
      ends: this.leaders,
      settings: DEFAULT_TRANSACTION_SETTINGS,
      nextProducerId: async () => this.#producerId++,
      version: () => 2,
      loadGraceMs: 200
    })
  }
}

describe('the transaction coordinator', () => {
  it('leaves it to whoever loads the partition next to bring out an end that is decided as it is unloaded', async () => {
    for (const add of [true, false]) {
      const world = new World()
      const producer = add ? await world.open(2) : (await world.init()).producer
      world.logs.hold()
      const ending = world.coordinator.end('truck', producer, false, 2)
      await world.clock.advance(0)
      world.coordinator.unload(0)
      const stored = world.logs.records(0).length
      world.logs.release()
      await world.settled(ending)
      await world.clock.advance(1_000)
      assert.equal(world.leaders.told.length, 0)
      assert.equal(world.logs.records(0).length, stored + 1, 'the decision is the last that was written')
      await world.settled(world.coordinator.load(0))
      assert.equal(await world.state(), 'CompleteAbort')
      assert.equal(world.leaders.told.length, add ? 1 : 0)
    }
  })

  it('tells every partition of the outcome, once the outcome is durable', async () => {
    for (const version of [0, 2] as const) {
      const world = new World()
      const producer = await world.open(version)
      world.logs.hold()
      const ending = world.coordinator.end('truck', producer, true, version)
      await world.clock.advance(1_000)
      assert.equal(world.leaders.told.length, 0, 'nothing is decided before it is on disk')
      world.logs.release()
      const { error, producer: next } = await world.settled(ending)
      assert.equal(error, ErrorCode.NONE)
      await world.clock.advance(0)
      const epoch = version === 2 ? producer.epoch + 1 : producer.epoch
      const [told] = world.leaders.told
      assert.deepEqual(told?.end.producer, { id: producer.id, epoch })
      assert.equal(told?.end.committed, true)
      assert.equal(await world.state(), 'CompleteCommit')
      assert.deepEqual(next, version === 2 ? { id: producer.id, epoch } : { id: -1, epoch: -1 })
    }
  })

  it('goes on telling a partition that does not answer, with pauses, until it does', async () => {
    const world = new World()
    const producer = await world.open()
    world.leaders.answer = ErrorCode.NOT_LEADER_OR_FOLLOWER
    await world.settled(world.coordinator.end('truck', producer, true, 0))
    await world.clock.advance(60_000)
    assert.equal(await world.state(), 'PrepareCommit')
    assert.equal((await world.init()).error, 'CONCURRENT_TRANSACTIONS')
    world.leaders.answer = ErrorCode.NONE
    await world.clock.advance(2_000)
    assert.equal(await world.state(), 'CompleteCommit')
    assert.equal(world.leaders.told.length, 1)
  })

  it('finishes after a restart what was decided before, with the same outcome', async () => {
    const world = new World()
    const producer = await world.open()
    world.leaders.answer = ErrorCode.NOT_LEADER_OR_FOLLOWER
    await world.settled(world.coordinator.end('truck', producer, true, 0))
    await world.restart()
    world.leaders.answer = ErrorCode.NONE
    await world.clock.advance(2_000)
    assert.equal(await world.state(), 'CompleteCommit')
    assert.equal(world.leaders.told[0]?.end.committed, true)
  })

  it('knows after a restart what is open, and who may write', async () => {
    const world = new World()
    const producer = await world.open()
    await world.restart()
    assert.equal(await world.state(), 'Ongoing')
    const request = { transactionalId: 'truck', producer, partitions: [CARS], add: false }
    assert.deepEqual(await world.settled(world.coordinator.verify(request)), [ErrorCode.NONE])
    assert.equal((await world.settled(world.coordinator.end('truck', producer, false, 0))).error, ErrorCode.NONE)
    await world.clock.advance(0)
    assert.equal(await world.state(), 'CompleteAbort')
  })

  it('aborts and fences what is open for too long', async () => {
    const world = new World()
    const producer = await world.open()
    await world.clock.advance(75_000)
    assert.equal(await world.state(), 'CompleteAbort')
    assert.deepEqual(world.leaders.told[0]?.end.producer, { id: producer.id, epoch: producer.epoch + 1 })
    const { error } = await world.settled(world.coordinator.end('truck', producer, true, 0))
    assert.equal(errorName(error), 'PRODUCER_FENCED')
  })

  it('aborts what another producer left open, and lets it come again', async () => {
    const world = new World()
    const producer = await world.open()
    assert.equal((await world.init()).error, 'CONCURRENT_TRANSACTIONS')
    await world.clock.advance(0)
    const again = await world.init()
    assert.equal(again.error, 'NONE')
    assert.ok(again.producer.epoch > producer.epoch + 1)
    assert.equal(world.leaders.told[0]?.end.committed, false)
  })

  it('refuses and loads anew when the log takes nothing', async () => {
    const world = new World()
    const producer = await world.open()
    world.logs.failWith('unavailable')
    const { error } = await world.settled(world.coordinator.end('truck', producer, true, 0))
    assert.equal(errorName(error), 'COORDINATOR_NOT_AVAILABLE')
    world.logs.failure = undefined
    assert.equal(await world.state(), 'Ongoing', 'what was not stored has not happened')
    assert.deepEqual(world.leaders.told, [])
  })

  it('says that it is somebody else when another broker leads the partition', async () => {
    const world = new World()
    world.logs.elsewhere.add(0)
    assert.equal((await world.init()).error, 'NOT_COORDINATOR')
    const request = { transactionalId: 'truck', producer: { id: 1, epoch: 0 }, partitions: [CARS], add: true }
    assert.deepEqual(await world.settled(world.coordinator.verify(request)), [ErrorCode.NOT_COORDINATOR])
  })

  it('forgets an id that nobody has used for a week, for good', async () => {
    const world = new World()
    await world.init()
    await world.clock.advance(604_800_000 + 3_600_000)
    assert.equal(await world.state(), undefined)
    await world.restart()
    assert.equal(await world.state(), undefined)
    assert.equal(world.logs.records(0).at(-1)?.value, null)
  })

  it('refuses timeouts that are none or too long, and ids that are empty', async () => {
    const world = new World()
    assert.equal((await world.init(0)).error, 'INVALID_TRANSACTION_TIMEOUT')
    assert.equal((await world.init(900_001)).error, 'INVALID_TRANSACTION_TIMEOUT')
    const options = { timeoutMs: 1_000, expected: undefined }
    const { error } = await world.settled(world.coordinator.initProducer('', options))
    assert.equal(errorName(error), 'INVALID_REQUEST')
  })

  it('lets a producer wait that goes on with the id that follows its last epoch, until its transaction has ended', async () => {
    const world = new World()
    const last = { id: 7, epoch: 32_766 }
    const stored = { ...newTransaction('truck', last.id, 60_000, 0), producerEpoch: last.epoch, startedAt: 0 }
    const record = encodeTransaction({ ...stored, updatedAt: world.clock.now() })
    world.logs.entries[0]?.push({ records: [record], transaction: undefined })
    await world.settled(world.coordinator.addPartitions('truck', last, [CARS], 2))
    world.leaders.answer = ErrorCode.NOT_LEADER_OR_FOLLOWER
    const { error, producer: next } = await world.settled(world.coordinator.end('truck', last, true, 2))
    assert.equal(error, ErrorCode.NONE)
    assert.deepEqual(next, { id: 10, epoch: 0 })
    const request = { transactionalId: 'truck', producer: next, partitions: [CARS], add: true }
    assert.deepEqual(await world.settled(world.coordinator.verify(request)), [ErrorCode.CONCURRENT_TRANSACTIONS])
    world.leaders.answer = ErrorCode.NONE
    await world.clock.advance(2_000)
    assert.deepEqual(world.leaders.told[0]?.end.producer, { id: 7, epoch: 32_767 })
    assert.deepEqual(await world.settled(world.coordinator.verify(request)), [ErrorCode.NONE])
    await world.restart()
    assert.deepEqual(await world.settled(world.coordinator.end('truck', next, true, 2)), {
      error: ErrorCode.NONE,
      producer: { id: 10, epoch: 1 }
    })
  })

  it('goes on by itself with what was decided after its log had failed, also when nobody asks', async () => {
    const world = new World()
    const producer = await world.open()
    world.leaders.answer = ErrorCode.NOT_LEADER_OR_FOLLOWER
    await world.settled(world.coordinator.end('truck', producer, true, 0))
    world.logs.failWith('unavailable')
    world.leaders.answer = ErrorCode.NONE
    await world.clock.advance(60_000)
    world.logs.failure = undefined
    await world.clock.advance(6_000)
    const last = world.logs.records(0).at(-1)
    assert.equal(last && decodeTransaction(last)?.transaction?.state, 'CompleteCommit')
  })

  it('shows in a list only what is durable', async () => {
    const world = new World()
    const producer = await world.open()
    world.logs.hold()
    const ending = world.coordinator.end('truck', producer, true, 0)
    let isListed = false
    const listing = world.coordinator.list().finally(() => {
      isListed = true
    })
    await world.clock.advance(0)
    assert.equal(isListed, false)
    world.logs.release()
    assert.equal((await world.settled(listing)).transactions[0]?.state, 'PrepareCommit')
    await world.settled(ending)
  })

  it('goes on for all others when a partition says that it knows a newer coordinator', async () => {
    const world = new World()
    const producer = await world.open()
    world.leaders.answer = ErrorCode.TRANSACTION_COORDINATOR_FENCED
    await world.settled(world.coordinator.end('truck', producer, true, 0))
    await world.clock.advance(60_000)
    assert.equal(await world.state(), 'PrepareCommit')
    const options = { timeoutMs: 60_000, expected: undefined }
    const other = await world.settled(world.coordinator.initProducer('boat', options))
    assert.equal(other.error, ErrorCode.NONE)
    assert.equal(world.logs.opened, 1, 'the partition was not loaded anew')
  })
})
