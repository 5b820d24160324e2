import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { isFault } from '../runtime/fault.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { systemRandom } from '../runtime/system-random.ts'
import { DirectoryObjectStore } from './directory-object-store.ts'
import { listed, objectStoreContract } from './object-store-contract.ts'

const openIn = (root: string) => DirectoryObjectStore.open({ root, clock: systemClock, random: systemRandom })

objectStoreContract('directory', async () => {
  const root = await mkdtemp(join(tmpdir(), 'longhaul-objects-'))
  return { store: await openIn(root), cleanUp: () => rm(root, { recursive: true }) }
})

async function inTemporaryFolder(work: (root: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'longhaul-objects-'))
  try {
    await work(root)
  } finally {
    await rm(root, { recursive: true })
  }
}

it('objects survive closing and opening the directory again', () =>
  inTemporaryFolder(async (root) => {
    const first = await openIn(join(root, 'not/there/yet'))
    await first.put('a/b', [Buffer.from('kept')])
    await first.close()
    const second = await openIn(join(root, 'not/there/yet'))
    assert.equal((await second.get('a/b')).toString(), 'kept')
  }))

it('opening removes what a crashed writer left, not what a living one writes, and lists neither', () =>
  inTemporaryFolder(async (root) => {
    const store = await openIn(root)
    await store.put('kept', [Buffer.from('kept')])
    const old = join(root, '~incoming', 'old')
    await writeFile(old, 'half an obj')
    await writeFile(join(root, '~incoming', 'young'), 'half an obj')
    const anHourAgo = systemClock.now() / 1000 - 3600
    await utimes(old, anHourAgo, anHourAgo)
    const again = await openIn(root)
    assert.deepEqual(await readdir(join(root, '~incoming')), ['young'])
    assert.deepEqual(await listed(again, ''), [{ key: 'kept', size: 4 }])
  }))

it('puts leave no temporary file behind, whether they succeed or not', () =>
  inTemporaryFolder(async (root) => {
    const store = await openIn(root)
    await store.put('a', [Buffer.from('x')], { ifAbsent: true })
    await assert.rejects(store.put('a', [Buffer.from('x')], { ifAbsent: true }))
    await assert.rejects(store.put('a/b', [Buffer.from('x')]), (error) => isFault(error, 'invalid'))
    await store.put('c/d', [Buffer.from('x')])
    await assert.rejects(store.put('c', [Buffer.from('x')]), (error) => isFault(error, 'invalid'))
    assert.deepEqual(await readdir(join(root, '~incoming')), [])
  }))

it('folders disappear with their last object', () =>
  inTemporaryFolder(async (root) => {
    const store = await openIn(root)
    await store.put('x/y/z', [])
    await store.delete(['x/y/z'])
    assert.deepEqual(await readdir(root), ['~incoming'])
  }))
