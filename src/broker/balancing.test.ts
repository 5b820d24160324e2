/** Balancing and draining of real brokers over one database, in virtual time, with producers that write meanwhile. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { Balancer } from '../cluster/balancer.ts'
import type { NodeState } from '../metadata/schema.ts'
import { Fault } from '../runtime/fault.ts'
import { type Log, silentLog } from '../runtime/log.ts'
import { seededRandom } from '../runtime/random.ts'
import { ErrorCode } from '../wire/error-codes.ts'
import { readBatches } from '../wire/records/records.ts'
import { AppendDelays } from './append-delays.ts'
import { type BrokerFixture, batch, FETCH, fetchRequest, PRODUCE, produceRequest } from './broker-fixture.ts'
import { ClusterFixture } from './cluster-fixture.ts'
import { LoadReporter } from './load-reporter.ts'

/** A producer of one partition that sends one batch at a time, and the same again until it is acknowledged. */
class Writer {
  acknowledged = 0
  /** Answers that sent it to another broker. */
  misled = 0
  readonly index: number
  readonly #cluster: ClusterFixture
  readonly #topic: string
  #leader: number

  constructor(cluster: ClusterFixture, topic: string, index: number, leader: number) {
    this.#cluster = cluster
    this.#topic = topic
    this.index = index
    this.#leader = leader
  }

  async write(): Promise<void> {
    const producer = { producerId: 100 + this.index, producerEpoch: 0, baseSequence: this.acknowledged }
    const records = batch(1, producer)
    const { responses } = await this.#cluster
      .at(this.#leader)
      .send(PRODUCE, 12, produceRequest(this.#topic, records, this.index))
    const answer = responses[0]?.partitionResponses[0]
    if (answer?.errorCode === ErrorCode.NONE) {
      this.acknowledged += 1
      return
    }
    assert.equal(answer?.errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER)
    this.misled += 1
    this.#leader = answer.currentLeader?.leaderId ?? this.#leader
  }
}

describe('balancing', () => {
  let cluster: ClusterFixture
  const balancers: Balancer[] = []
  beforeEach(async () => {
    cluster = await ClusterFixture.start(3)
  })
  afterEach(async () => {
    for (const balancer of balancers.splice(0)) await cluster.at(1).run(balancer.close())
    await cluster.close()
  })

  const balance = (by = 1, holds = () => true, log: Log = silentLog): Balancer => {
    const { metadata, clock } = cluster.at(by)
    const balancer = new Balancer({ clock, random: seededRandom(by), log, metadata, holds })
    balancers.push(balancer)
    balancer.start()
    return balancer
  }
  const pass = async (ms: number, stepMs = 50): Promise<void> => {
    for (let passed = 0; passed < ms; passed += stepMs) {
      await cluster.shared.clock.advance(stepMs)
      await cluster.settle()
    }
  }
  const leaders = (topic: string): number[] =>
    (cluster.at(1).topics.get(topic)?.partitions ?? []).map(({ leader }) => leader)
  const count = (topic: string, id: number): number => leaders(topic).filter((leader) => leader === id).length
  const announce = async (id: number, state: NodeState): Promise<void> => {
    const { metadata, nodeEpoch } = cluster.at(id)
    const place = metadata.image.nodes().get(id)
    assert.ok(place !== undefined)
    await cluster.at(id).run(metadata.announceNode(id, nodeEpoch, state, place))
  }
  const configure = async (topic: string, configs: Record<string, string>): Promise<void> => {
    const broker = cluster.at(1)
    const id = broker.topics.get(topic)?.id ?? ''
    await broker.run(broker.metadata.setTopicConfigs(id, configs))
  }
  /** Sequences of the producer in the order of their offsets. */
  const read = async (topic: string, index: number): Promise<number[]> => {
    const leader = await cluster.leader(topic, index)
    const sequences: number[] = []
    for (;;) {
      const from = sequences.length
      const answer = await leader.call(FETCH, 12, fetchRequest(topic, [{ partition: index, fetchOffset: from }]))
      const records = Buffer.concat(answer.responses[0]?.partitions[0]?.records ?? [])
      for (const { header } of readBatches(records)) {
        assert.equal(header.baseOffset, sequences.length, 'offsets have no gap')
        sequences.push(header.baseSequence)
      }
      if (sequences.length === from) return sequences
    }
  }

  it('empties a drained broker while producers write: nothing is lost, doubled or out of order', async () => {
    await cluster.at(1).createTopic('t', 12)
    await cluster.settle()
    const writers = leaders('t').map((leader, index) => new Writer(cluster, 't', index, leader))
    assert.equal(count('t', 2), 4)
    balance()
    // Uploads take their time, so that appends come while partitions move.
    cluster.shared.store.faults.latencyMs = { min: 5, max: 40 }
    for (let round = 0; round < 60; round++) {
      if (round === 10) await announce(2, 'draining')
      const writing = Promise.all(writers.map((writer) => writer.write()))
      await pass(60, 20)
      await writing
    }
    cluster.shared.store.faults.latencyMs = { min: 0, max: 0 }
    assert.equal(count('t', 2), 0)
    assert.deepEqual([count('t', 1), count('t', 3)], [6, 6])
    const moved = writers.filter(({ misled }) => misled > 0)
    assert.equal(moved.length, 4)
    for (const { misled } of moved) assert.equal(misled, 1, 'one retry')
    for (const { index, acknowledged } of writers) {
      assert.ok(acknowledged >= 59)
      assert.deepEqual(
        await read('t', index),
        Array.from({ length: acknowledged }, (_, sequence) => sequence)
      )
    }
    await announce(2, 'running')
    await pass(70_000, 1000)
    assert.equal(count('t', 2), 4, 'it gets its part again')
  })

  it('gives a new broker its part within seconds, and tells why', async () => {
    await cluster.at(1).createTopic('t', 30)
    await cluster.settle()
    const told: Record<string, unknown>[] = []
    balance(1, () => true, { ...silentLog, info: (fields) => void told.push(fields) })
    await pass(3000)
    assert.equal(told.length, 0, 'nothing moves where all are alike')
    await cluster.add(4)
    await pass(3000)
    assert.ok(count('t', 4) >= 6 && count('t', 4) <= 8, `${count('t', 4)}`)
    assert.equal(cluster.at(4).topics.partitions('t').length, count('t', 4), 'they are open there')
    assert.deepEqual([told[0]?.topic, told[0]?.to], ['t', 4])
    assert.match(String(told[0]?.reason), /^broker \d carries 1\d\d % of the mean, broker 4 0 %$/)
    await pass(120_000, 5000)
    const moves = told.length
    await pass(120_000, 5000)
    assert.equal(told.length, moves, 'and then all is still')
  })

  it('moves by what brokers report: bytes, not only counts', async () => {
    await cluster.at(1).createTopic('t', 6)
    await cluster.settle()
    const busy = leaders('t').flatMap((leader, index) => (leader === 1 ? [index] : []))
    assert.equal(busy.length, 2)
    const reporters = [1, 2, 3].map((id) => reporterOf(cluster.at(id)))
    for (const reporter of reporters) reporter.start()
    balance()
    for (let second = 0; second < 40; second++) {
      for (const index of busy)
        await (await cluster.leader('t', index)).produce('t', batch(1, { valueBytes: 5000 }), index)
      await pass(1000, 500)
    }
    const [first, second] = busy.map((index) => leaders('t')[index])
    assert.notEqual(first, second)
    for (const reporter of reporters) await cluster.at(1).run(reporter.close())
  })

  it('brings pinned topics to their brokers, and they stay there', async () => {
    await cluster.at(1).createTopic('loose', 12)
    await cluster.at(1).createTopic('pinned', 6, { 'longhaul.balance.pin': '3' })
    await cluster.settle()
    assert.equal(count('pinned', 3), 6, 'a new topic begins there')
    balance()
    await pass(80_000, 2000)
    assert.equal(count('pinned', 3), 6)
    assert.ok(count('loose', 3) < 4, 'others make room')
    await configure('pinned', { 'longhaul.balance.pin': '1, 2' })
    await pass(15_000, 500)
    assert.equal(count('pinned', 3), 0)
  })

  it('gives nothing to an excluded broker', async () => {
    await cluster.at(1).createTopic('t', 30)
    const { metadata } = cluster.at(1)
    await cluster.at(1).run(metadata.setResourceConfigs('broker', '4', { 'longhaul.balance.exclude': 'true' }))
    balance()
    await cluster.add(4)
    await pass(20_000, 500)
    assert.equal(count('t', 4), 0)
    await cluster.at(1).run(metadata.setResourceConfigs('broker', '4', { 'longhaul.balance.exclude': undefined }))
    await pass(20_000, 500)
    assert.ok(count('t', 4) >= 6)
  })

  it('is done by the controller alone', async () => {
    await cluster.at(1).createTopic('t', 6)
    let holds = false
    balance(1, () => holds)
    await announce(3, 'draining')
    await pass(15_000, 500)
    assert.equal(count('t', 3), 2)
    holds = true
    await pass(1000)
    assert.equal(count('t', 3), 0)
  })

  it('goes on when the database was away', async () => {
    await cluster.at(1).createTopic('t', 6)
    const { metadata, clock } = cluster.at(1)
    const problems: string[] = []
    const log = { ...silentLog, warn: (fields: Record<string, unknown>) => void problems.push(String(fields.error)) }
    let isAway = true
    const away = () => Promise.reject(new Fault('unavailable', 'away'))
    const flaky = {
      image: metadata.image,
      nodeLoads: () => (isAway ? away() : metadata.nodeLoads()),
      setTargets: (targets: Parameters<typeof metadata.setTargets>[0]) =>
        isAway ? away() : metadata.setTargets(targets)
    }
    const balancer = new Balancer({ clock, random: seededRandom(1), log, metadata: flaky, holds: () => true })
    balancers.push(balancer)
    balancer.start()
    await announce(3, 'draining')
    await pass(5000, 250)
    assert.deepEqual([count('t', 3), problems], [2, ['away']], 'told once')
    isAway = false
    await pass(1000)
    assert.equal(count('t', 3), 0)
  })
})

function reporterOf(
  { clock, metadata, nodeId, nodeEpoch, led }: BrokerFixture,
  delays = new AppendDelays()
): LoadReporter {
  return new LoadReporter({
    clock,
    random: seededRandom(nodeId),
    log: silentLog,
    metadata,
    node: { id: nodeId, epoch: nodeEpoch },
    partitions: () => led.all(),
    takeEventLoopDelayMs: () => 3,
    takeAppendDelayMs: () => delays.take()
  })
}

describe('what a broker reports', () => {
  it('is what was appended to and read from each partition it leads, per second', async () => {
    const cluster = await ClusterFixture.start(1)
    const broker = cluster.at(1)
    await broker.createTopic('t', 2)
    const reporter = reporterOf(broker, broker.parts.appendDelays)
    reporter.start()
    const records = () => batch(1, { valueBytes: 1000 })
    const { length } = records()
    for (let second = 0; second < 30; second++) {
      await broker.produce('t', records(), 1)
      const fetch = fetchRequest('t', [{ partition: 1, fetchOffset: second }, { partition: 0 }])
      await broker.call(FETCH, 12, fetch)
      await broker.clock.advance(1000)
    }
    const [report] = await broker.run(broker.metadata.nodeLoads())
    const [idle, busy] = [0, 1].map((index) => {
      const streamId = broker.partition('t', index).stream.id
      return report?.partitions.find((one) => one.streamId === streamId)
    })
    assert.deepEqual([idle?.bytesIn, idle?.bytesOut, idle?.requests], [0, 0, 0])
    const near = (rate = 0, expected: number) => assert.ok(Math.abs(rate - expected) <= expected * 0.15, `${rate}`)
    near(busy?.bytesIn, length)
    near(busy?.bytesOut, length)
    near(busy?.requests, 2)
    assert.deepEqual([report?.nodeEpoch, report?.eventLoopDelayMs], [broker.nodeEpoch, 3])
    assert.ok((report?.appendDelayMs ?? 0) >= 1)
    await broker.run(reporter.close())
    await cluster.close()
  })
})
