/**
 * What every write-ahead log must do. Called by the test file of each implementation with a way to open logs over one
 * place that outlives them.
 */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { isFault } from '../../runtime/fault.ts'
import { seededRandom } from '../../runtime/random.ts'
import type { ReplayedRecord, Wal, WalPosition, WalRecord } from './wal.ts'

export interface WalPlace {
  /** A new log over the place, not replayed yet. The one before was closed or abandoned. */
  open(): Promise<Wal>
  /** Keeps the mark of a log for the next one, as the commit before a trim does. */
  saveMark(mark: string): void
  /** The process that had the last log open died. */
  abandon(): Promise<void>
  cleanUp(): Promise<void>
}

export function walContract(name: string, makePlace: () => Promise<WalPlace>): void {
  describe(`write-ahead log contract: ${name}`, () => {
    let place: WalPlace
    beforeEach(async () => {
      place = await makePlace()
    })
    afterEach(() => place.cleanUp())
    appending(() => place)
    reopening(() => place)
    trimming(() => place)
    closing(() => place)
  })
}

/** A record that differs from all others; its payload is `bytes` long. */
export function recordOf(number: number, bytes: number): WalRecord {
  const payload = seededRandom(number).bytes(bytes)
  return {
    streamId: number % 7,
    epoch: number % 3,
    entry: {
      baseOffset: number * 10,
      lastOffset: number * 10 + 9,
      maxTimestamp: number % 5 === 0 ? -1 : number,
      payload
    }
  }
}

export function appended(wal: Wal, record: WalRecord): Promise<WalPosition> {
  return new Promise((resolve, reject) => wal.append(record, resolve, reject))
}

/** Trims as a broker does: first it is certain where the next replay begins. */
function trimmed(place: WalPlace, wal: Wal, position: WalPosition): Promise<void> {
  place.saveMark(wal.mark(position))
  return wal.trim(position)
}

export async function replayed(wal: Wal): Promise<ReplayedRecord[]> {
  const records: ReplayedRecord[] = []
  await wal.replay((record) => records.push(record))
  return records
}

export function withoutEnd({ streamId, epoch, entry }: ReplayedRecord): WalRecord {
  return { streamId, epoch, entry }
}

function appending(place: () => WalPlace): void {
  it('an empty log replays nothing and holds nothing', async () => {
    const wal = await place().open()
    assert.deepEqual(await replayed(wal), [])
    assert.equal(wal.bytes, 0)
    await wal.close()
  })

  it('appends become durable in order, at rising positions', async () => {
    const wal = await place().open()
    await wal.replay(() => {})
    const order: number[] = []
    const ends: number[] = []
    const failed: Error[] = []
    for (let number = 0; number < 500; number++) {
      const durable = (end: number) => {
        order.push(number)
        ends.push(end)
      }
      wal.append(recordOf(number, number % 100), durable, (fault) => failed.push(fault))
    }
    assert.deepEqual(order, [], 'nothing is durable before the call returns')
    await appended(wal, recordOf(500, 10))
    assert.deepEqual(
      order,
      Array.from({ length: 500 }, (_, number) => number)
    )
    assert.ok(ends.every((end, index) => end > (ends[index - 1] ?? 0)))
    assert.deepEqual(failed, [])
    await wal.close()
  })

  it('takes appends from within the callbacks of appends', async () => {
    const wal = await place().open()
    await wal.replay(() => {})
    const count = await new Promise<number>((resolve, reject) => {
      let done = 0
      const next = () => wal.append(recordOf(done, 50), () => (++done === 30 ? resolve(done) : next()), reject)
      next()
    })
    await wal.close()
    assert.equal((await replayed(await place().open())).length, count)
  })
}

function reopening(place: () => WalPlace): void {
  for (const ending of ['closed', 'abandoned'] as const) {
    it(`a log that was ${ending} replays what was acknowledged, unchanged`, async () => {
      const records = [0, 1, 100, 4096, 30_000, 0, 7].map((bytes, number) => recordOf(number, bytes))
      const wal = await place().open()
      await wal.replay(() => {})
      const ends = await Promise.all(records.map((record) => appended(wal, record)))
      await (ending === 'closed' ? wal.close() : place().abandon())
      const again = await place().open()
      const found = await replayed(again)
      assert.deepEqual(found.map(withoutEnd), records)
      assert.deepEqual(
        found.map(({ end }) => end),
        ends
      )
      assert.ok(again.bytes >= 30_000)
      await again.close()
    })
  }

  it('goes on over many openings, at positions that only rise', async () => {
    const records: WalRecord[] = []
    let last = 0
    for (let opening = 0; opening < 8; opening++) {
      const wal = await place().open()
      assert.deepEqual((await replayed(wal)).map(withoutEnd), records)
      for (let i = 0; i < opening % 4; i++) {
        const record = recordOf(records.length, 1500)
        records.push(record)
        const end = await appended(wal, record)
        assert.ok(end > last)
        last = end
      }
      await (opening % 2 === 0 ? wal.close() : place().abandon())
    }
  })
}

function trimming(place: () => WalPlace): void {
  it('trimming gives bytes back and keeps everything behind the position', async () => {
    const wal = await place().open()
    await wal.replay(() => {})
    const ends: number[] = []
    for (let number = 0; number < 60; number++) ends.push(await appended(wal, recordOf(number, 1000)))
    const before = wal.bytes
    await trimmed(place(), wal, ends[39] ?? 0)
    assert.ok(wal.bytes < before * 0.4, `${wal.bytes} of ${before} bytes are in use`)
    await wal.close()
    const found = await replayed(await place().open())
    assert.deepEqual(found.at(-1)?.end, ends.at(-1))
    assert.ok(found.length >= 20)
    assert.deepEqual(
      found.map(({ end }) => end),
      ends.slice(-found.length)
    )
  })

  it('a mark that was saved loses nothing, whether the trim that it announces happens or not', async () => {
    const records = Array.from({ length: 30 }, (_, number) => recordOf(number, 200))
    const wal = await place().open()
    await wal.replay(() => {})
    const ends: number[] = []
    for (const record of records) ends.push(await appended(wal, record))
    await place().abandon()
    let announced = 0
    for (const next of [0, 10, 10, 25, 30]) {
      const again = await place().open()
      const found = await replayed(again)
      const from = records.length - found.length
      assert.ok(from <= announced, `the replay begins at ${from} after ${announced} were announced`)
      assert.deepEqual(found.map(withoutEnd), records.slice(from))
      announced = next
      place().saveMark(again.mark(ends[announced - 1] ?? 0))
      await place().abandon()
    }
  })

  it('positions rise also after everything was trimmed', async () => {
    const wal = await place().open()
    await wal.replay(() => {})
    let last = 0
    for (let number = 0; number < 40; number++) last = await appended(wal, recordOf(number, 1000))
    await trimmed(place(), wal, last)
    assert.equal(wal.bytes, 0)
    await wal.close()
    const again = await place().open()
    await again.replay(() => {})
    await trimmed(place(), again, last)
    assert.equal(again.bytes, 0)
    await again.close()
    const third = await place().open()
    await third.replay(() => {})
    assert.ok((await appended(third, recordOf(41, 10))) > last)
    await third.close()
  })

  it('a trim beyond the end trims what is durable, a trim backwards does nothing', async () => {
    const wal = await place().open()
    await wal.replay(() => {})
    const end = await appended(wal, recordOf(1, 100))
    await trimmed(place(), wal, end + 1_000_000)
    assert.equal(wal.bytes, 0)
    await trimmed(place(), wal, 0)
    assert.equal(wal.bytes, 0)
    await appended(wal, recordOf(2, 100))
    assert.ok(wal.bytes > 100 && wal.bytes < 1000, `${wal.bytes} bytes are in use after an append of 100`)
    await wal.close()
    assert.deepEqual(withoutEnd((await replayed(await place().open())).at(-1) ?? assert.fail()), recordOf(2, 100))
  })
}

function closing(place: () => WalPlace): void {
  it('closing waits for appends under way', async () => {
    const wal = await place().open()
    await wal.replay(() => {})
    let durable = 0
    for (let number = 0; number < 20; number++) wal.append(recordOf(number, 2000), () => durable++, assert.fail)
    await wal.close()
    assert.equal(durable, 20)
    assert.equal((await replayed(await place().open())).length, 20)
  })

  it('an append after closing fails', async () => {
    const wal = await place().open()
    await wal.replay(() => {})
    await wal.close()
    await assert.rejects(appended(wal, recordOf(1, 1)), (fault) => isFault(fault, 'closed'))
  })
}
