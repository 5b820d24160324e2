/** What a client hears whose metadata are older than the last move of a partition, at every version that can ask. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ErrorCode } from '../../src/wire/error-codes.ts'
import { apis } from '../faults/apis.ts'
import { type BrokerUnderTest, brokerUnderTest } from './broker-under-test.ts'
import { Peer } from './differential/peer.ts'
import { unique } from './waiting.ts'

const skip =
  process.env.LONGHAUL_TEST_BOOTSTRAP === undefined ? false : 'a new partition of Kafka has epoch 0, and no older one'

describe('a leader epoch that is over', { skip }, () => {
  let broker: BrokerUnderTest
  let peer: Peer
  let name: string
  let id: string

  before(async () => {
    broker = await brokerUnderTest()
    peer = (await Peer.connect('ours', broker, unique('first'))).at(unique('old'))
    assert.ok(peer.firstLeaderEpoch > 0, 'a new partition has the first of all epochs: nothing is older')
    ;({ name, id } = await peer.topic())
  })
  after(async () => {
    peer?.close()
    await broker?.stop()
  })

  for (let version = 9; version <= apis.fetch.request.maxVersion; version++) {
    it(`is FENCED_LEADER_EPOCH to Fetch version ${version}`, { timeout: 30_000 }, async () => {
      const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1000, currentLeaderEpoch: 0 }
      const topics = [{ topic: name, topicId: id, partitions: [partition] }]
      const response = await peer.send(apis.fetch, version, {
        maxWaitMs: 0,
        minBytes: 0,
        topics,
        forgottenTopicsData: []
      })
      assert.equal(response.responses[0]?.partitions[0]?.errorCode, ErrorCode.FENCED_LEADER_EPOCH)
    })
  }

  for (let version = 4; version <= apis.listOffsets.request.maxVersion; version++) {
    it(`is FENCED_LEADER_EPOCH to ListOffsets version ${version}`, { timeout: 30_000 }, async () => {
      const partitions = [{ partitionIndex: 0, currentLeaderEpoch: 0, timestamp: -1 }]
      const request = { replicaId: -1, isolationLevel: 0, topics: [{ name, partitions }] }
      const response = await peer.send(apis.listOffsets, version, request)
      assert.equal(response.topics[0]?.partitions[0]?.errorCode, ErrorCode.FENCED_LEADER_EPOCH)
    })
  }
})
