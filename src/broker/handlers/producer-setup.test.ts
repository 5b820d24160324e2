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

  it('a transactional producer is told for good that there are no transactions', async () => {
    const code = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert.equal((await init(4, 'payments')).errorCode, code)
    const old = await broker.call(FIND_COORDINATOR, 2, { key: 'payments', keyType: TRANSACTION })
    assert.deepEqual([old.errorCode, old.nodeId], [code, -1])
    assert.match(old.errorMessage ?? '', /no transactions/)
    const many = await broker.call(FIND_COORDINATOR, 4, { keyType: TRANSACTION, coordinatorKeys: ['payments'] })
    assert.equal(many.coordinators[0]?.errorCode, code)
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
