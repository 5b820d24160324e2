import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../runtime/random.ts'
import { ErrorCode } from '../wire/error-codes.ts'
import { BrokerFixture, batch, FETCH, fetchRequest } from './broker-fixture.ts'
import { type FetchScope, FetchSessions } from './fetch-sessions.ts'

const NOW = 1_000_000

function request(options: { id?: number; epoch: number; wanted?: number[]; forgotten?: number[] }) {
  const { id = 0, epoch, wanted = [], forgotten = [] } = options
  const partitions = wanted.map((partition) => ({
    partition,
    currentLeaderEpoch: -1,
    fetchOffset: 0,
    lastFetchedEpoch: -1,
    logStartOffset: -1,
    partitionMaxBytes: 1,
    replicaDirectoryId: '',
    highWatermark: 0
  }))
  return {
    clusterId: null,
    replicaId: -1,
    replicaState: { replicaId: -1, replicaEpoch: -1 },
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 1,
    isolationLevel: 0,
    sessionId: id,
    sessionEpoch: epoch,
    topics: partitions.length > 0 ? [{ topic: 't', topicId: '', partitions }] : [],
    forgottenTopicsData: forgotten.length > 0 ? [{ topic: 't', topicId: '', partitions: forgotten }] : [],
    rackId: ''
  }
}

describe('fetch sessions', () => {
  const sessions = (max: number) => new FetchSessions(seededRandom(1), max)
  const open = (cache: FetchSessions, wanted: number[], now = NOW): FetchScope => {
    const result = cache.scope(request({ epoch: 0, wanted }), false, now)
    assert.equal(result.errorCode, ErrorCode.NONE)
    return result.errorCode === ErrorCode.NONE ? result.scope : assert.fail()
  }
  const next = (cache: FetchSessions, options: Parameters<typeof request>[0], now = NOW) =>
    cache.scope(request(options), false, now)

  it('a session remembers its partitions, and takes new ones and forgets others as it is told', () => {
    const cache = sessions(10)
    const id = open(cache, [0, 1]).session?.id ?? 0
    const indexes = (result: ReturnType<typeof next>) =>
      result.errorCode === ErrorCode.NONE ? result.scope.targets.map(({ index }) => index) : result.errorCode
    assert.deepEqual(indexes(next(cache, { id, epoch: 1 })), [0, 1])
    assert.deepEqual(indexes(next(cache, { id, epoch: 2, wanted: [2], forgotten: [0] })), [1, 2])
  })

  it('the epoch goes from 2^31-1 back to 1, never to 0', () => {
    const cache = sessions(10)
    const { session } = open(cache, [0])
    assert.ok(session !== undefined)
    session.epoch = 0x7fff_ffff
    assert.equal(next(cache, { id: session.id, epoch: 0x7fff_ffff }).errorCode, ErrorCode.NONE)
    assert.equal(next(cache, { id: session.id, epoch: 1 }).errorCode, ErrorCode.NONE)
  })

  it('epoch -1 ends a session and epoch 0 replaces it', () => {
    const cache = sessions(10)
    const id = open(cache, [0]).session?.id ?? 0
    assert.equal(next(cache, { id, epoch: 0, wanted: [1] }).errorCode, ErrorCode.NONE)
    assert.equal(cache.size, 1)
    assert.equal(next(cache, { id, epoch: 1 }).errorCode, ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
    const again = open(cache, [0]).session?.id ?? 0
    const last = next(cache, { id: again, epoch: -1, wanted: [0] })
    assert.ok(last.errorCode === ErrorCode.NONE && last.scope.session === undefined && !last.scope.incremental)
    assert.equal(cache.size, 1)
  })

  it('a session without partitions ends', () => {
    const cache = sessions(10)
    const id = open(cache, [0]).session?.id ?? 0
    const last = next(cache, { id, epoch: 1, forgotten: [0] })
    assert.ok(last.errorCode === ErrorCode.NONE && last.scope.session === undefined)
    assert.equal(cache.size, 0)
  })

  it('a full cache serves newcomers without a session, until somebody was idle for two minutes', () => {
    const cache = sessions(2)
    const first = open(cache, [0]).session?.id ?? 0
    const second = open(cache, [0]).session?.id ?? 0
    assert.equal(open(cache, [0], NOW + 119_999).session, undefined)
    next(cache, { id: first, epoch: 1 }, NOW + 60_000)
    assert.notEqual(open(cache, [0], NOW + 120_000).session, undefined)
    assert.equal(cache.size, 2)
    assert.equal(next(cache, { id: second, epoch: 1 }).errorCode, ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
    assert.equal(next(cache, { id: first, epoch: 2 }).errorCode, ErrorCode.NONE)
  })
})

/** What a client of a session believes, made only from the responses it got. */
interface Believed {
  highWatermark: number
  logStartOffset: number
  next: number
}

type Step =
  | { readonly do: 'produce'; readonly partition: number }
  | { readonly do: 'trim'; readonly partition: number }
  | { readonly do: 'forget'; readonly partition: number }
  | { readonly do: 'fetch' }

describe('incremental fetches', () => {
  it('tell a client everything that changed, and each record once', async () => {
    const partition = fc.nat(3)
    const step: fc.Arbitrary<Step> = fc.oneof(
      { arbitrary: fc.record({ do: fc.constant('produce' as const), partition }), weight: 4 },
      { arbitrary: fc.record({ do: fc.constant('trim' as const), partition }), weight: 1 },
      { arbitrary: fc.record({ do: fc.constant('forget' as const), partition }), weight: 1 },
      { arbitrary: fc.record({ do: fc.constant('fetch' as const) }), weight: 4 }
    )
    const broker = await BrokerFixture.start()
    let run = 0
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          await follow(broker, `run-${run++}`, [...steps, ...DRAIN])
        }),
        { numRuns: 25 }
      )
    } finally {
      await broker.close()
    }
  })
})

const DRAIN: readonly Step[] = Array.from({ length: 8 }, () => ({ do: 'fetch' }) as const)

async function follow(broker: BrokerFixture, topic: string, steps: readonly Step[]): Promise<void> {
  await broker.createTopic(topic, 4)
  const client = new SessionClient(broker, topic)
  for (const step of steps) {
    if (step.do === 'produce') await broker.produce(topic, batch(2), step.partition)
    else if (step.do === 'trim') {
      // Never beyond what the client has read: that would be an error, and is tested elsewhere.
      const { stream } = broker.partition(topic, step.partition)
      await broker.run(stream.trim(client.believes(step.partition).next))
    } else if (step.do === 'forget') client.forget(step.partition)
    else await client.fetch()
  }
  for (const [index, { highWatermark, logStartOffset, next }] of client.followed()) {
    const partition = broker.partition(topic, index)
    assert.equal(next, partition.highWatermark, `partition ${index} is read to its end`)
    assert.equal(highWatermark, partition.highWatermark)
    assert.equal(logStartOffset, partition.startOffset)
  }
}

/** Fetches like Kafka's consumer: names a partition only when what it wants of it has changed. */
class SessionClient {
  readonly #broker: BrokerFixture
  readonly #topic: string
  readonly #beliefs = new Map<number, Believed>()
  readonly #wanted = new Set([0, 1, 2, 3])
  /** What the session does not know yet. */
  readonly #toTell = new Set([0, 1, 2, 3])
  readonly #toForget = new Set<number>()
  #sessionId = 0
  #epoch = 0

  constructor(broker: BrokerFixture, topic: string) {
    this.#broker = broker
    this.#topic = topic
    for (const p of this.#wanted) this.#beliefs.set(p, { highWatermark: -1, logStartOffset: -1, next: 0 })
  }

  believes(partition: number): Believed {
    return this.#beliefs.get(partition) ?? assert.fail()
  }

  followed(): [number, Believed][] {
    return [...this.#beliefs].filter(([partition]) => this.#wanted.has(partition))
  }

  /** One partition stays: a session without any ends. */
  forget(partition: number): void {
    if (partition === 0 || this.#epoch === 0 || !this.#wanted.delete(partition)) return
    this.#toTell.delete(partition)
    this.#toForget.add(partition)
  }

  async fetch(): Promise<void> {
    const named = [...this.#toTell].map((partition) => ({ partition, fetchOffset: this.believes(partition).next }))
    const answer = await this.#broker.call(FETCH, 12, {
      ...fetchRequest(this.#topic, named, { maxBytes: 300, sessionId: this.#sessionId, sessionEpoch: this.#epoch }),
      ...(named.length === 0 ? { topics: [] } : {}),
      forgottenTopicsData: [{ topic: this.#topic, partitions: [...this.#toForget] }]
    })
    assert.equal(answer.errorCode, ErrorCode.NONE)
    assert.ok(this.#epoch === 0 || answer.sessionId === this.#sessionId)
    this.#sessionId = answer.sessionId
    this.#epoch++
    this.#toTell.clear()
    this.#toForget.clear()
    for (const { partitions } of answer.responses) for (const p of partitions) this.#take(p)
  }

  #take(answer: PartitionData): void {
    assert.equal(answer.errorCode, ErrorCode.NONE)
    assert.ok(this.#wanted.has(answer.partitionIndex), 'a forgotten partition is not answered')
    const belief = this.believes(answer.partitionIndex)
    const news =
      belief.highWatermark !== answer.highWatermark ||
      belief.logStartOffset !== answer.logStartOffset ||
      (answer.records?.length ?? 0) > 0
    assert.ok(news, 'a partition without news is left out')
    belief.highWatermark = answer.highWatermark
    belief.logStartOffset = answer.logStartOffset
    for (const bytes of answer.records ?? []) {
      for (let at = 0; at < bytes.length; at += bytes.readInt32BE(at + 8) + 12) {
        assert.equal(Number(bytes.readBigInt64BE(at)), belief.next, 'records come in order and once')
        belief.next += 2
        this.#toTell.add(answer.partitionIndex)
      }
    }
  }
}

type PartitionData = (typeof FETCH.response.output)['responses'][number]['partitions'][number]
