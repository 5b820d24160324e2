import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { isFault } from '../runtime/fault.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { systemRandom } from '../runtime/system-random.ts'
import { ConfiguredObjectStores, openObjectStore } from './configured-object-stores.ts'

const effects = { clock: systemClock, random: systemRandom }

async function inTemporaryFolder(work: (root: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'longhaul-stores-'))
  try {
    await work(root)
  } finally {
    await rm(root, { recursive: true })
  }
}

it('profiles keep their objects apart, the default comes first', () =>
  inTemporaryFolder(async (root) => {
    const url = (name: string) => pathToFileURL(join(root, name)).href
    const stores = await ConfiguredObjectStores.open({ eu: url('in eu'), default: url('main') }, effects)
    assert.deepEqual(stores.profiles(), ['default', 'eu'])
    await stores.store('eu').put('a', [Buffer.from('x')])
    assert.deepEqual((await readdir(join(root, 'in eu'))).sort(), ['a', '~incoming'])
    await assert.rejects(stores.store('default').get('a'), (error) => isFault(error, 'missing'))
    assert.equal(stores.store('eu').stats().putBytes, 1)
    await stores.close()
    await assert.rejects(stores.store('eu').get('a'), (error) => isFault(error, 'closed'))
  }))

it('an unknown profile is refused with the known ones', () =>
  inTemporaryFolder(async (root) => {
    const url = pathToFileURL(root).href
    const stores = await ConfiguredObjectStores.open({ default: url, eu: url }, effects)
    assert.throws(
      () => stores.store('us'),
      (error) => isFault(error, 'invalid') && /"us"; configured are default, eu/.test(error.message)
    )
    await stores.close()
  }))

it('without a default nothing opens', async () => {
  await assert.rejects(ConfiguredObjectStores.open({ eu: 'file:///nowhere' }, effects), (error) =>
    isFault(error, 'invalid')
  )
})

it('URLs that name no store are refused', async () => {
  for (const url of ['', 'http://bucket', '/data', 'file://host/data', 'file:data', 'file:///data?x=1', 's3://B']) {
    await assert.rejects(openObjectStore(url, effects), (error) => isFault(error, 'invalid'), url)
  }
})
