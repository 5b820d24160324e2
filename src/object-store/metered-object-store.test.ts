import assert from 'node:assert/strict'
import { it } from 'node:test'
import { isFault } from '../runtime/fault.ts'
import { pieces } from './compose-contract.ts'
import { MemoryObjectStore } from './memory-object-store.ts'
import { MeteredObjectStore } from './metered-object-store.ts'
import { listed, objectStoreContract } from './object-store-contract.ts'

const metered = () => new MeteredObjectStore({ store: new MemoryObjectStore() })

objectStoreContract('metered', async () => ({ store: metered(), cleanUp: async () => {} }))

it('counts calls when they begin and bytes when they succeed', async () => {
  const store = metered()
  await store.put('a', [Buffer.from('12'), Buffer.from('345')])
  await store.put('b', [Buffer.from('6')], { ifAbsent: true })
  await assert.rejects(store.put('b', [Buffer.from('789')], { ifAbsent: true }), (error) => isFault(error, 'conflict'))
  await store.get('a', { start: 1, end: 3 })
  await store.get('a')
  await store.head('a')
  const ranges = [1, 2].map((end) => ({ key: 'a', range: { start: 0, end } }))
  await store.compose('c', pieces(...ranges, { parts: [Buffer.from('x'), Buffer.from('yz!')] }))
  await store.delete(['a', 'b'])
  assert.deepEqual(store.stats(), {
    puts: 3,
    putBytes: 6,
    composes: 1,
    composedBytes: 4,
    copiedBytes: 3,
    gets: 2,
    getBytes: 7,
    heads: 1,
    lists: 0,
    deletes: 1,
    deletedKeys: 2,
    failures: 1,
    requests: undefined
  })
})

it('counts lists and deletes by the thousand, as S3 takes them', async () => {
  const store = metered()
  const keys = Array.from({ length: 2001 }, (_, index) => `k${index}`)
  await listed(store, '')
  assert.equal(store.stats().lists, 1)
  for (const key of keys.slice(0, 1000)) await store.put(key, [])
  await listed(store, '')
  assert.equal(store.stats().lists, 2)
  for (const key of keys.slice(1000)) await store.put(key, [])
  await listed(store, '')
  assert.equal(store.stats().lists, 5)
  await store.delete(keys)
  assert.equal(store.stats().deletes, 3)
})

it('shows the requests of a store that counts them, as they are at that moment', () => {
  const counts = { put: 1 }
  const store = new MeteredObjectStore({ store: new MemoryObjectStore(), requests: () => counts })
  const before = store.stats()
  counts.put = 5
  assert.deepEqual([before.requests, store.stats().requests], [{ put: 1 }, { put: 5 }])
})
