/**
 * What every object store must do. Called by the test file of each implementation with a way to open an empty store.
 */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { type FaultKind, isFault } from '../runtime/fault.ts'
import { seededRandom } from '../runtime/random.ts'
import { composeContract, pieces } from './compose-contract.ts'
import type { ObjectInfo, ObjectStore } from './object-store.ts'

export interface OpenedStore {
  readonly store: ObjectStore
  /** Removes what the store left on the machine. */
  cleanUp(): Promise<void>
}

export interface ContractExceptions {
  /** See `composeContract`. */
  readonly copiesWhatThereIs?: boolean
}

export function objectStoreContract(
  name: string,
  open: () => Promise<OpenedStore>,
  exceptions: ContractExceptions = {}
): void {
  describe(`object store contract: ${name}`, () => {
    let opened: OpenedStore
    const current = () => opened.store
    beforeEach(async () => {
      opened = await open()
    })
    afterEach(async () => {
      await opened.store.close()
      await opened.cleanUp()
    })
    putAndGet(current)
    ranges(current)
    conditionalPuts(current)
    composeContract(current, exceptions.copiesWhatThereIs ?? false)
    lists(current)
    deletes(current)
    badKeys(current)
  })
}

function putAndGet(store: () => ObjectStore): void {
  it('gives back the concatenation of the parts that were put', async () => {
    await store().put('a/b/c.bin', [Buffer.from('one'), Buffer.alloc(0), Buffer.from('two')])
    assert.equal((await store().get('a/b/c.bin')).toString(), 'onetwo')
    assert.deepEqual(await store().head('a/b/c.bin'), { key: 'a/b/c.bin', size: 6 })
  })

  it('stores an object without bytes', async () => {
    await store().put('empty', [])
    assert.equal((await store().get('empty')).length, 0)
    assert.equal((await store().head('empty')).size, 0)
  })

  it('stores more parts than one vectored write takes', async () => {
    const parts = Array.from({ length: 5000 }, (_, index) => Buffer.from(`${index},`))
    await store().put('many', parts)
    assert.deepEqual(await store().get('many'), Buffer.concat(parts))
  })

  it('stores megabytes unchanged', async () => {
    const large = Buffer.alloc(9 * 1024 * 1024 + 13, seededRandom(1).bytes(4099))
    await store().put('large', [large.subarray(0, 100), large.subarray(100)])
    assert.ok(large.equals(await store().get('large')))
  })

  it('replaces an object, and a reader sees the old or the new one, never a mixture', async () => {
    const versions = ['x', 'y', 'z'].map((letter) => Buffer.alloc(300_000, letter))
    await store().put('versions', versions.slice(0, 1))
    const reads: Promise<Buffer>[] = []
    for (const version of versions) {
      const put = store().put('versions', [version])
      for (let i = 0; i < 5; i++) reads.push(store().get('versions'))
      await put
    }
    for (const read of await Promise.all(reads)) assert.ok(versions.some((version) => version.equals(read)))
    assert.ok(versions[2]?.equals(await store().get('versions')))
  })
}

function ranges(store: () => ObjectStore): void {
  it('reads exactly the range that was asked for', async () => {
    await store().put('digits', [Buffer.from('0123456789')])
    assert.equal((await store().get('digits', { start: 0, end: 1 })).toString(), '0')
    assert.equal((await store().get('digits', { start: 3, end: 7 })).toString(), '3456')
    assert.equal((await store().get('digits', { start: 0, end: 10 })).toString(), '0123456789')
  })

  it('refuses ranges that are empty, negative, broken or beyond the end', async () => {
    await store().put('digits', [Buffer.from('0123456789')])
    for (const [start, end] of [
      [0, 11],
      [10, 11],
      [100, 200],
      [5, 5],
      [6, 3],
      [-1, 3],
      [0.5, 3],
      [0, Number.NaN]
    ] as const) {
      await rejects('invalid', store().get('digits', { start, end }))
    }
  })

  it('says so when an object does not exist', async () => {
    await rejects('missing', store().get('nothing'))
    await rejects('missing', store().get('no/thing', { start: 0, end: 1 }))
    await rejects('missing', store().head('nothing'))
    await store().put('folder/object', [Buffer.from('x')])
    await rejects('missing', store().get('folder'))
    await rejects('missing', store().head('folder'))
    await rejects('missing', store().get('folder/object/below'))
  })
}

function conditionalPuts(store: () => ObjectStore): void {
  it('refuses to replace an object when asked for its absence', async () => {
    await store().put('once', [Buffer.from('first')], { ifAbsent: true })
    await rejects('conflict', store().put('once', [Buffer.from('second')], { ifAbsent: true }))
    assert.equal((await store().get('once')).toString(), 'first')
    await store().delete(['once'])
    await store().put('once', [Buffer.from('third')], { ifAbsent: true })
    assert.equal((await store().get('once')).toString(), 'third')
  })

  it('lets exactly one of many concurrent writers create an object', async () => {
    const writers = Array.from({ length: 12 }, (_, index) => Buffer.alloc(50_000, `${index % 10}`))
    const results = await Promise.allSettled(
      writers.map((bytes) => store().put('fence/0001', [bytes], { ifAbsent: true }))
    )
    const winners = writers.filter((_, index) => results[index]?.status === 'fulfilled')
    assert.equal(winners.length, 1)
    assert.ok(winners[0]?.equals(await store().get('fence/0001')))
    for (const result of results) {
      if (result.status === 'rejected') assert.ok(isFault(result.reason, 'conflict'), String(result.reason))
    }
  })
}

function lists(store: () => ObjectStore): void {
  const keys = ['a', 'b/1', 'b/10', 'b/2', 'b-1', 'b/c/d', 'b.x', 'bb', 'c/B', 'c/a', 'c/_', 'z']

  it('lists objects with their sizes in key order', async () => {
    for (const key of [...keys].reverse()) await store().put(key, [Buffer.from(key)])
    const expected = [...keys].sort().map((key) => ({ key, size: key.length }))
    assert.deepEqual(await listed(store(), ''), expected)
  })

  it('lists by any prefix, also one that ends inside a segment', async () => {
    for (const key of keys) await store().put(key, [])
    const found = async (prefix: string) => (await listed(store(), prefix)).map((object) => object.key)
    for (const prefix of ['b', 'b/', 'b/1', 'b/c/', 'c', 'c/a', 'nothing', 'b/nothing/', 'z']) {
      assert.deepEqual(await found(prefix), keys.filter((key) => key.startsWith(prefix)).sort(), prefix)
    }
  })

  it('lists nothing in an empty store', async () => {
    assert.deepEqual(await listed(store(), ''), [])
  })

  it('refuses prefixes that leave the store', async () => {
    await rejects('invalid', listed(store(), '../'))
    await rejects('invalid', listed(store(), '/etc/'))
  })
}

function deletes(store: () => ObjectStore): void {
  it('deletes objects, and those that do not exist count as deleted', async () => {
    for (const key of ['d/1', 'd/2', 'd/e/3']) await store().put(key, [Buffer.from(key)])
    await store().delete(['d/1', 'd/e/3', 'd/nothing', 'nowhere/at/all', 'd/e'])
    assert.deepEqual(
      (await listed(store(), '')).map((object) => object.key),
      ['d/2']
    )
    await rejects('missing', store().get('d/1'))
    await store().delete([])
  })

  it('creates objects below a folder whose last object is being deleted', async () => {
    for (let round = 0; round < 20; round++) {
      await store().put(`e/f/${round}`, [Buffer.from('x')])
      await Promise.all([
        store().delete([`e/f/${round}`]),
        store().put(`e/f/g/${round}`, [Buffer.from('y')]),
        putAbsent(store(), `e/f/h-${round}`, [Buffer.from('y')])
      ])
      assert.equal((await listed(store(), 'e/')).length, 2)
      await store().delete([`e/f/g/${round}`, `e/f/h-${round}`])
      assert.equal((await listed(store(), '')).length, 0)
    }
  })

  it('answers no call after it was closed', async () => {
    await store().close()
    await rejects('closed', store().put('k', []))
    await rejects('closed', store().compose('k', pieces()))
    await rejects('closed', store().get('k'))
    await rejects('closed', store().head('k'))
    await rejects('closed', listed(store(), ''))
    await rejects('closed', store().delete(['k']))
  })
}

function badKeys(store: () => ObjectStore): void {
  it('refuses keys that could leave the store or that not every store can hold', async () => {
    const bad = ['', '/', '/a', 'a/', 'a//b', '.', '..', '../a', 'a/../b', 'a/./b', 'a\\b', 'a\0b', 'a b', 'ä', '~a']
    for (const key of [...bad, 'a\nb', 'x'.repeat(256), `${'x/'.repeat(600)}x`]) {
      await rejects('invalid', store().put(key, [Buffer.from('x')]))
      await rejects('invalid', store().compose(key, pieces()))
      await rejects('invalid', store().get(key))
      await rejects('invalid', store().head(key))
      await rejects('invalid', store().delete([key]))
    }
    assert.deepEqual(await listed(store(), ''), [])
  })

  it('takes every character that keys may have', async () => {
    const key = "AZaz09/!_.*'()=,:@&+$-/.hidden/...".concat('/', 'x'.repeat(255))
    await store().put(key, [Buffer.from('x')])
    assert.deepEqual(await listed(store(), 'AZ'), [{ key, size: 1 }])
  })
}

/** As whoever puts with `ifAbsent` must: `unavailable` leaves open whether the object is there, so ask again and look. */
async function putAbsent(store: ObjectStore, key: string, parts: readonly Buffer[]): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await store.put(key, parts, { ifAbsent: true })
      return
    } catch (error) {
      if (attempt > 1 && isFault(error, 'conflict') && (await store.get(key)).equals(Buffer.concat(parts))) return
      if (attempt === 5 || !isFault(error, 'unavailable')) throw error
    }
  }
}

export async function listed(store: ObjectStore, prefix: string): Promise<ObjectInfo[]> {
  const objects: ObjectInfo[] = []
  for await (const object of store.list(prefix)) objects.push(object)
  return objects
}

async function rejects(kind: FaultKind, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isFault(error, kind), `expected a Fault of kind ${kind}, got ${error}`)
    return true
  })
}
