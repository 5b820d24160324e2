import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Clock } from '../runtime/clock.ts'
import { isFault } from '../runtime/fault.ts'
import { seededRandom } from '../runtime/random.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { pieces } from './compose-contract.ts'
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

it('throttling refuses a share of the calls without effect', async () => {
  const { inner, faulty } = faultyStore()
  faulty.faults.throttling = 0.3
  const results = await Promise.allSettled(Array.from({ length: 200 }, (_, index) => faulty.put(`k${index}`, [])))
  const refused = results.filter((result) => result.status === 'rejected')
  assert.ok(refused.length > 30 && refused.length < 90, `${refused.length} of 200 calls were refused`)
  for (const { reason } of refused) assert.ok(isFault(reason, 'unavailable') && /SlowDown/.test(reason.message))
  assert.equal((await listed(inner, '')).length, 200 - refused.length)
})

it('a stale list is the list of an earlier moment, and reads are never stale', async () => {
  const { faulty } = faultyStore(3)
  const moments: string[] = []
  const moment = async () => moments.push(JSON.stringify(await listed(faulty, 'a/')))
  await moment()
  for (let round = 0; round < 5; round++) {
    await faulty.put(`a/${round}`, [Buffer.alloc(round)])
    await moment()
    await faulty.put('b', [])
    if (round % 2 === 1) {
      await faulty.delete([`a/${round}`])
      await moment()
    }
  }
  await faulty.put('a/0', [Buffer.alloc(9)])
  const now = JSON.stringify(await listed(faulty, 'a/'))
  faulty.faults.staleLists = 1
  const seen = new Set<string>()
  for (let i = 0; i < 100; i++) seen.add(JSON.stringify(await listed(faulty, 'a/')))
  assert.ok(seen.size > 3, `${seen.size} different lists`)
  for (const list of seen) assert.ok(list === now || moments.includes(list), list)
  assert.equal((await faulty.get('a/0')).length, 9)
})

it('calls that are held begin only when they are released', async () => {
  const { inner, faulty } = faultyStore()
  const release = faulty.hold((call) => call.startsWith('put a'))
  const held = faulty.put('a', [])
  await faulty.put('b', [])
  assert.deepEqual(await listed(inner, ''), [{ key: 'b', size: 0 }])
  release()
  await held
  assert.equal((await listed(inner, '')).length, 2)
})

it('composing suffers like putting', async () => {
  const { inner, faulty } = faultyStore()
  faulty.faults.errorsAfter = 1
  await assert.rejects(faulty.compose('after', pieces()), (error) => isFault(error, 'unavailable'))
  assert.deepEqual(await listed(inner, ''), [{ key: 'after', size: 0 }])
  faulty.faults.outage = true
  await assert.rejects(faulty.compose('outage', pieces()), (error) => isFault(error, 'unavailable'))
  assert.equal((await listed(inner, '')).length, 1)
})
