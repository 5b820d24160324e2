import assert from 'node:assert/strict'
import { it } from 'node:test'
import { isFault } from '../runtime/fault.ts'
import { seededRandom } from '../runtime/random.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { requireConditionalPut } from './conditional-put-probe.ts'
import { FaultyObjectStore } from './faulty-object-store.ts'
import { MemoryObjectStore } from './memory-object-store.ts'
import { listed } from './object-store-contract.ts'

/** As s3rver 3.7 does: `If-None-Match` changes nothing. */
class HeedlessObjectStore extends MemoryObjectStore {
  override put(key: string, parts: readonly Buffer[]): Promise<void> {
    return super.put(key, parts)
  }
}

it('a store that heeds conditions passes, and the probe leaves nothing behind', async () => {
  const store = new MemoryObjectStore()
  await requireConditionalPut(store, seededRandom(1), 's3://bucket')
  assert.deepEqual(await listed(store, ''), [])
})

it('a store that ignores conditions is refused with what to use instead, and the probe leaves nothing behind', async () => {
  const store = new HeedlessObjectStore()
  await assert.rejects(requireConditionalPut(store, seededRandom(1), 's3://heedless'), (error) => {
    assert.ok(isFault(error, 'invalid'))
    for (const words of ['s3://heedless', 'If-None-Match', 'versitygw', 'file WAL'])
      assert.match(error.message, new RegExp(words))
    return true
  })
  assert.deepEqual(await listed(store, ''), [])
})

it('a store that cannot be reached is not called unfit', async () => {
  const store = new FaultyObjectStore({ store: new MemoryObjectStore(), random: seededRandom(1), clock: systemClock })
  store.faults.outage = true
  await assert.rejects(requireConditionalPut(store, seededRandom(1), 's3://bucket'), (error) =>
    isFault(error, 'unavailable')
  )
})
