/** The promises of the lane under everything a broker and a network may do, in virtual time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Clock } from '../runtime/clock.ts'
import { sleep } from '../runtime/clock.ts'
import { type Fault, isFault } from '../runtime/fault.ts'
import { type Random, seededRandom } from '../runtime/random.ts'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import type { SinkRecord } from './record-sink.ts'
import { type BatchSender, type SendFailure, SendLane } from './send-lane.ts'

const records = 30
const partitions = 2
const devices = 5

class SendError extends Error {
  readonly failure: SendFailure

  constructor(failure: SendFailure) {
    super(failure)
    this.failure = failure
  }
}

/**
 * A broker behind a bad network: stores or not, answers or not, late or never. As with a real one, a batch is known as a
 * repetition by its sequence number alone, and the client counts only what was answered: whatever is sent after an
 * unanswered batch in the same session passes for that batch and vanishes.
 */
class UnreliableBroker implements BatchSender {
  /** `device seq`, in the order of storing, by partition. */
  readonly stored: string[][] = Array.from({ length: partitions }, () => [])
  /** Share of calls that go wrong; 0 in the end, so that every run ends. */
  trouble = 0.5
  readonly #clock: Clock
  readonly #random: Random
  /** Records in this session by partition: what the broker stored, and what the client was told of. */
  #storedCounts: number[] = Array(partitions).fill(0)
  #answeredCounts: number[] = Array(partitions).fill(0)
  #underWay = false

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  async send(partition: number, batch: readonly SinkRecord[]): Promise<void> {
    assert.equal(this.#underWay, false, 'one batch at a time')
    this.#underWay = true
    try {
      await sleep(this.#clock, this.#random.int(20))
      const values = batch.map((record) => record.value.toString())
      assert.ok(
        values.every((value) => partitionOf(value) === partition),
        'one partition in a batch'
      )
      const wrong = this.#random.float() < this.trouble
      if (wrong && this.#random.int(2) === 0) throw this.#lost()
      if (values.some((value) => value.endsWith('bad'))) throw new SendError('permanent')
      if (this.#answeredCounts[partition] === this.#storedCounts[partition]) this.#store(partition, values)
      if (wrong) throw this.#lost()
      this.#answeredCounts[partition] = this.#storedCounts[partition] ?? 0
    } finally {
      this.#underWay = false
    }
  }

  async renew(): Promise<void> {
    await sleep(this.#clock, this.#random.int(10))
    this.#storedCounts = Array(partitions).fill(0)
    this.#answeredCounts = Array(partitions).fill(0)
  }

  failureOf(error: unknown): SendFailure {
    assert.ok(error instanceof SendError)
    return error.failure
  }

  async close(): Promise<void> {}

  #store(partition: number, values: readonly string[]): void {
    this.stored[partition]?.push(...values)
    this.#storedCounts[partition] = (this.#storedCounts[partition] ?? 0) + values.length
  }

  #lost(): SendError {
    return new SendError(this.#random.int(3) === 0 ? 'renew' : 'retry')
  }
}

const partitionOf = (value: string): number => Number(value.split(' ')[0]) % partitions

/**
 * Sends all its records in order; after a refusal it hears nothing more of that attempt and begins again with the first
 * record that was not acknowledged, as a device behind the ingress does. Resolves with what was refused for good.
 */
async function runDevice(device: number, lane: SendLane, clock: Clock, random: Random): Promise<Set<string>> {
  const refusedForGood = new Set<string>()
  let acknowledged = 0
  while (acknowledged < records) {
    const attempt = { broken: false }
    const results: Promise<void>[] = []
    const first = acknowledged
    for (let seq = first; seq < records && !attempt.broken; seq++) {
      const value = `${device} ${seq}${seq % 11 === device ? ' bad' : ''}`
      const result = lane.produce(partitionOf(value), recordOf(value)).catch((fault: Fault) => {
        if (isFault(fault, 'invalid')) refusedForGood.add(value)
        else attempt.broken = true
      })
      results.push(
        result.then(() => {
          // In their order, and nothing any more once one was refused.
          if (!attempt.broken && acknowledged === seq) acknowledged++
        })
      )
      if (random.int(3) === 0) await sleep(clock, random.int(30))
    }
    await Promise.all(results)
    await sleep(clock, random.int(50))
  }
  return refusedForGood
}

function recordOf(value: string): SinkRecord {
  return { topic: 't', key: Buffer.from('k'), value: Buffer.from(value), headers: [], timestamp: 0 }
}

async function runFleet(seed: number): Promise<void> {
  const [clock, random] = [new VirtualClock(), seededRandom(seed)]
  const broker = new UnreliableBroker(clock, random)
  const limits = { batchRecordsMax: 1 + random.int(8), batchBytesMax: 1 << 20 }
  const lane = new SendLane(broker, clock, { ...limits, lingerMs: 1, deliveryTimeoutMs: 100, retryDelayMs: 5 })
  const fleet = Promise.all(Array.from({ length: devices }, (_, device) => runDevice(device, lane, clock, random)))
  let refused: readonly Set<string>[] | undefined
  const finished = fleet.then((sets) => {
    refused = sets
  })
  for (let round = 0; refused === undefined; round++) {
    assert.ok(round < 2_000, 'the fleet comes to its end')
    if (round === 100) broker.trouble = 0
    await clock.advance(20)
  }
  await finished
  for (let device = 0; device < devices; device++) {
    const all = Array.from({ length: records }, (_, seq) => `${device} ${seq}`)
    const isBad = (value: string) => Number(value.split(' ')[1]) % 11 === device
    const firstCopies = [...new Set(broker.stored[device % partitions])].filter((value) =>
      value.startsWith(`${device} `)
    )
    assert.deepEqual(
      firstCopies,
      all.filter((value) => !isBad(value)),
      'everything acknowledged is stored, and in order'
    )
    assert.deepEqual(
      refused[device],
      new Set(all.filter(isBad).map((value) => `${value} bad`)),
      'what the broker never takes is told from what it could not take'
    )
  }
}

test('whatever fails, nothing acknowledged is lost and no record overtakes an earlier one of its device', async () => {
  await fc.assert(fc.asyncProperty(fc.nat(), runFleet), { numRuns: 50 })
})
