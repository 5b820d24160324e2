import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Clock } from '../runtime/clock.ts'
import { isFault } from '../runtime/fault.ts'
import { seededRandom } from '../runtime/random.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { FaultyObjectStore } from './faulty-object-store.ts'
import { MemoryObjectStore } from './memory-object-store.ts'
import { listed, objectStoreContract } from './object-store-contract.ts'

function faultyStore(seed = 1, clock: Clock = systemClock) {
  const inner = new MemoryObjectStore()
  return { inner, faulty: new FaultyObjectStore({ store: inner, random: seededRandom(seed), clock }) }
}

objectStoreContract('faulty, with its faults off', async () => ({
  store: faultyStore().faulty,
  cleanUp: async () => {}
}))

it('an outage fails every call without effect until it ends', async () => {
  const { inner, faulty } = faultyStore()
  await faulty.put('kept', [Buffer.from('x')])
  faulty.faults.outage = true
  for (const call of [
    faulty.put('new', []),
    faulty.get('kept'),
    faulty.head('kept'),
    listed(faulty, ''),
    faulty.delete(['kept'])
  ]) {
    await assert.rejects(call, (error) => isFault(error, 'unavailable'))
  }
  assert.deepEqual(await listed(inner, ''), [{ key: 'kept', size: 1 }])
  faulty.faults.outage = false
  await faulty.put('new', [])
  assert.equal((await listed(faulty, '')).length, 2)
})

it('an error before the effect leaves nothing, an error after it leaves the object', async () => {
  const { inner, faulty } = faultyStore()
  faulty.faults.errorsBefore = 1
  await assert.rejects(faulty.put('before', []), (error) => isFault(error, 'unavailable'))
  faulty.faults.errorsBefore = 0
  faulty.faults.errorsAfter = 1
  await assert.rejects(faulty.put('after', []), (error) => isFault(error, 'unavailable'))
  assert.deepEqual(await listed(inner, ''), [{ key: 'after', size: 0 }])
})

it('the same seed gives the same faults, another seed others', async () => {
  const outcomes = async (seed: number) => {
    const { faulty } = faultyStore(seed)
    faulty.faults.errorsBefore = 0.2
    faulty.faults.errorsAfter = 0.2
    const results = await Promise.allSettled(Array.from({ length: 200 }, (_, index) => faulty.put(`k${index}`, [])))
    return results.map((result) => (result.status === 'rejected' ? String(result.reason) : 'stored'))
  }
  const first = await outcomes(7)
  assert.deepEqual(await outcomes(7), first)
  assert.notDeepEqual(await outcomes(8), first)
  const failed = first.filter((outcome) => outcome !== 'stored').length
  assert.ok(failed > 40 && failed < 110, `${failed} of 200 calls failed`)
})

it('latency passes on the injected clock', async () => {
  const delays: number[] = []
  const clock: Clock = {
    ...systemClock,
    after(delayMs, callback) {
      delays.push(delayMs)
      queueMicrotask(callback)
      return () => {}
    }
  }
  const { faulty } = faultyStore(1, clock)
  faulty.faults.latencyMs = { min: 20, max: 30 }
  for (let i = 0; i < 50; i++) await faulty.put(`k${i}`, [])
  assert.equal(delays.length, 50)
  assert.ok(delays.every((delay) => delay >= 20 && delay < 30))
  assert.ok(new Set(delays).size > 10)
})
