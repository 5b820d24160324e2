import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFault } from '../runtime/fault.ts'
import { MemoryObjectStore } from './memory-object-store.ts'
import { claimStore } from './store-owner.ts'

const claim = (store: MemoryObjectStore, clusterId: string, known?: string) =>
  claimStore({ store, name: 's3://bucket/p', clusterId, known })

test('the first cluster gets a place, keeps it, and no other gets it', async () => {
  const store = new MemoryObjectStore()
  await claim(store, 'one')
  await claim(store, 'one')
  await assert.rejects(claim(store, 'two'), (error) => {
    assert.ok(isFault(error, 'invalid'))
    assert.match(error.message, /s3:\/\/bucket\/p belongs to another cluster \(one; this one is two\)/)
    return true
  })
})

test('of two clusters that come at the same time one gets the place', async () => {
  const store = new MemoryObjectStore()
  const results = await Promise.allSettled(['one', 'two', 'three'].map((id) => claim(store, id)))
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
})

test('a place without the objects that the cluster has stored is the wrong one', async () => {
  const store = new MemoryObjectStore()
  await assert.rejects(claim(store, 'one', 'objects/00/1'), (error) => isFault(error, 'invalid'))
  // As stored by a version that did not claim places yet.
  await store.put('objects/00/1', [])
  await claim(store, 'one', 'objects/00/1')
  await assert.rejects(claim(store, 'two'), (error) => isFault(error, 'invalid'))
})

test('a place that was claimed before cannot be without an owner', async () => {
  const claimed = { name: 's3://bucket/p', clusterId: 'one', known: undefined, isClaimed: true }
  await assert.rejects(claimStore({ store: new MemoryObjectStore(), ...claimed }), (error) => isFault(error, 'invalid'))
})
