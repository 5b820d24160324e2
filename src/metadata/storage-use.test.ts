import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openDatabase } from './open-database.ts'
import { addStorageUse, loadStorageUse } from './storage-use.ts'

test('what nodes counted adds up by profile', async () => {
  const database = await openDatabase('sqlite::memory:')
  assert.deepEqual(await loadStorageUse(database), new Map())
  await addStorageUse(database, 1, 'default', { puts: 2, gets: 1 })
  await addStorageUse(database, 1, 'default', { puts: 3 })
  await addStorageUse(database, 2, 'default', { puts: 10 })
  await addStorageUse(database, 2, 'eu', { puts: 2 ** 50 })
  await addStorageUse(database, 2, 'eu', {})
  const expected = new Map([
    ['default', { puts: 15, gets: 1 }],
    ['eu', { puts: 2 ** 50 }]
  ])
  assert.deepEqual(await loadStorageUse(database), expected)
  await database.close()
})
