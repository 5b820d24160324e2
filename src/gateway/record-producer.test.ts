import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFault } from '../runtime/fault.ts'
import { silentLog } from '../runtime/log.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { createRecordProducer } from './record-producer.ts'

test('without a broker the producer says so', async () => {
  const promise = createRecordProducer({
    bootstrap: ['127.0.0.1:1'],
    topics: [{ name: 't', partitions: 1 }],
    clock: systemClock,
    log: silentLog,
    settings: { retryDelayMs: 1, requestTimeoutMs: 500 }
  })
  await assert.rejects(promise, (error) => isFault(error, 'unavailable') && error.message.includes('127.0.0.1:1'))
})
