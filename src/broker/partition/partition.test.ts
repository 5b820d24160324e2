import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ErrorCode } from '../../wire/error-codes.ts'
import { BrokerFixture, batch, PRODUCE, produceRequest } from '../broker-fixture.ts'

const idempotent = (baseSequence: number, count = 1, producerId = 1) =>
  batch(count, { producerId, producerEpoch: 0, baseSequence })

describe('a partition that is opened again', () => {
  it('accepts no duplicate after a crash, whether its state comes from the snapshot, the log or both', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('produce', 'upload', 'crash', 'retry'), { maxLength: 25 }),
        async (steps) => {
          const broker = await BrokerFixture.start()
          await broker.createTopic('exactly-once')
          const offsets: number[] = []
          for (const step of [...steps, 'crash', 'retry', 'produce', 'retry']) {
            if (step === 'upload') await broker.upload()
            else if (step === 'crash') await broker.restart()
            else if (step === 'produce') {
              const answer = await broker.produce('exactly-once', idempotent(offsets.length * 2, 2))
              assert.deepEqual([answer.errorCode, answer.baseOffset], [ErrorCode.NONE, offsets.length * 2])
              offsets.push(answer.baseOffset)
            } else {
              for (const offset of offsets.slice(-5)) {
                const answer = await broker.produce('exactly-once', idempotent(offset, 2))
                assert.deepEqual([answer.errorCode, answer.baseOffset], [ErrorCode.NONE, offset])
              }
            }
          }
          assert.equal(broker.partition('exactly-once').highWatermark, offsets.length * 2)
          await broker.close()
        }
      ),
      { numRuns: 15 }
    )
  })

  it('has state as of the upload although more was appended while it ran', async () => {
    const broker = await BrokerFixture.start()
    await broker.createTopic('racing')
    await broker.produce('racing', idempotent(0))
    broker.store.faults.latencyMs = { min: 100, max: 100 }
    const upload = broker.engine.flush()
    await broker.clock.advance(10)
    await broker.produce('racing', idempotent(1))
    await broker.clock.advance(1000)
    await upload
    broker.store.faults.latencyMs = { min: 0, max: 0 }
    await broker.restart()
    assert.equal((await broker.produce('racing', idempotent(1))).baseOffset, 1)
    assert.equal((await broker.produce('racing', idempotent(2))).baseOffset, 2)
    await broker.close()
  })

  it('does not know batches that never became durable', async () => {
    const broker = await BrokerFixture.start()
    await broker.createTopic('lost')
    await broker.produce('lost', idempotent(0))
    broker.device.faults.syncMs = 10_000
    const lost = broker.send(PRODUCE, 9, produceRequest('lost', idempotent(1)))
    lost.catch(() => undefined)
    await broker.run(broker.clock.advance(0))
    assert.equal(broker.partition('lost').highWatermark, 1)
    const device = broker.device.crash()
    device.faults.syncMs = 0
    await broker.clock.advance(10_000)
    await broker.restart(device)
    const end = broker.partition('lost').highWatermark
    const answer = await broker.produce('lost', idempotent(1))
    assert.deepEqual([answer.errorCode, answer.baseOffset], [ErrorCode.NONE, 1], `the log came back with end ${end}`)
    assert.equal(broker.partition('lost').highWatermark, 2)
    await broker.close()
  })

  it('gets a new leader epoch, and forgets producers only after their time', async () => {
    const broker = await BrokerFixture.start({ producerExpirationMs: 1000 })
    await broker.createTopic('aging')
    const before = broker.partition('aging').leaderEpoch
    await broker.produce('aging', idempotent(0))
    await broker.clock.advance(500)
    await broker.upload()
    await broker.restart()
    assert.ok(broker.partition('aging').leaderEpoch > before)
    assert.equal((await broker.produce('aging', idempotent(5))).errorCode, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    await broker.clock.advance(2000)
    await broker.produce('aging', idempotent(0, 1, 2))
    await broker.upload()
    assert.equal((await broker.produce('aging', idempotent(5))).errorCode, ErrorCode.NONE)
    await broker.close()
  })
})
