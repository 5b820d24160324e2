import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ErrorCode } from '../../wire/error-codes.ts'
import { type AcquireParts, AcquireRequest } from './acquisition.ts'
import type { OffsetRange } from './record-runs.ts'
import { type Change, type DeliveryLimits, type Refusal, SharePartitionState } from './share-partition-state.ts'

const LIMITS: DeliveryLimits = { deliveriesMax: 5, inFlightMax: 100, lockMs: 1_000, renewals: true }

/** Batches of ten records each: [0, 9], [10, 19], … */
function tens(from: number, to: number): OffsetRange[] {
  return Array.from({ length: (to - from) / 10 }, (_, i) => ({ first: from + i * 10, last: from + i * 10 + 9 }))
}

class Bench {
  readonly state: SharePartitionState
  limits = LIMITS
  now = 0

  constructor(state = new SharePartitionState(0)) {
    this.state = state
  }

  /** First, last, deliveries of what the member gets. */
  acquire(member: string, batches: OffsetRange[], options: Partial<AcquireParts> = {}) {
    const request = new AcquireRequest({
      member,
      mode: 'batch-optimized',
      recordsMax: 500,
      batchSize: 500,
      fetchOffset: this.state.nextFetchOffset,
      batches,
      skipped: [],
      ...options
    })
    return this.state
      .acquire(request, this.now, this.limits)
      .map(({ first, last, deliveries }) => [first, last, deliveries])
  }

  begin(member: string, first: number, last: number, ...types: number[]): Change | Refusal {
    return this.state.acknowledge(member, [{ first, last, types }], this.now, this.limits)
  }

  /** Acknowledges and stores; the error, or 0. */
  acknowledge(member: string, first: number, last: number, ...types: number[]): number {
    const change = this.begin(member, first, last, ...types)
    if ('errorCode' in change) return change.errorCode
    this.settle(change)
    return 0
  }

  settle(change: Change | Refusal, stored = true): void {
    assert.ok('id' in change)
    this.state.settle(change.id, stored, this.now, this.limits)
  }

  runs() {
    return [...this.state.runs()].map(({ first, last, state, deliveries }) => [first, last, state, deliveries])
  }
}

describe('the state of a share partition', () => {
  it('gives new records whole batches at a time, and cut to the size that the client wants', () => {
    const bench = new Bench()
    assert.deepEqual(bench.acquire('a', tens(0, 30), { recordsMax: 11, batchSize: 10 }), [
      [0, 9, 1],
      [10, 19, 1]
    ])
    assert.equal(bench.state.nextFetchOffset, 20)
    assert.equal(bench.state.endOffset, 20)
  })

  it('gives records to the number in record-limit mode, and goes on inside the batch', () => {
    const bench = new Bench()
    assert.deepEqual(bench.acquire('a', tens(0, 10), { mode: 'record-limit', recordsMax: 3 }), [[0, 2, 1]])
    assert.deepEqual(bench.acquire('b', tens(0, 10), { mode: 'record-limit', recordsMax: 3 }), [[3, 5, 1]])
    assert.equal(bench.acknowledge('a', 0, 3, 1), ErrorCode.INVALID_RECORD_STATE)
    assert.equal(bench.acknowledge('a', 0, 2, 1), 0)
    assert.equal(bench.state.startOffset, 3)
  })

  it('begins where the group begins although the batch begins before', () => {
    assert.deepEqual(new Bench(new SharePartitionState(4)).acquire('a', tens(0, 10)), [[4, 9, 1]])
  })

  it('begins with the first record there is when the log begins later', () => {
    const bench = new Bench(new SharePartitionState(4))
    assert.deepEqual(bench.acquire('a', tens(20, 30)), [[20, 29, 1]])
    assert.equal(bench.state.startOffset, 20)
  })

  it('moves the start over what is done with, and no further', () => {
    const bench = new Bench()
    bench.acquire('a', tens(0, 30))
    assert.equal(bench.acknowledge('a', 10, 19, 1), 0)
    assert.equal(bench.state.startOffset, 0)
    assert.equal(bench.state.completed, 10)
    assert.equal(bench.acknowledge('a', 0, 4, 3), 0)
    assert.equal(bench.state.startOffset, 5)
    assert.equal(bench.acknowledge('a', 5, 9, 0), 0)
    assert.equal(bench.state.startOffset, 20)
    assert.deepEqual(bench.runs(), [[20, 29, 'acquired', 1]])
    assert.equal(bench.acknowledge('a', 20, 29, 1), 0)
    assert.equal(bench.state.startOffset, 30)
    assert.equal(bench.state.completed, 0)
  })

  it('keeps records from others while their acknowledgement is being stored, and gives them back if it cannot be', () => {
    const bench = new Bench()
    bench.acquire('a', tens(0, 10))
    const change = bench.begin('a', 0, 9, 2)
    assert.deepEqual('batches' in change && change.batches, [
      { firstOffset: 0, lastOffset: 9, deliveryState: 0, deliveryCount: 1 }
    ])
    assert.deepEqual(bench.acquire('b', tens(0, 10), { fetchOffset: 0 }), [])
    assert.equal(bench.acknowledge('a', 0, 9, 1), ErrorCode.INVALID_RECORD_STATE)
    bench.settle(change, false)
    assert.deepEqual(bench.runs(), [[0, 9, 'acquired', 1]])
    assert.equal(bench.acknowledge('a', 0, 9, 1), 0)
  })

  it('frees records whose lock ran out while their acknowledgement could not be stored', () => {
    const bench = new Bench()
    bench.acquire('a', tens(0, 10))
    const change = bench.begin('a', 0, 9, 1)
    bench.now = 1_000
    assert.deepEqual(bench.state.expire(bench.now, LIMITS), [])
    bench.settle(change, false)
    assert.deepEqual(bench.runs(), [[0, 9, 'available', 1]])
  })

  it('does all of a request or nothing of it', () => {
    const bench = new Bench()
    bench.acquire('a', tens(0, 10))
    bench.acquire('b', tens(10, 20))
    const both = [
      { first: 0, last: 4, types: [1] },
      { first: 5, last: 12, types: [1] }
    ]
    const refusal = bench.state.acknowledge('a', both, 0, LIMITS)
    assert.ok('errorCode' in refusal && refusal.errorCode === ErrorCode.INVALID_RECORD_STATE)
    assert.deepEqual(bench.runs(), [
      [0, 9, 'acquired', 1],
      [10, 19, 'acquired', 1]
    ])
  })

  it('refuses what is not in flight, and forgives what is done with', () => {
    const bench = new Bench()
    assert.equal(bench.acknowledge('a', 0, 1, 1), ErrorCode.INVALID_RECORD_STATE)
    bench.acquire('a', tens(0, 20))
    assert.equal(bench.acknowledge('a', 15, 20, 1), ErrorCode.INVALID_REQUEST)
    assert.equal(bench.acknowledge('a', 0, 9, 1), 0)
    assert.equal(bench.acknowledge('a', 0, 9, 1), 0)
    assert.equal(bench.acknowledge('a', 5, 12, 1), 0, 'the start has moved into what is acknowledged')
    assert.equal(bench.acknowledge('b', 13, 19, 1), ErrorCode.INVALID_RECORD_STATE)
  })

  it('takes one type for each offset, and passes over holes of the log', () => {
    const bench = new Bench()
    bench.acquire('a', [{ first: 0, last: 3 }])
    bench.acquire('a', [{ first: 6, last: 7 }])
    assert.equal(bench.acknowledge('a', 0, 7, 1, 2, 3, 2, 0, 0, 1, 1), 0)
    assert.deepEqual(bench.runs(), [
      [1, 1, 'available', 1],
      [2, 2, 'archived', 1],
      [3, 3, 'available', 1],
      [6, 7, 'acknowledged', 1]
    ])
  })

  it('counts deliveries, and archives what came back as often as it may', () => {
    const bench = new Bench()
    bench.limits = { ...LIMITS, deliveriesMax: 2 }
    assert.deepEqual(bench.acquire('a', tens(0, 10)), [[0, 9, 1]])
    bench.acknowledge('a', 0, 9, 2)
    assert.deepEqual(bench.acquire('b', tens(0, 10)), [[0, 9, 2]])
    const change = bench.begin('b', 0, 9, 2)
    assert.deepEqual('batches' in change && change.batches, [
      { firstOffset: 0, lastOffset: 9, deliveryState: 4, deliveryCount: 2 }
    ])
    bench.settle(change)
    assert.equal(bench.state.startOffset, 10)
  })

  it('delivers what nears its limit in ever smaller parts, and alone the last time', () => {
    const bench = new Bench()
    bench.acquire('a', tens(0, 40))
    const again = () => {
      const got = bench.acquire('a', tens(0, 40))
      for (const [first = 0, last = 0] of got) bench.acknowledge('a', first, last, 2)
      return got
    }
    bench.acknowledge('a', 0, 39, 2)
    assert.deepEqual(again(), [[0, 39, 2]])
    assert.deepEqual(again(), [[0, 39, 3]])
    assert.deepEqual(again(), [[0, 19, 4]])
    assert.deepEqual(again(), [[0, 0, 5]])
    assert.deepEqual(again(), [[1, 1, 5]])
    assert.equal(bench.state.startOffset, 2)
  })

  it('delivers what nears its limit with nothing else', () => {
    const bench = new Bench()
    bench.limits = { ...LIMITS, deliveriesMax: 3 }
    bench.acquire('a', tens(0, 20))
    bench.acknowledge('a', 0, 19, 2)
    assert.deepEqual(bench.acquire('a', tens(0, 10)), [[0, 9, 2]])
    bench.acknowledge('a', 0, 9, 2)
    assert.deepEqual(bench.acquire('a', tens(0, 30)), [[0, 0, 3]])
    assert.deepEqual(bench.acquire('a', tens(0, 30), { fetchOffset: 10, batches: tens(10, 30) }), [
      [10, 19, 2],
      [20, 29, 1]
    ])
  })

  it('gives nothing new beyond its limit, and what came back all the same', () => {
    const bench = new Bench()
    bench.limits = { ...LIMITS, inFlightMax: 20 }
    assert.deepEqual(bench.acquire('a', tens(0, 40)), [[0, 19, 1]])
    assert.equal(bench.state.canAcquire(bench.limits), false)
    bench.acknowledge('a', 5, 5, 2)
    assert.equal(bench.state.canAcquire(bench.limits), true)
    assert.deepEqual(bench.acquire('b', tens(0, 40)), [[5, 5, 2]])
  })

  it('takes back what was held for too long, unless it was renewed', () => {
    const bench = new Bench()
    bench.acquire('a', tens(0, 10))
    assert.equal(bench.state.nextExpiry, 1_000)
    bench.now = 600
    assert.equal(bench.acknowledge('a', 5, 9, 4), 0)
    bench.now = 1_000
    assert.deepEqual(bench.state.expire(1_000, LIMITS), [
      { firstOffset: 0, lastOffset: 4, deliveryState: 0, deliveryCount: 1 }
    ])
    assert.equal(bench.state.nextExpiry, 1_600)
    assert.deepEqual(bench.runs(), [
      [0, 4, 'available', 1],
      [5, 9, 'acquired', 1]
    ])
    bench.limits = { ...LIMITS, renewals: false }
    assert.equal(bench.acknowledge('a', 5, 9, 4), ErrorCode.INVALID_RECORD_STATE)
  })

  it('releases all that a member holds, and nothing of others', () => {
    const bench = new Bench()
    bench.acquire('a', tens(0, 10))
    bench.acquire('b', tens(10, 20))
    bench.acquire('a', tens(20, 30))
    const change = bench.state.release('a', LIMITS)
    assert.equal(change.batches.length, 2)
    bench.settle(change)
    assert.deepEqual(bench.runs(), [
      [0, 9, 'available', 1],
      [10, 19, 'acquired', 1],
      [20, 29, 'available', 1]
    ])
    assert.deepEqual(bench.state.release('a', LIMITS).batches, [])
  })

  it('forgets what the log has lost, whoever held it', () => {
    const bench = new Bench()
    bench.acquire('a', tens(0, 30))
    const change = bench.begin('a', 10, 19, 1)
    bench.state.moveStart(15)
    assert.deepEqual(bench.runs(), [
      [15, 19, 'acknowledged', 1],
      [20, 29, 'acquired', 1]
    ])
    bench.settle(change)
    assert.equal(bench.state.startOffset, 20)
    assert.equal(bench.acknowledge('a', 0, 29, 1), 0)
    bench.state.moveStart(100)
    assert.deepEqual([bench.state.startOffset, bench.state.endOffset, bench.state.nextFetchOffset], [100, 100, 100])
  })

  it('is done with records that compaction has taken from the log', () => {
    const bench = new Bench()
    bench.acquire('a', tens(0, 20))
    bench.acknowledge('a', 0, 19, 2)
    assert.deepEqual(bench.acquire('a', tens(10, 20), { fetchOffset: 0 }), [[10, 19, 2]])
    assert.equal(bench.state.startOffset, 10)
  })

  it('never shows what nobody may see', () => {
    const bench = new Bench()
    const skipped = [
      { first: 10, last: 19 },
      { first: 30, last: 30 }
    ]
    const batches = [...tens(0, 30), { first: 30, last: 30 }]
    assert.deepEqual(bench.acquire('a', batches, { skipped }), [
      [0, 9, 1],
      [20, 29, 1]
    ])
    bench.acknowledge('a', 0, 9, 1)
    assert.equal(bench.state.startOffset, 20)
    bench.acknowledge('a', 20, 29, 1)
    assert.equal(bench.state.startOffset, 31)
  })

  it('comes back as it was stored: what was in flight without a word is available', () => {
    const bench = new Bench(
      new SharePartitionState(5, [
        { firstOffset: 10, lastOffset: 14, deliveryState: 2, deliveryCount: 1 },
        { firstOffset: 15, lastOffset: 15, deliveryState: 0, deliveryCount: 3 },
        { firstOffset: 20, lastOffset: 24, deliveryState: 4, deliveryCount: 5 }
      ])
    )
    assert.deepEqual(bench.runs(), [
      [5, 9, 'available', 0],
      [10, 14, 'acknowledged', 1],
      [15, 15, 'available', 3],
      [16, 19, 'available', 0],
      [20, 24, 'archived', 5]
    ])
    assert.equal(bench.state.nextFetchOffset, 5)
    assert.deepEqual(bench.acquire('a', tens(0, 30)), [[5, 9, 1]])
    assert.deepEqual(bench.acquire('a', tens(10, 30)), [[15, 15, 4]])
    assert.deepEqual(bench.acquire('a', tens(10, 30)), [
      [16, 19, 1],
      [25, 29, 1]
    ])
  })

  it('moves its start at once over what was stored as done', () => {
    const done = { firstOffset: 0, lastOffset: 9, deliveryState: 2, deliveryCount: 1 }
    const { startOffset, endOffset } = new SharePartitionState(0, [done])
    assert.deepEqual([startOffset, endOffset], [10, 10])
  })

  it('cannot be made of what contradicts itself', () => {
    const one = { firstOffset: 0, lastOffset: 9, deliveryState: 2, deliveryCount: 1 }
    assert.throws(() => new SharePartitionState(0, [one, one]), /behind/)
    assert.throws(() => new SharePartitionState(5, [one]), /behind/)
    assert.throws(() => new SharePartitionState(0, [{ ...one, deliveryState: 9 }]), /unknown delivery state/)
  })
})
