import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { silentLog } from '../../runtime/log.ts'
import { settle, VirtualClock } from '../../runtime/virtual-clock.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { versionOf } from '../../wire/versioned.ts'
import { MemoryRecordLogs } from '../memory-record-logs.ts'
import { ShareCoordinator } from './share-coordinator.ts'
import type { StateBatch } from './share-state.ts'

const TOPIC = 'AQIDBAUGBwgJCgsMDQ4PEA'
const KEY = { groupId: 'g', topicId: TOPIC, partition: 0 }
const PRUNE_MS = 300_000

const done = (firstOffset: number, lastOffset: number): StateBatch => ({
  firstOffset,
  lastOffset,
  deliveryState: 2,
  deliveryCount: 1
})

describe('the share coordinator', () => {
  let clock: VirtualClock
  let logs: MemoryRecordLogs
  let partitionCount: number | undefined
  let coordinator: ShareCoordinator

  const start = (updatesPerSnapshot = 3) =>
    new ShareCoordinator({
      clock,
      log: silentLog,
      logs,
      settings: { updatesPerSnapshot, pruneIntervalMs: PRUNE_MS },
      partitionCount: () => partitionCount
    })

  const write = (startOffset: number, stateBatches: StateBatch[] = [], more = {}) =>
    coordinator.write(KEY, {
      stateEpoch: 1,
      leaderEpoch: 1,
      startOffset,
      deliveryCompleteCount: 0,
      stateBatches,
      ...more
    })

  /** 0 for a snapshot, 1 for an update, null for a tombstone. */
  const kinds = () => logs.records(0).map(({ key, value }) => (value === null ? null : versionOf(key)))

  beforeEach(() => {
    clock = new VirtualClock()
    logs = new MemoryRecordLogs(1)
    partitionCount = 4
    coordinator = start()
  })

  it('knows nothing of a partition that was not initialized', async () => {
    assert.equal((await write(0)).errorCode, ErrorCode.INVALID_REQUEST)
    assert.equal((await coordinator.read(KEY, 1)).errorCode, ErrorCode.INVALID_REQUEST)
    const summary = await coordinator.readSummary(KEY)
    assert.deepEqual([summary.errorCode, summary.startOffset, summary.deliveryCompleteCount], [0, -1, -1])
    assert.equal((await coordinator.delete(KEY)).errorCode, 0, 'it is gone already')
  })

  it('refuses what cannot be a share partition', async () => {
    const initialize = (key: Partial<typeof KEY>) =>
      coordinator.initialize({ ...KEY, ...key }, { stateEpoch: 0, startOffset: -1 })
    assert.equal((await initialize({ groupId: '' })).errorCode, ErrorCode.INVALID_GROUP_ID)
    assert.equal((await initialize({ partition: -1 })).errorCode, ErrorCode.INVALID_REQUEST)
    assert.equal((await initialize({ partition: 4 })).errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    partitionCount = undefined
    assert.equal((await initialize({})).errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    assert.deepEqual(logs.records(0), [])
  })

  it('joins what is written to what it knows, and keeps it over a restart', async () => {
    await coordinator.initialize(KEY, { stateEpoch: 1, startOffset: 0 })
    await write(0, [done(0, 4)])
    await write(0, [done(5, 9), { ...done(20, 24), deliveryState: 0 }], { deliveryCompleteCount: 10 })
    for (const next of [coordinator, start()]) {
      const read = await next.read(KEY, 1)
      assert.deepEqual([read.errorCode, read.startOffset, read.stateEpoch], [0, 0, 1])
      assert.deepEqual(read.stateBatches, [done(0, 9), { ...done(20, 24), deliveryState: 0 }])
      const { deliveryCompleteCount, leaderEpoch } = await next.readSummary(KEY)
      assert.deepEqual([deliveryCompleteCount, leaderEpoch], [10, 1])
    }
  })

  it('forgets what lies before the start', async () => {
    await coordinator.initialize(KEY, { stateEpoch: 1, startOffset: 0 })
    await write(0, [done(0, 9)])
    await write(5, [done(20, 24)])
    assert.deepEqual((await coordinator.read(KEY, 1)).stateBatches, [done(5, 9), done(20, 24)])
  })

  it('writes a snapshot after so many updates', async () => {
    await coordinator.initialize(KEY, { stateEpoch: 1, startOffset: 0 })
    for (let i = 0; i < 9; i++) await write(0, [done(i, i)])
    assert.deepEqual(kinds(), [0, 1, 1, 1, 0, 1, 1, 1, 0, 1])
    assert.deepEqual((await start().read(KEY, 1)).stateBatches, [done(0, 8)])
  })

  it('fences epochs that have ended', async () => {
    await coordinator.initialize(KEY, { stateEpoch: 1, startOffset: 0 })
    assert.equal((await coordinator.read(KEY, 5)).errorCode, 0)
    assert.deepEqual(kinds(), [0, 1], 'the new leader is noted')
    assert.equal((await write(0)).errorCode, ErrorCode.FENCED_LEADER_EPOCH)
    assert.equal((await coordinator.read(KEY, 4)).errorCode, ErrorCode.FENCED_LEADER_EPOCH)
    assert.equal((await write(0, [], { leaderEpoch: 5 })).errorCode, 0)
    assert.equal((await coordinator.initialize(KEY, { stateEpoch: 3, startOffset: 7 })).errorCode, 0)
    assert.equal((await write(0, [], { leaderEpoch: 5 })).errorCode, ErrorCode.FENCED_STATE_EPOCH)
    assert.equal(
      (await coordinator.initialize(KEY, { stateEpoch: 2, startOffset: 7 })).errorCode,
      ErrorCode.FENCED_STATE_EPOCH
    )
    for (const next of [coordinator, start()]) {
      const read = await next.read(KEY, 5)
      assert.deepEqual([read.startOffset, read.stateEpoch, read.stateBatches], [7, 3, []])
    }
    assert.equal((await start().read(KEY, 4)).errorCode, ErrorCode.FENCED_LEADER_EPOCH)
  })

  it('deletes for good', async () => {
    await coordinator.initialize(KEY, { stateEpoch: 1, startOffset: 0 })
    await write(0, [done(0, 4)])
    assert.equal((await coordinator.delete(KEY)).errorCode, 0)
    assert.deepEqual(kinds(), [0, 1, null])
    assert.equal((await start().read(KEY, 1)).errorCode, ErrorCode.INVALID_REQUEST)
  })

  it('answers only what is durable', async () => {
    await coordinator.initialize(KEY, { stateEpoch: 1, startOffset: 0 })
    logs.hold()
    const answers: string[] = []
    const writing = write(0, [done(0, 4)]).then(() => answers.push('written'))
    const reading = coordinator.readSummary(KEY).then(() => answers.push('read'))
    await settle()
    assert.deepEqual(answers, [])
    logs.release()
    await Promise.all([writing, reading])
    assert.deepEqual(answers.sort(), ['read', 'written'])
  })

  it('gives up what it knows when the log fails, and reads it again', async () => {
    await coordinator.initialize(KEY, { stateEpoch: 1, startOffset: 0 })
    await write(0, [done(0, 4)])
    logs.failWith('unavailable')
    assert.equal((await write(0, [done(5, 9)])).errorCode, ErrorCode.COORDINATOR_NOT_AVAILABLE)
    logs.failure = undefined
    assert.deepEqual((await coordinator.read(KEY, 1)).stateBatches, [done(0, 4)])
    logs.failWith('fenced')
    assert.equal((await write(0, [done(5, 9)])).errorCode, ErrorCode.NOT_COORDINATOR)
    logs.failure = undefined
    logs.elsewhere.add(0)
    assert.equal((await write(0)).errorCode, ErrorCode.NOT_COORDINATOR)
  })

  it('passes over records that are none', async () => {
    await coordinator.initialize(KEY, { stateEpoch: 1, startOffset: 3 })
    logs.entries[0]?.push({ records: [{ key: Buffer.from([0]), value: null }], transaction: undefined })
    logs.entries[0]?.push({ records: [{ key: Buffer.from([0, 9, 1]), value: null }], transaction: undefined })
    logs.entries[0]?.push({ records: [{ key: Buffer.from([0, 0, 9]), value: null }], transaction: undefined })
    assert.equal((await start().read(KEY, 1)).startOffset, 3)
  })

  it('drops from the log what has lost its meaning, and writes anew what holds it up', async () => {
    const cold = { ...KEY, partition: 1 }
    await coordinator.initialize(cold, { stateEpoch: 1, startOffset: 42 })
    await coordinator.initialize(KEY, { stateEpoch: 1, startOffset: 0 })
    for (let i = 0; i < 50; i++) await write(0, [done(i, i)])
    assert.equal(logs.records(0).length, 52)
    await clock.advance(PRUNE_MS + 1)
    await write(0, [done(50, 50)])
    await clock.advance(PRUNE_MS)
    assert.ok(logs.records(0).length < 10, `${logs.records(0).length} records are left`)
    const left = kinds()
    await clock.advance(PRUNE_MS * 3)
    assert.deepEqual(kinds(), left, 'where nothing happens nothing is written')
    coordinator.close()
    coordinator = start()
    assert.equal((await coordinator.read(cold, 1)).startOffset, 42)
    assert.deepEqual((await coordinator.read(KEY, 1)).stateBatches, [done(0, 50)])
  })

  it('forgets topics that are gone', async () => {
    await coordinator.initialize(KEY, { stateEpoch: 1, startOffset: 0 })
    partitionCount = undefined
    await clock.advance(PRUNE_MS)
    assert.equal(kinds().at(-1) ?? null, null)
    partitionCount = 4
    assert.equal((await start().read(KEY, 1)).errorCode, ErrorCode.INVALID_REQUEST)
  })
})
