import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { Fault } from '../../runtime/fault.ts'
import { settle, VirtualClock } from '../../runtime/virtual-clock.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { CoordinatorPlaces } from '../coordinator-places.ts'
import { FakeCluster, FakeNodes } from '../nodes/fake-nodes-fixture.ts'
import { RoutedShareStates } from './routed-share-states.ts'
import type { ShareStateStore, StateOutcome } from './share-state.ts'

const TOPIC = 'AQIDBAUGBwgJCgsMDQ4PEA'
const DONE: StateOutcome = { errorCode: 0, errorMessage: null }
const CHANGE = { stateEpoch: 1, leaderEpoch: 2, startOffset: 3, deliveryCompleteCount: 4, stateBatches: [] }

const key = (partition: number, groupId = 'g') => ({ groupId, topicId: TOPIC, partition })

describe('share states in a cluster', () => {
  let clock: VirtualClock
  let cluster: FakeCluster
  let nodes: FakeNodes
  let here: string[]
  let hereAnswers: StateOutcome
  let states: RoutedShareStates

  beforeEach(() => {
    clock = new VirtualClock()
    cluster = new FakeCluster(1, { state: [2] })
    nodes = new FakeNodes()
    here = []
    hereAnswers = DONE
    const local = (name: string) => async () => {
      here.push(name)
      return hereAnswers
    }
    const store = {
      initialize: local('initialize'),
      read: local('read'),
      write: local('write'),
      delete: local('delete'),
      readSummary: local('readSummary')
    } as unknown as ShareStateStore
    const places = new CoordinatorPlaces({ topic: 'state', logs: { partitionCount: async () => 1 }, cluster })
    states = new RoutedShareStates({ clock, nodeId: 1, local: store, places, nodes, partitionCount: () => 4 })
  })

  const result = (partition: number, more: object = DONE) => ({
    topicId: TOPIC,
    partitions: [{ partition, ...more }]
  })

  it('are kept here when this broker leads their partition', async () => {
    cluster.leaders.state = [1]
    await states.initialize(key(0), { stateEpoch: 1, startOffset: 0 })
    await states.write(key(0), CHANGE)
    await states.read(key(0), 1)
    await states.readSummary(key(0))
    await states.delete(key(0))
    assert.deepEqual(here, ['initialize', 'write', 'read', 'readSummary', 'delete'])
    assert.equal(nodes.calls.length, 0)
  })

  it('are asked for elsewhere, those of a group in one request', async () => {
    const writing = [states.write(key(0), CHANGE), states.write(key(1), { ...CHANGE, startOffset: 9 })]
    const other = states.write(key(0, 'h'), CHANGE)
    await settle()
    assert.deepEqual(
      nodes.calls.map(({ nodeId, apiKey, version }) => [nodeId, apiKey, version]),
      [
        [2, 85, 1],
        [2, 85, 1]
      ]
    )
    assert.deepEqual(nodes.calls[0]?.request, {
      groupId: 'g',
      topics: [
        { topicId: TOPIC, partitions: [{ ...CHANGE, partition: 0 }] },
        { topicId: TOPIC, partitions: [{ ...CHANGE, startOffset: 9, partition: 1 }] }
      ]
    })
    const fenced = { errorCode: ErrorCode.FENCED_STATE_EPOCH, errorMessage: 'late' }
    nodes.calls[0]?.answer({ results: [result(0), result(1, fenced)] })
    nodes.calls[1]?.answer({ results: [result(0)] })
    assert.deepEqual(
      (await Promise.all(writing)).map(({ errorCode }) => errorCode),
      [0, ErrorCode.FENCED_STATE_EPOCH]
    )
    assert.equal((await other).errorCode, 0)
  })

  it('are read as they are stored', async () => {
    const reading = states.read(key(2), 6)
    const summing = states.readSummary(key(2))
    await settle()
    assert.deepEqual(
      nodes.calls.map(({ apiKey }) => apiKey),
      [84, 87]
    )
    const batch = { firstOffset: 5, lastOffset: 6, deliveryState: 2, deliveryCount: 1 }
    nodes.calls[0]?.answer({ results: [result(2, { ...DONE, stateEpoch: 3, startOffset: 5, stateBatches: [batch] })] })
    nodes.calls[1]?.answer({
      results: [result(2, { ...DONE, stateEpoch: 3, leaderEpoch: 6, startOffset: 5, deliveryCompleteCount: 2 })]
    })
    const read = await reading
    assert.deepEqual([read.stateEpoch, read.startOffset, read.stateBatches], [3, 5, [batch]])
    const summary = await summing
    assert.deepEqual([summary.startOffset, summary.deliveryCompleteCount], [5, 2])
  })

  it('are asked for again when their coordinator moves, where it is then', async () => {
    const writing = states.write(key(0), CHANGE)
    await settle()
    nodes.calls[0]?.answer({ results: [result(0, { errorCode: ErrorCode.NOT_COORDINATOR, errorMessage: null })] })
    await settle()
    cluster.leaders.state = [3]
    await clock.advance(50)
    assert.equal(nodes.calls[1]?.nodeId, 3)
    nodes.calls[1]?.fail(new Fault('unavailable', 'reset'))
    await settle()
    cluster.leaders.state = [1]
    await clock.advance(100)
    assert.equal((await writing).errorCode, 0)
    assert.deepEqual(here, ['write'])
  })

  it('are asked for again while their coordinator has not heard of the topic, if there is one', async () => {
    const unknown = { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: null }
    const [known, none] = [states.initialize(key(3), { stateEpoch: 1, startOffset: -1 }), states.delete(key(4))]
    await settle()
    nodes.calls[0]?.answer({ results: [result(3, unknown)] })
    nodes.calls[1]?.answer({ results: [result(4, unknown)] })
    assert.equal((await none).errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    await clock.advance(50)
    nodes.calls[2]?.answer({ results: [result(3)] })
    assert.equal((await known).errorCode, 0)
  })

  it('cannot be told after a while without a coordinator', async () => {
    cluster.away.add(2)
    const reading = states.read(key(0), 1)
    await clock.advance(5_000)
    const read = await reading
    assert.deepEqual([read.errorCode, read.startOffset], [ErrorCode.COORDINATOR_NOT_AVAILABLE, -1])
  })

  it('are not asked for again once the broker closes', async () => {
    hereAnswers = { errorCode: ErrorCode.NOT_COORDINATOR, errorMessage: null }
    cluster.leaders.state = [1]
    const writing = states.write(key(0), CHANGE)
    await settle()
    states.close()
    assert.equal((await writing).errorCode, ErrorCode.NOT_COORDINATOR)
    await clock.advance(10_000)
    assert.deepEqual(here, ['write'])
  })

  it('an answer for another share partition counts as none', async () => {
    const reading = states.read(key(0), 1)
    await settle()
    nodes.calls[0]?.answer({ results: [result(1, { ...DONE, stateEpoch: 3, startOffset: 5, stateBatches: [] })] })
    await settle()
    states.close()
    assert.equal((await reading).errorCode, ErrorCode.COORDINATOR_NOT_AVAILABLE)
  })
})
