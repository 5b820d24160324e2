import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { ErrorCode } from '../../wire/error-codes.ts'
import { ApiVersionsRequest, ApiVersionsResponse } from '../../wire/messages/api-versions.ts'
import {
  ConsumerGroupDescribeRequest,
  ConsumerGroupDescribeResponse
} from '../../wire/messages/consumer-group-describe.ts'
import {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse
} from '../../wire/messages/consumer-group-heartbeat.ts'
import { ShareFetchRequest, ShareFetchResponse } from '../../wire/messages/share-fetch.ts'
import { ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse } from '../../wire/messages/share-group-heartbeat.ts'
import { UpdateFeaturesRequest, UpdateFeaturesResponse } from '../../wire/messages/update-features.ts'
import { BrokerFixture, pair } from '../broker-fixture.ts'

const API_VERSIONS = pair(ApiVersionsRequest, ApiVersionsResponse)
const UPDATE = pair(UpdateFeaturesRequest, UpdateFeaturesResponse)
const GROUP_HEARTBEAT = pair(ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse)
const GROUP_DESCRIBE = pair(ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse)
const SHARE_HEARTBEAT = pair(ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse)
const SHARE_FETCH = pair(ShareFetchRequest, ShareFetchResponse)
const NEW_MEMBER = { subscribedTopicNames: ['t'], topicPartitions: [] }
const NOTHING_WANTED = {
  ...{ maxWaitMs: 0, minBytes: 0, maxBytes: 1, maxRecords: 1, batchSize: 1 },
  ...{ topics: [], forgottenTopicsData: [] }
}
const NAMED = { clientSoftwareName: 'test', clientSoftwareVersion: '1.0' }
const SAFE_DOWNGRADE = 2

describe('features', () => {
  let broker: BrokerFixture
  beforeEach(async () => {
    broker = await BrokerFixture.start()
  })
  afterEach(() => broker.close())

  const told = async (version = 4) => {
    const answer = await broker.call(API_VERSIONS, version, version >= 3 ? NAMED : {})
    return {
      supported: Object.fromEntries(answer.supportedFeatures.map((f) => [f.name, [f.minVersion, f.maxVersion]])),
      finalized: Object.fromEntries(answer.finalizedFeatures.map((f) => [f.name, f.maxVersionLevel])),
      epoch: answer.finalizedFeaturesEpoch
    }
  }
  const update = (
    changes: Record<string, number>,
    version = 2,
    more: { upgradeType?: number; validateOnly?: boolean } = {}
  ) => {
    const { upgradeType = SAFE_DOWNGRADE, validateOnly = false } = more
    const featureUpdates = Object.entries(changes).map(([feature, maxVersionLevel]) => ({
      feature,
      maxVersionLevel,
      ...(version === 0 ? { allowDowngrade: upgradeType === SAFE_DOWNGRADE } : { upgradeType })
    }))
    return broker.call(UPDATE, version, { featureUpdates, ...(version === 0 ? {} : { validateOnly }) })
  }

  it('what is switched off is refused, each API in the form of its answer, and is back when it is switched on', async () => {
    const memberId = 'm'
    const groupId = 'g'
    const heartbeat = { groupId, memberId, memberEpoch: 0 }
    const codes = async () => [
      (await broker.call(GROUP_HEARTBEAT, 1, { ...heartbeat, rebalanceTimeoutMs: 1, ...NEW_MEMBER })).errorCode,
      (await broker.call(SHARE_HEARTBEAT, 1, { ...heartbeat, subscribedTopicNames: ['t'] })).errorCode,
      (await broker.call(GROUP_DESCRIBE, 1, { groupIds: ['none'], includeAuthorizedOperations: false })).groups[0]
        ?.errorCode,
      (await broker.call(SHARE_FETCH, 1, { groupId, memberId, shareSessionEpoch: 3, ...NOTHING_WANTED })).errorCode
    ]
    const unsafe = { upgradeType: 3 }
    const off = { 'group.version': 0, 'share.version': 0, 'streams.version': 0 }
    assert.equal((await update(off, 2, unsafe)).errorCode, ErrorCode.NONE)
    assert.deepEqual(await codes(), Array(4).fill(ErrorCode.UNSUPPORTED_VERSION))
    const on = { 'group.version': 1, 'share.version': 1, 'streams.version': 1 }
    assert.equal((await update(on, 2, { upgradeType: 1 })).errorCode, ErrorCode.NONE)
    assert.ok((await codes()).every((code) => code !== ErrorCode.UNSUPPORTED_VERSION))
  })

  it('clients are told the levels of Kafka 4.3, and what can be told to their version', async () => {
    const { supported, finalized, epoch } = await told()
    assert.deepEqual(supported, {
      'eligible.leader.replicas.version': [0, 1],
      'group.version': [0, 1],
      'kraft.version': [0, 1],
      'metadata.version': [7, 30],
      'share.version': [0, 1],
      'streams.version': [0, 1],
      'transaction.version': [0, 2]
    })
    assert.deepEqual(finalized, {
      'eligible.leader.replicas.version': 1,
      'group.version': 1,
      'metadata.version': 30,
      'share.version': 1,
      'streams.version': 1,
      'transaction.version': 2
    })
    assert.equal(epoch, 0)
    assert.deepEqual((await told(3)).supported, { 'metadata.version': [7, 30] })
    assert.deepEqual((await told(3)).finalized, finalized)
    assert.deepEqual(await told(2), { supported: {}, finalized: {}, epoch: -1 })
  })

  it('a level that is set holds for everybody, raises the epoch and survives a crash', async () => {
    assert.equal(broker.parts.features.level('transaction.version'), 2)
    const answer = await update({ 'transaction.version': 1, 'group.version': 0 })
    assert.deepEqual([answer.errorCode, answer.results], [ErrorCode.NONE, []])
    await broker.restart()
    const { finalized, epoch } = await told()
    assert.deepEqual([finalized['transaction.version'], finalized['group.version'], epoch], [1, undefined, 1])
    assert.equal(broker.parts.features.level('transaction.version'), 1)
    assert.equal(broker.parts.features.level('group.version'), 0)
  })

  it('every version updates, and up to v1 tells of each feature', async () => {
    for (const version of [0, 1]) {
      const { results } = await update({ 'transaction.version': 1 - version }, version)
      assert.deepEqual(
        results.map(({ feature, errorCode }) => [feature, errorCode]),
        [['transaction.version', ErrorCode.NONE]]
      )
      assert.equal(broker.parts.features.level('transaction.version'), 1 - version)
    }
  })

  it('v0 lowers a level only when the client allows it', async () => {
    const refused = await update({ 'transaction.version': 1 }, 0, { upgradeType: 1 })
    assert.equal(refused.errorCode, ErrorCode.INVALID_UPDATE_VERSION)
    assert.equal(broker.parts.features.level('transaction.version'), 2)
  })

  it('one bad update changes nothing, and the answer says which it was', async () => {
    const answer = await update({ 'transaction.version': 1, 'group.version': 5 }, 1)
    assert.equal(answer.errorCode, ErrorCode.INVALID_UPDATE_VERSION)
    assert.match(answer.errorMessage ?? '', /group\.version/)
    assert.deepEqual(answer.results, [])
    assert.equal(broker.parts.features.level('transaction.version'), 2)
  })

  it('a validation changes nothing', async () => {
    const answer = await update({ 'transaction.version': 1 }, 2, { validateOnly: true })
    assert.equal(answer.errorCode, ErrorCode.NONE)
    assert.deepEqual([broker.parts.features.level('transaction.version'), broker.parts.features.epoch], [2, 0])
  })
})
