/** What the file WAL promises when the machine or the process dies, and when the disk lies. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Clock } from '../../runtime/clock.ts'
import { type Fault, isFault } from '../../runtime/fault.ts'
import { silentLog } from '../../runtime/log.ts'
import { type Random, seededRandom } from '../../runtime/random.ts'
import { systemClock } from '../../runtime/system-clock.ts'
import { FileWal } from './file-wal.ts'
import { MemoryWalDevice } from './memory-wal-device.ts'
import type { WalRecord } from './wal.ts'
import { appended, recordOf, replayed, withoutEnd } from './wal-contract.ts'
import { CLOSED_MARK_AT, SEGMENT_PAGE_BYTES } from './wal-segment.ts'

const SEGMENT_BYTES = 16 * 1024
const CRASH_SEEDS = Number(process.env.LONGHAUL_TEST_CRASH_SEEDS ?? 25)

/** Delays pass at once, but never before what is under way had its turn. */
const clock: Clock = {
  ...systemClock,
  after(_, callback) {
    const timer = setImmediate(callback)
    return () => clearImmediate(timer)
  }
}

function openOn(device: MemoryWalDevice, random: Random): FileWal {
  const bytesMax = 12 * SEGMENT_BYTES
  return new FileWal({ device, clock, random, log: silentLog, segmentBytes: SEGMENT_BYTES, bytesMax })
}

interface Logged {
  readonly record: WalRecord
  end: number | undefined
}

/** A log that lives through many crashes, and what must be in it. */
class CrashRun {
  readonly #random: Random
  #device: MemoryWalDevice
  /** Everything appended that no crash has taken away. */
  #logged: Logged[] = []
  #acknowledged = 0
  /** Records before this index may be gone. */
  #trimmed = 0
  #numbers = 0

  constructor(seed: number) {
    this.#random = seededRandom(seed)
    this.#device = new MemoryWalDevice({ random: this.#random, clock })
  }

  async live(): Promise<void> {
    const { faults } = this.#device
    faults.shortWrites = this.#random.int(2) * 0.3
    const wal = openOn(this.#device, this.#random)
    await this.#check(wal)
    let alive = true
    for (let action = this.#random.int(25); action > 0; action--) {
      const kind = this.#random.int(10)
      if (kind < 6) this.#append(wal, this.#random.int(12), () => alive)
      else if (kind < 7) await this.#trim(wal)
      else if (kind < 8) faults.capacityBytes = [8 * SEGMENT_BYTES, Number.POSITIVE_INFINITY][this.#random.int(2)] ?? 0
      for (let turns = this.#random.int(30); turns > 0; turns--) await Promise.resolve()
      if (this.#random.int(8) === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    const ending = this.#random.int(4)
    if (ending === 0) {
      faults.capacityBytes = Number.POSITIVE_INFINITY
      await wal.close()
    }
    alive = false
    this.#device = ending <= 1 ? this.#device.kill() : this.#device.crash()
    // A machine that loses power after its process died.
    if (ending === 1 && this.#random.int(2) === 0) this.#device = this.#device.crash()
    // Ends the timers of the log that died; its device does nothing any more.
    await wal.close().catch(() => {})
  }

  async #check(wal: FileWal): Promise<void> {
    const found = await replayed(wal)
    const first = found[0]
    const from =
      first === undefined
        ? Math.max(this.#trimmed, this.#acknowledged)
        : this.#logged.findIndex(({ record }) => record.entry.baseOffset === first.entry.baseOffset)
    assert.ok(from >= 0 && from <= this.#trimmed, `replay begins at ${from}, ${this.#trimmed} are trimmed`)
    const to = from + found.length
    assert.ok(to >= this.#acknowledged, `replay ends at ${to}, ${this.#acknowledged} are acknowledged`)
    assert.deepEqual(
      found.map(withoutEnd),
      this.#logged.slice(from, to).map(({ record }) => record)
    )
    for (const [index, { end }] of found.entries()) {
      const logged = this.#logged[from + index]
      assert.ok(logged !== undefined && (logged.end === undefined || logged.end === end))
      logged.end = end
    }
    // What was not replayed is gone for good: a later replay that brings it back fails the comparison above.
    this.#logged = this.#logged.slice(0, to)
    this.#acknowledged = to
  }

  #append(wal: FileWal, count: number, isAlive: () => boolean): void {
    for (let i = 0; i < count; i++) {
      // Few sizes, so that what is written after a crash falls exactly on what the crash tore.
      const record = recordOf(this.#numbers++, [100, 100, 100, 700, 3000][this.#random.int(5)] ?? 0)
      const logged: Logged = { record, end: undefined }
      const index = this.#logged.push(logged) - 1
      const durable = (end: number) => {
        if (!isAlive()) return
        assert.equal(index, this.#acknowledged, 'acknowledged out of order')
        this.#acknowledged++
        logged.end = end
      }
      wal.append(record, durable, () => {})
    }
  }

  async #trim(wal: FileWal): Promise<void> {
    const to = this.#trimmed + this.#random.int(this.#acknowledged - this.#trimmed + 1)
    const end = this.#logged[to - 1]?.end
    if (end === undefined) return
    this.#trimmed = Math.max(this.#trimmed, to)
    const trim = wal.trim(end).catch(() => {})
    if (this.#random.int(2) === 0) await trim
  }
}

it(`after any crash the log is a prefix that holds all that was acknowledged, over ${CRASH_SEEDS} seeds`, async () => {
  for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
    const run = new CrashRun(seed)
    for (let life = 1; life <= 25; life++) {
      await run.live().catch((cause) => {
        throw new Error(`seed ${seed}, life ${life}: ${cause.message}`, { cause })
      })
    }
  }
})

/** A log of several segments and rounds: each append is a round of its own. Returns the ends. */
async function writeRounds(
  device: MemoryWalDevice,
  count: number,
  bytes = 1000
): Promise<{ wal: FileWal; ends: number[] }> {
  const wal = openOn(device, seededRandom(9))
  await wal.replay(() => {})
  const ends: number[] = []
  for (let number = 0; number < count; number++) ends.push(await appended(wal, recordOf(number, bytes)))
  return { wal, ends }
}

async function faultOf(device: MemoryWalDevice): Promise<Fault | undefined> {
  try {
    await replayed(openOn(device, seededRandom(10)))
    return undefined
  } catch (error) {
    assert.ok(isFault(error), String(error))
    return error
  }
}

const newDevice = (seed = 1) => new MemoryWalDevice({ random: seededRandom(seed), clock })

it('a flipped bit in the middle of the log is corrupt and names segment and position', async () => {
  const device = newDevice()
  const { ends } = await writeRounds(device, 40)
  const after = device.kill()
  const [first] = after.names()
  after.flipBit(first ?? '', SEGMENT_PAGE_BYTES + (ends[2] ?? 0) + 500, 3)
  const fault = await faultOf(after)
  assert.equal(fault?.kind, 'corrupt')
  assert.match(fault?.message ?? '', /segment-000001\.wal \(segment 1\)/)
  assert.match(fault?.message ?? '', new RegExp(`position ${ends[2]},`))
})

it('wherever a bit flips before the last round, the log is corrupt; in the last round it may be torn', async () => {
  const random = seededRandom(3)
  for (let attempt = 0; attempt < 150; attempt++) {
    const device = newDevice(attempt)
    const { ends } = await writeRounds(device, 18)
    const after = device.kill()
    const names = after.names().filter((name) => after.contents(name).some((byte) => byte !== 0))
    assert.equal(names.length, 2)
    const lastStart = ends[16] ?? 0
    const damagedAt = random.int(ends[17] ?? 0)
    // 14 rounds of 1076 bytes are in the first segment.
    const base = ends[10] ?? 0
    const inFirst = damagedAt < base
    after.flipBit(names[inFirst ? 0 : 1] ?? '', SEGMENT_PAGE_BYTES + damagedAt - (inFirst ? 0 : base), random.int(8))
    const fault = await faultOf(after)
    if (damagedAt < lastStart) assert.equal(fault?.kind, 'corrupt', `flip at ${damagedAt}`)
    else assert.equal(fault, undefined, `flip at ${damagedAt} in the last round, from ${lastStart}`)
  }
})

it('after a clean close no flipped bit and no truncation loses a record silently', async () => {
  const random = seededRandom(4)
  const written = newDevice()
  const { wal } = await writeRounds(written, 30)
  await wal.close()
  const expected = await replayed(openOn(written, seededRandom(1)))
  assert.equal(expected.length, 30)
  const outcomes = { corrupt: 0, complete: 0 }
  for (let attempt = 0; attempt < 400; attempt++) {
    const device = written.copy()
    const { name, bytes } = (await device.list())[random.int(device.names().length)] ?? assert.fail()
    const place = random.int(3) === 0 ? random.int(24) : random.int(bytes)
    if (random.int(4) === 0) device.truncate(name, CLOSED_MARK_AT + 20 + random.int(bytes - CLOSED_MARK_AT - 20))
    else device.flipBit(name, place, random.int(8))
    try {
      assert.deepEqual(await replayed(openOn(device, seededRandom(1))), expected, `${name} byte ${place}`)
      outcomes.complete++
    } catch (error) {
      if (!isFault(error, 'corrupt')) throw error
      outcomes.corrupt++
    }
  }
  assert.ok(outcomes.corrupt > 100 && outcomes.complete > 10, JSON.stringify(outcomes))
})

it('a segment that is missing in the middle is corrupt', async () => {
  const device = newDevice()
  await writeRounds(device, 40)
  const after = device.kill()
  await after.remove(after.names()[1] ?? '')
  assert.match((await faultOf(after))?.message ?? '', /segment 2 is missing/)
})

it('intact entries behind a hole in the last round are a torn tail, and never come back', async () => {
  const device = newDevice()
  const wal = openOn(device, seededRandom(9))
  await wal.replay(() => {})
  const end = await appended(wal, recordOf(0, 1000))
  // One round of five entries; the second never reached the disk.
  await Promise.all([1, 2, 3, 4, 5].map((number) => appended(wal, recordOf(number, 1000))))
  const after = device.kill()
  const [name = ''] = after.names()
  after.flipBit(name, SEGMENT_PAGE_BYTES + end + 1076 + 10, 1)
  const second = openOn(after, seededRandom(9))
  assert.equal((await replayed(second)).length, 2)
  await appended(second, recordOf(6, 1000))
  const third = openOn(after.crash(), seededRandom(9))
  assert.deepEqual(
    (await replayed(third)).map(withoutEnd),
    [0, 1, 6].map((number) => recordOf(number, 1000))
  )
})

it('what a file held before it was written again never comes back', async () => {
  let device = newDevice()
  let number = 0
  const random = seededRandom(5)
  let expected: WalRecord[] = []
  for (let life = 0; life < 30; life++) {
    const wal = openOn(device, random)
    const found = (await replayed(wal)).map(withoutEnd)
    assert.deepEqual(found.slice(-expected.length), expected)
    assert.ok(found.length <= expected.length + 12, `${found.length} records, ${expected.length} were not trimmed`)
    let end = 0
    // Every entry has the same size, so stale ones lie exactly where new ones could end.
    for (let i = 0; i < 60; i++) {
      const record = recordOf(number++, 1000)
      end = await appended(wal, record)
      expected.push(record)
      if (i % 20 === 19) {
        await wal.trim(end - 5 * 1076)
        expected = expected.slice(-5)
      }
    }
    await wal.trim(end - 5 * 1076)
    expected = expected.slice(-5)
    device = life % 2 === 0 ? device.crash() : device.kill()
  }
})

it('entries of a segment whose first round was torn never come to life in its successor of the same number', async () => {
  const device = newDevice()
  const first = openOn(device, seededRandom(9))
  await first.replay(() => {})
  // Entries of exactly one page, so that no padding covers the stale one.
  await Promise.all([1, 2].map((number) => appended(first, recordOf(number, 4096 - 76))))
  const torn = device.kill()
  const [name = ''] = torn.names()
  torn.flipBit(name, 5, 0)
  const second = openOn(torn, seededRandom(10))
  assert.deepEqual(await replayed(second), [])
  await appended(second, recordOf(3, 4096 - 76))
  const after = torn.kill()
  assert.deepEqual(after.names(), [name])
  const third = await replayed(openOn(after, seededRandom(11)))
  assert.deepEqual(third.map(withoutEnd), [recordOf(3, 4096 - 76)])
})

it('a damaged header of a file that was trimmed away harms nobody', async () => {
  const device = newDevice()
  const { wal, ends } = await writeRounds(device, 40)
  await wal.trim(ends[35] ?? 0)
  const after = device.kill()
  after.flipBit('segment-000001.wal', 5, 0)
  assert.equal(await faultOf(after), undefined)
})

it('a damaged header of a segment in use is corrupt, also that of the last one', async () => {
  const device = newDevice()
  await writeRounds(device, 40)
  const used = device.names().filter((name) => device.contents(name).readUInt32BE(0) !== 0)
  assert.ok(used.length >= 3)
  for (const name of used) {
    const after = device.copy()
    after.flipBit(name, 9, 0)
    assert.match((await faultOf(after))?.message ?? '', new RegExp(`header of ${name}.* is damaged`))
  }
})
