import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Fault } from '../../runtime/fault.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../../wire/messages/find-coordinator.ts'
import { InitProducerIdRequest, InitProducerIdResponse } from '../../wire/messages/init-producer-id.ts'
import { BrokerFixture, pair } from '../broker-fixture.ts'

const INIT_PRODUCER_ID = pair(InitProducerIdRequest, InitProducerIdResponse)
const FIND_COORDINATOR = pair(FindCoordinatorRequest, FindCoordinatorResponse)
const [GROUP, TRANSACTION, SHARE] = [0, 1, 2] as const

describe('producer setup', () => {
  let broker: BrokerFixture
  before(async () => {
    broker = await BrokerFixture.start()
  })
  after(() => broker.close())

  const init = (version = 4, transactionalId: string | null = null) =>
    broker.call(INIT_PRODUCER_ID, version, { transactionalId, transactionTimeoutMs: 1000 })

  it('no producer id is given twice, at once, one after another or over restarts', async () => {
    const ids = new Set<number>()
    let asked = 0
    for (let life = 0; life < 3; life++) {
      const calls = Array.from({ length: 700 }, (_, i) => init(i % 6))
      for (const answer of await Promise.all(calls)) {
        assert.deepEqual([answer.errorCode, answer.producerEpoch], [ErrorCode.NONE, 0])
        ids.add(answer.producerId)
        asked++
      }
      await broker.restart()
    }
    assert.equal(ids.size, asked)
  })

  it('a database that does not answer makes producers ask again', async () => {
    const { parts } = broker
    const next = parts.producerIds.next
    parts.producerIds.next = () => Promise.reject(new Fault('unavailable', 'the database is away'))
    assert.equal((await init()).errorCode, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
    parts.producerIds.next = next
    assert.equal((await init()).errorCode, ErrorCode.NONE)
  })

  it('an id without an epoch, or an epoch without an id, is no producer to go on from', async () => {
    for (const half of [
      { producerId: 7, producerEpoch: -1 },
      { producerId: -1, producerEpoch: 0 }
    ]) {
      const request = { transactionalId: 'payments', transactionTimeoutMs: 1000, ...half }
      assert.equal((await broker.call(INIT_PRODUCER_ID, 4, request)).errorCode, ErrorCode.INVALID_REQUEST)
    }
    assert.equal((await init(4, '')).errorCode, ErrorCode.INVALID_REQUEST)
  })

  it('a transactional producer finds its coordinator, whatever its version, and keeps its id', async () => {
    const old = await broker.call(FIND_COORDINATOR, 2, { key: 'payments', keyType: TRANSACTION })
    assert.deepEqual([old.errorCode, old.nodeId], [ErrorCode.NONE, 1])
    const many = await broker.call(FIND_COORDINATOR, 4, { keyType: TRANSACTION, coordinatorKeys: ['payments'] })
    assert.deepEqual([many.coordinators[0]?.errorCode, many.coordinators[0]?.nodeId], [ErrorCode.NONE, 1])
    const first = await init(0, 'payments')
    const second = await init(4, 'payments')
    assert.deepEqual([first.producerEpoch, second.producerEpoch], [0, 1])
    assert.equal(second.producerId, first.producerId)
    const fenced = { transactionalId: 'payments', transactionTimeoutMs: 1000, producerId: first.producerId }
    for (const [version, code] of [
      [3, ErrorCode.INVALID_PRODUCER_EPOCH],
      [4, ErrorCode.PRODUCER_FENCED]
    ] as const) {
      const answer = await broker.call(INIT_PRODUCER_ID, version, { ...fenced, producerEpoch: 0 })
      assert.equal(answer.errorCode, code)
    }
  })

  it('every version finds the coordinator of a group', async () => {
    for (let version = 0; version <= 6; version++) {
      const answer =
        version < 4
          ? await broker.call(FIND_COORDINATOR, version, { key: 'g', ...(version > 0 ? { keyType: GROUP } : {}) })
          : await broker.call(FIND_COORDINATOR, version, { keyType: GROUP, coordinatorKeys: ['g', 'h'] })
      const found = version < 4 ? [answer] : answer.coordinators
      assert.equal(found.length, version < 4 ? 1 : 2)
      for (const { errorCode, nodeId, host, port } of found) {
        assert.deepEqual([errorCode, nodeId, host, port], [ErrorCode.NONE, 1, 'localhost', 9092])
      }
    }
    const share = await broker.call(FIND_COORDINATOR, 6, { keyType: SHARE, coordinatorKeys: ['s'] })
    assert.equal(share.coordinators[0]?.errorCode, ErrorCode.INVALID_REQUEST)
  })
})
