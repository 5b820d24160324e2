import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Fault } from '../../runtime/fault.ts'
import { hasDeleteHorizon, parseBatchHeader } from '../../wire/records/batch-header.ts'
import { MemoryLog, record } from './memory-log-fixture.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

describe('compaction by key', () => {
  it('keeps the last record of each key at its offset, in order', async () => {
    const log = new MemoryLog()
    await log.put(['a', '1'], ['b', '1'], ['a', '2'])
    await log.put(['c', '1'], ['b', '2'])
    await log.put(['a', '3'])
    await log.clean()
    assert.deepEqual(await log.left(), ['3 c=1', '4 b=2', '5 a=3'])
    assert.equal(log.cleanedOffset, 6)
  })

  it('a batch in which nothing goes passes as the same buffer, one that loses records keeps its offsets', async () => {
    const log = new MemoryLog()
    await log.put(['a', '1'])
    await log.put(['b', '1'], ['c', '1'], ['d', '1'])
    await log.put(['b', '2'], ['d', '2'], ['a', '2'])
    const [, middle, last] = log.entries
    await log.clean()
    assert.equal(log.entries.length, 2)
    assert.equal(log.entries[1]?.payload, last?.payload)
    const { baseOffset, lastOffsetDelta, recordCount, partitionLeaderEpoch } = parseBatchHeader(
      log.entries[0]?.payload ?? assert.fail(),
      0
    )
    assert.deepEqual([baseOffset, lastOffsetDelta, recordCount, partitionLeaderEpoch], [1, 2, 1, 3])
    assert.deepEqual([log.entries[0]?.baseOffset, log.entries[0]?.lastOffset], [middle?.baseOffset, middle?.lastOffset])
  })

  it('what was cleaned before is read again only for keys that were written since', async () => {
    const log = new MemoryLog()
    await log.put(['a', '1'], ['b', '1'])
    await log.clean()
    await log.put(['a', '2'])
    const before = log.scanned
    await log.clean()
    assert.equal(log.scanned - before, 1, 'the first pass reads what is dirty')
    assert.deepEqual(await log.left(), ['1 b=1', '2 a=2'])
  })

  it('a tombstone stays for delete.retention.ms from its first cleaning on, then goes with the next', async () => {
    const log = new MemoryLog({ 'delete.retention.ms': String(HOUR) })
    await log.put(['a', '1'])
    await log.put(['a', null], ['b', '1'])
    await log.clock.advance(5 * HOUR)
    await log.put(['c', '1'])
    await log.clean()
    assert.deepEqual(await log.left(), ['1 a', '2 b=1', '3 c=1'])
    const [tombstones] = log.entries
    const header = parseBatchHeader(tombstones?.payload ?? assert.fail(), 0)
    assert.ok(hasDeleteHorizon(header))
    assert.equal(header.baseTimestamp, log.clock.now() + HOUR)
    assert.equal((await log.records())[0]?.timestamp, log.clock.now() - 5 * HOUR, 'its own time is not touched')
    await log.clock.advance(HOUR - 1)
    await log.put(['d', '1'])
    await log.clean()
    assert.ok((await log.left()).includes('1 a'))
    await log.clock.advance(1)
    await log.put(['e', '1'])
    await log.clean()
    assert.deepEqual(await log.left(), ['2 b=1', '3 c=1', '4 d=1', '5 e=1'])
  })

  it('records without key go', async () => {
    const log = new MemoryLog()
    await log.append([record(null, 'x', 1), record('a', '1', 1)])
    await log.put(['b', '1'])
    await log.clean()
    assert.deepEqual(await log.left(), ['1 a=1', '2 b=1'])
  })

  it('the last batch stays, empty, so that a consumer sees that it is at the end', async () => {
    const log = new MemoryLog({ 'delete.retention.ms': '0' })
    await log.put(['a', '1'])
    await log.put(['a', null])
    await log.clean()
    await log.put(['b', null])
    await log.clean()
    assert.deepEqual(await log.left(), ['2 b'])
    await log.put(['c', null])
    log.cleanedOffset = 0
    await log.clean()
    log.cleanedOffset = 0
    await log.clean()
    assert.deepEqual(await log.left(), [])
    assert.deepEqual(
      log.entries.map(({ baseOffset, lastOffset, maxTimestamp }) => [baseOffset, lastOffset, maxTimestamp]),
      [[3, 3, -1]]
    )
    assert.equal(parseBatchHeader(log.entries[0]?.payload ?? assert.fail(), 0).recordCount, 0)
  })

  it('the last batch of a producer stays, empty, with its sequence', async () => {
    const log = new MemoryLog()
    const producer = { producerId: 5, producerEpoch: 2 }
    const records = [record('a', '1', 1), record('b', '1', 1)]
    await log.append(records, { ...producer, baseSequence: 0 })
    await log.append(records, { ...producer, baseSequence: 2 }, 'zstd')
    await log.put(['a', '2'], ['b', '2'])
    await log.clean()
    assert.deepEqual(await log.left(), ['4 a=2', '5 b=2'])
    const header = parseBatchHeader(log.entries[0]?.payload ?? assert.fail(), 0)
    assert.deepEqual(
      [header.producerId, header.producerEpoch, header.baseSequence, header.lastOffsetDelta, header.recordCount],
      [5, 2, 2, 1, 0]
    )
    log.lastRecords.clear()
    await log.put(['c', '1'])
    await log.clean()
    assert.equal(log.entries[0]?.baseOffset, 4, 'a producer that is forgotten keeps nothing')
  })

  it('records younger than min.compaction.lag.ms are left alone', async () => {
    const log = new MemoryLog({ 'min.compaction.lag.ms': String(HOUR) })
    await log.put(['a', '1'])
    await log.put(['a', '2'])
    await log.clock.advance(HOUR)
    await log.put(['a', '3'])
    await log.clean()
    assert.deepEqual(await log.left(), ['1 a=2', '2 a=3'])
    assert.equal(log.cleanedOffset, 2)
    const { scanned } = log
    await log.clean()
    assert.ok(log.scanned - scanned <= 1)
    await log.clean()
    assert.ok(log.scanned - scanned <= 1, 'it is not looked at all the time')
    await log.clock.advance(HOUR)
    await log.clean()
    assert.deepEqual(await log.left(), ['2 a=3'])
  })

  it('a little dirt beside young records does not make all of it be rewritten', async () => {
    const log = new MemoryLog({ 'min.compaction.lag.ms': String(HOUR), 'min.cleanable.dirty.ratio': '0.5' })
    for (let i = 0; i < 8; i++) await log.put([`k${i}`, 'x'.repeat(100)])
    await log.clock.advance(HOUR)
    await log.clean()
    await log.put(['k0', 'x'.repeat(100)])
    await log.clock.advance(HOUR)
    for (let i = 0; i < 20; i++) await log.put([`k${i}`, 'x'.repeat(100)])
    const { rewrites } = log
    await log.clean()
    assert.equal(log.rewrites, rewrites)
  })

  it('nothing from an undecided transaction on is cleaned', async () => {
    const log = new MemoryLog()
    await log.put(['a', '1'])
    await log.put(['a', '2'])
    log.firstUnstableOffset = await log.append([record('b', '1', 1)], { producerId: 1, transactional: true })
    await log.put(['a', '3'])
    await log.clean()
    assert.equal(log.cleanedOffset, 2)
    assert.deepEqual(await log.left(), ['1 a=2', '2 b=1', '3 a=3'])
  })

  it('waits for the dirty share to exceed min.cleanable.dirty.ratio, or for max.compaction.lag.ms', async () => {
    const log = new MemoryLog({ 'min.cleanable.dirty.ratio': '0.5', 'max.compaction.lag.ms': String(DAY) })
    await log.put(['a', '1'])
    await log.clean()
    await log.put(['b', '1'])
    await log.clean()
    assert.equal(log.cleanedOffset, 1, 'half is not more than half')
    await log.clock.advance(DAY)
    await log.clean()
    assert.equal(log.cleanedOffset, 1)
    await log.clock.advance(1)
    await log.clean()
    assert.equal(log.cleanedOffset, 2)
    for (const key of ['c', 'd', 'e']) await log.put([key, '1'])
    await log.clean()
    assert.equal(log.cleanedOffset, 5)
  })

  it('a map that is full ends the round where it is, and the next goes on', async () => {
    const log = new MemoryLog({}, { offsetMapBytes: 24 * 11 })
    for (let round = 0; round < 3; round++) for (let i = 0; i < 8; i++) await log.put([`k${i}`, `${round}`])
    for (let i = 0; i < 4; i++) await log.put([`l${i}`, '0'])
    await log.clean()
    assert.equal(log.cleanedOffset, 25, 'nine keys fit')
    await log.clean()
    assert.equal(log.cleanedOffset, 28)
    assert.equal((await log.left()).length, 12)
  })

  it('a batch with more keys than the map holds is left, and said to be', async () => {
    const log = new MemoryLog({}, { offsetMapBytes: 24 * 4 })
    await log.put(...Array.from({ length: 9 }, (_, i) => [`k${i}`, '0'] as const))
    await log.clean()
    assert.equal(log.cleanedOffset, 0)
    assert.equal(log.rewrites, 0)
  })

  it('what DeleteRecords cut off goes, and does not come back when a tombstone has gone', async () => {
    const log = new MemoryLog({ 'delete.retention.ms': '0' })
    await log.put(['x', '1'])
    await log.put(['a', '1'], ['b', '1'])
    await log.put(['b', null])
    log.startOffset = 2
    await log.put(['c', '1'])
    await log.clean()
    assert.deepEqual(await log.left(), ['1 a=1', '3 b', '4 c=1'])
    await log.put(['d', '1'])
    await log.clean()
    assert.deepEqual(await log.left(), ['1 a=1', '4 c=1', '5 d=1'])
  })
})

describe('compaction of transactions', () => {
  const data = (log: MemoryLog, producerId: number, key: string, value: string | null) =>
    log.append([record(key, value, log.clock.now())], { producerId, producerEpoch: 0, transactional: true })

  it('drops what was aborted, and does not let it supersede anything', async () => {
    const log = new MemoryLog()
    await log.put(['a', '1'])
    const firstOffset = await data(log, 1, 'a', '2')
    const lastOffset = await log.marker('abort', 1)
    log.aborted.push({ producerId: 1, firstOffset, lastOffset })
    await data(log, 2, 'b', '1')
    await data(log, 2, 'b', '2')
    await log.marker('commit', 2)
    log.lastRecords.clear()
    await log.clean()
    assert.deepEqual(
      (await log.records()).map(({ offset }) => offset),
      [0, 2, 4, 5],
      'markers stay'
    )
  })

  it('a marker goes once nothing is left of its transaction and its horizon has passed', async () => {
    const log = new MemoryLog({ 'delete.retention.ms': String(HOUR) })
    const firstOffset = await data(log, 1, 'a', '2')
    const lastOffset = await log.marker('abort', 1)
    log.aborted.push({ producerId: 1, firstOffset, lastOffset })
    log.lastRecords.clear()
    const offsets = async (): Promise<number[]> => {
      await log.put(['z', '1'])
      await log.clean()
      return (await log.records()).map(({ offset }) => offset)
    }
    assert.deepEqual(await offsets(), [1, 2])
    assert.equal(log.aborted.length, 1, 'readers may still find its data')
    await log.clock.advance(2 * HOUR)
    assert.deepEqual(await offsets(), [1, 3], 'the horizon begins when its data is gone')
    assert.equal(log.aborted.length, 0)
    await log.clock.advance(HOUR)
    assert.deepEqual(await offsets(), [4])
  })

  it('the marker of a transaction with data left stays', async () => {
    const log = new MemoryLog({ 'delete.retention.ms': '0' })
    await data(log, 1, 'a', '1')
    await log.marker('commit', 1)
    log.lastRecords.clear()
    for (let i = 0; i < 3; i++) {
      await log.put(['z', `${i}`])
      await log.clean()
    }
    assert.deepEqual(
      (await log.records()).map(({ offset }) => offset),
      [0, 1, 4]
    )
  })

  it('an aborted transaction whose marker is gone does not take later ones of its producer along', async () => {
    const log = new MemoryLog()
    log.aborted.push({ producerId: 1, firstOffset: 0, lastOffset: 1 })
    await log.put(['z', '0'], ['z', '1'])
    await data(log, 1, 'a', '1')
    await log.marker('commit', 1)
    await log.clean()
    assert.ok((await log.left()).includes('2 a=1'))
  })
})

describe('the log cleaner', () => {
  it('cleans by itself, again and again, until it is closed', async () => {
    const log = new MemoryLog()
    log.cleaner.start()
    for (let round = 1; round <= 3; round++) {
      await log.put(['a', `${round}`])
      await log.clock.advance(16_000)
      assert.equal(log.cleanedOffset, round)
      assert.equal(log.entries.length, 1)
    }
    await log.cleaner.close()
    await log.put(['a', '4'])
    await log.clock.advance(60_000)
    assert.equal(log.cleanedOffset, 3)
    assert.equal(log.clock.sleeping, 0)
  })

  it('a partition that fails is tried again later', async () => {
    const log = new MemoryLog()
    log.cleaner.start()
    await log.put(['a', '1'])
    log.failure = new Fault('unavailable', 'the store is away')
    await log.clock.advance(60_000)
    assert.equal(log.rewrites, 1)
    await log.clock.advance(300_000)
    assert.equal(log.cleanedOffset, 1)
    await log.cleaner.close()
  })

  it('close waits for the step under way, which is given up', async () => {
    const log = new MemoryLog()
    await log.put(['a', '1'])
    await log.put(['a', '2'])
    let stopped = false
    const rewrite = log.rewrite.bind(log)
    log.rewrite = async (wanted) => {
      void log.cleaner.close().then(() => {
        stopped = true
      })
      return rewrite(wanted)
    }
    log.cleaner.start()
    await log.clock.advance(20_000)
    assert.equal(stopped, true)
    assert.equal(log.cleanedOffset, 0)
    assert.equal(log.entries.length, 2)
  })
})
