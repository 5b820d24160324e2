import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { ErrorCode } from '../../wire/error-codes.ts'
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../../wire/messages/find-coordinator.ts'
import { type BrokerFixture, batch, pair } from '../broker-fixture.ts'
import { ClusterFixture } from '../cluster-fixture.ts'
import { coordinatorPartition } from '../record-log.ts'
import { SHARE_STATE_TOPIC } from '../topic-names.ts'
import { configureGroup, ShareClient, standing } from './share-client-fixture.ts'

const FIND = pair(FindCoordinatorRequest, FindCoordinatorResponse)
const ACCEPT = [1]
const RELEASE = [2]

describe('share groups in a cluster', () => {
  let cluster: ClusterFixture
  /** Coordinates the group. */
  let coordinator: BrokerFixture

  beforeEach(async () => {
    cluster = await ClusterFixture.start(2)
    await cluster.at(1).createTopic('t', 2)
    await configureGroup(cluster.at(1), 'g', { 'share.auto.offset.reset': 'earliest' })
    const { coordinators } = await cluster.at(1).call(FIND, 6, { keyType: 0, coordinatorKeys: ['g'] })
    await cluster.settle()
    coordinator = cluster.at(coordinators[0]?.nodeId ?? -1)
    for (const index of [0, 1]) await (await cluster.leader('t', index)).produce('t', batch(3), index)
    assert.deepEqual((await new ShareClient(coordinator, 'g', 'one').join('t')).sort(), ['t-0', 't-1'])
    await cluster.settle()
  })
  afterEach(() => cluster.close())

  const other = (broker: BrokerFixture) => cluster.at(broker.nodeId === 1 ? 2 : 1)
  const reader = async (index: number, member = 'one') => new ShareClient(await cluster.leader('t', index), 'g', member)

  it('read every partition from its leader, whoever keeps the states', async () => {
    for (const index of [0, 1]) {
      const one = await reader(index)
      assert.deepEqual((await one.fetch('t', { index })).acquired, [[0, 2, 1]])
      const acknowledge = [{ first: 0, last: 1, types: ACCEPT }]
      const got = await one.fetch('t', { index, acknowledge, maxWaitMs: 0 })
      assert.deepEqual([got.acknowledgeErrorCode, got.acquired], [0, []])
      assert.equal((await standing(coordinator, 'g', 't', index)).lag, 1, 'the coordinator knows where partitions end')
    }
  })

  it('are sent to the leader of a partition by a broker that is not', async () => {
    const leader = await cluster.leader('t', 0)
    const one = new ShareClient(other(leader), 'g', 'one')
    const sending = one.sendFetch('t')
    await leader.clock.advance(5_000)
    const answer = await sending
    const partition = answer.responses[0]?.partitions[0]
    assert.equal(partition?.errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER)
    assert.equal(partition?.currentLeader.leaderId, leader.nodeId)
    assert.deepEqual(
      answer.nodeEndpoints.map(({ nodeId, port }) => [nodeId, port]),
      [[leader.nodeId, 9091 + leader.nodeId]]
    )
  })

  it('go on at the new leader with what is stored when a partition moves', async () => {
    const before = await cluster.leader('t', 0)
    const one = await reader(0)
    assert.deepEqual((await one.fetch('t')).acquired, [[0, 2, 1]])
    const acknowledgements = [
      { first: 0, last: 0, types: ACCEPT },
      { first: 1, last: 1, types: RELEASE }
    ]
    assert.equal(await one.acknowledge('t', acknowledgements), 0)
    await cluster.move('t', 0, other(before).nodeId)
    assert.equal(await one.acknowledge('t', [{ first: 2, last: 2, types: ACCEPT }]), ErrorCode.NOT_LEADER_OR_FOLLOWER)
    const next = await reader(0)
    const got = await next.fetch('t')
    assert.deepEqual(
      got.acquired,
      [
        [1, 1, 2],
        [2, 2, 1]
      ],
      'what was not acknowledged is delivered again'
    )
    assert.equal(await next.acknowledge('t', [{ first: 1, last: 2, types: ACCEPT }]), 0)
    assert.equal((await standing(coordinator, 'g', 't')).lag, 0)
  })

  it('go on when the broker that keeps the state moves, in the middle of everything', async () => {
    const topicId = cluster.at(1).topics.get('t')?.id
    const index = coordinatorPartition(`g:${topicId}:0`, 2)
    const one = await reader(0)
    assert.deepEqual((await one.fetch('t')).acquired, [[0, 2, 1]])
    for (const first of [0, 1]) {
      await cluster.move(SHARE_STATE_TOPIC, index, other(await cluster.leader(SHARE_STATE_TOPIC, index)).nodeId)
      assert.equal(await one.acknowledge('t', [{ first, last: first, types: ACCEPT }]), 0)
      assert.equal((await standing(coordinator, 'g', 't')).lag, 2 - first)
    }
  })

  it('wait for the broker that keeps the state, and hear of it when it does not come', async () => {
    const topicId = cluster.at(1).topics.get('t')?.id
    const index = coordinatorPartition(`g:${topicId}:0`, 2)
    const leader = await cluster.leader('t', 0)
    await cluster.move(SHARE_STATE_TOPIC, index, other(leader).nodeId)
    const one = await reader(0)
    assert.deepEqual((await one.fetch('t')).acquired, [[0, 2, 1]])
    cluster.unreachable.add(other(leader).nodeId)
    const waiting = one.acknowledge('t', [{ first: 0, last: 0, types: ACCEPT }])
    await delayed(1_000)
    cluster.unreachable.clear()
    await delayed(1_000)
    assert.equal(await waiting, 0)
  })

  it('begin anew with what is stored once nobody reads a partition any more', async () => {
    const leader = await cluster.leader('t', 0)
    const one = await reader(0)
    assert.deepEqual((await one.fetch('t')).acquired, [[0, 2, 1]])
    leader.disconnect()
    await cluster.settle()
    assert.deepEqual((await (await reader(0, 'two')).fetch('t')).acquired, [[0, 2, 2]])
  })

  /** `call` of a client stands still in time; another broker's clock is the same. */
  async function delayed(ms: number): Promise<void> {
    await cluster.at(1).clock.advance(ms)
  }
})
