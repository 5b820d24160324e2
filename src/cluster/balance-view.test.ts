import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Image } from '../metadata/image.ts'
import type { ConfigValues, Partition, ReportedLoad, Topic } from '../metadata/metadata.ts'
import type { NodeState } from '../metadata/schema.ts'
import { BalanceMemory } from './balance-view.ts'

/** Topic `t`, whose partitions 0, 1, … have streams 10, 11, … and these leaders. */
function imageOf(
  leaders: readonly number[],
  options: { configs?: ConfigValues; states?: Record<number, NodeState>; settings?: Record<string, ConfigValues> } = {}
): Image {
  const partitions = leaders.map(
    (leader, index): Partition => ({ topicId: 'T', index, streamId: 10 + index, leader, leaderEpoch: 1, target: null })
  )
  const topic: Topic = { id: 'T', name: 't', internal: false, configs: options.configs ?? {}, partitions }
  const image = new Image()
  const place = { host: 'h', port: 1, rack: null, wal: 'file:' }
  image.apply({
    topics: new Map([['T', topic]]),
    streams: new Map(),
    objects: new Map(),
    ranges: [],
    nodes: new Map([1, 2, 3].map((id) => [id, { id, epoch: 5, state: options.states?.[id] ?? 'running', ...place }])),
    configs: new Map(Object.entries(options.settings ?? {}).map(([name, values]) => [`broker/${name}`, values]))
  })
  return image
}

function report(nodeId: number, rates: Record<number, number>, changes: Partial<ReportedLoad> = {}): ReportedLoad {
  const partitions = Object.entries(rates).map(([streamId, bytesIn]) => ({
    streamId: Number(streamId),
    bytesIn,
    bytesOut: 0,
    requests: 0
  }))
  return { nodeId, nodeEpoch: 5, ageMs: 0, eventLoopDelayMs: 1, appendDelayMs: 1, partitions, ...changes }
}

const rates = (memory: BalanceMemory, image: Image, nowMs: number) =>
  memory.view(image, nowMs).partitions.map(({ load }) => load?.bytesIn)

test('partitions have what their leader reported, and nothing of an earlier life of it', () => {
  const memory = new BalanceMemory()
  const image = imageOf([1, 2, 3])
  memory.learn(image, [report(1, { 10: 100 }), report(2, { 11: 200 }), report(3, { 12: 300 }, { nodeEpoch: 4 })], 0)
  assert.deepEqual(rates(memory, image, 0), [100, 200, undefined])
})

test('a partition that has moved keeps what its former leader measured until the new one tells', () => {
  const memory = new BalanceMemory()
  memory.learn(imageOf([1]), [report(1, { 10: 100 })], 0)
  const moved = imageOf([2])
  memory.learn(moved, [report(1, {}), report(2, {})], 1000)
  assert.deepEqual(rates(memory, moved, 1000), [100])
  memory.learn(moved, [report(1, { 10: 99 }), report(2, { 10: 55 })], 2000)
  assert.deepEqual(rates(memory, moved, 2000), [55])
  memory.learn(moved, [report(1, { 10: 99 })], 3000)
  assert.deepEqual(rates(memory, moved, 3000), [55], 'the former leader is not asked any more')
  assert.deepEqual(rates(memory, moved, 700_000), [undefined], 'after a while nobody knows')
})

test('a partition that has moved settles for a minute, by whomever it was moved', () => {
  const memory = new BalanceMemory()
  const settling = (image: Image, nowMs: number) => memory.view(image, nowMs).partitions.map((one) => one.settling)
  assert.deepEqual(settling(imageOf([1, 1]), 0), [false, false], 'nothing is known of before')
  assert.deepEqual(settling(imageOf([2, 1]), 5000), [true, false])
  assert.deepEqual(settling(imageOf([2, 1]), 64_999), [true, false])
  assert.deepEqual(settling(imageOf([2, 1]), 65_000), [false, false])
})

test('pins and exclusions are read from the settings', () => {
  const settings = { '': { 'longhaul.balance.exclude': 'true' }, '2': { 'longhaul.balance.exclude': 'false' } }
  const image = imageOf([1], { configs: { 'longhaul.balance.pin': '3,1' }, settings })
  const { nodes, partitions } = new BalanceMemory().view(image, 0)
  assert.deepEqual(partitions[0]?.pins, [3, 1])
  assert.deepEqual(nodes.map(({ excluded }) => excluded), [true, false, true]) // biome-ignore format: one line
})

test('a slow node is known as slow until it reports better, and a stopped one is not judged', () => {
  const memory = new BalanceMemory()
  const image = imageOf([1], { states: { 3: 'stopped' } })
  const slow = { eventLoopDelayMs: 900 }
  memory.learn(image, [report(1, {}), report(2, {}, slow), report(3, {}, slow)], 0)
  assert.deepEqual([...memory.view(image, 0).slow.keys()], [2])
  memory.learn(image, [report(1, {}), report(2, {})], 0)
  assert.deepEqual([...memory.view(image, 0).slow.keys()], [])
})
