import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openDatabase } from '../metadata/open-database.ts'
import { isFault } from '../runtime/fault.ts'
import { seededRandom } from '../runtime/random.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { type DeviceRegistry, hashToken, newToken } from './device-registry.ts'
import { MemoryDeviceRegistry } from './memory-device-registry.ts'
import { SqlDeviceRegistry } from './sql-device-registry.ts'

function contract(name: string, use: (work: (registry: DeviceRegistry) => Promise<void>) => Promise<void>): void {
  test(`${name}: a device is known by its token and by nothing else`, () =>
    use(async (registry) => {
      const { device, token } = await registry.add({ id: 'truck-1', attributes: { region: 'eu' } })
      assert.match(token, /^lhd_[A-Za-z0-9_-]{43}$/)
      assert.deepEqual(await registry.authenticate(token), device)
      assert.equal(device.tenant, 'default')
      assert.equal(device.attributes.region, 'eu')
      for (const wrong of ['', 'truck-1', token.slice(0, -1), hashToken(token)]) {
        assert.equal(await registry.authenticate(wrong), undefined)
      }
    }))

  test(`${name}: an id is unique within its tenant`, () =>
    use(async (registry) => {
      await registry.add({ id: 'a' })
      await registry.add({ id: 'a', tenant: 'other' })
      await assert.rejects(registry.add({ id: 'a' }), (error) => isFault(error, 'conflict'))
      assert.equal((await registry.list()).length, 2)
      assert.deepEqual(
        (await registry.list('other')).map((d) => d.id),
        ['a']
      )
    }))

  test(`${name}: names that would break keys or topics are refused`, () =>
    use(async (registry) => {
      for (const id of ['', 'a/b', 'a b', '-a', 'x'.repeat(129), 'ü']) {
        await assert.rejects(registry.add({ id }), (error) => isFault(error, 'invalid'))
      }
    }))

  test(`${name}: disabling, renewing and removing end the token`, () =>
    use(async (registry) => {
      const { token } = await registry.add({ id: 'a' })
      await registry.authenticate(token)
      await registry.setEnabled('default', 'a', false)
      assert.equal(await registry.authenticate(token), undefined)
      await registry.setEnabled('default', 'a', true)
      assert.equal((await registry.authenticate(token))?.id, 'a')
      const renewed = await registry.renewToken('default', 'a')
      assert.equal(await registry.authenticate(token), undefined)
      assert.equal((await registry.authenticate(renewed.token))?.id, 'a')
      await registry.remove('default', 'a')
      assert.equal(await registry.authenticate(renewed.token), undefined)
      assert.equal(await registry.find('default', 'a'), undefined)
    }))

  test(`${name}: changing what is not there is a fault`, () =>
    use(async (registry) => {
      const calls = [
        registry.setEnabled('default', 'x', true),
        registry.renewToken('default', 'x'),
        registry.remove('default', 'x')
      ]
      for (const call of calls) await assert.rejects(call, (error) => isFault(error, 'missing'))
    }))
}

contract('memory', (work) => work(new MemoryDeviceRegistry(systemClock, seededRandom(1))))
contract('sql', async (work) => {
  const database = await openDatabase('sqlite::memory:')
  try {
    await work(new SqlDeviceRegistry(database, systemClock, seededRandom(1)))
  } finally {
    await database.close()
  }
})

test('a device that another process adds after a failed attempt is let in at once', async () => {
  const database = await openDatabase('sqlite::memory:')
  try {
    const gateway = new SqlDeviceRegistry(database, systemClock, seededRandom(1))
    const token = newToken(seededRandom(2))
    assert.equal(await gateway.authenticate(token), undefined)
    const elsewhere = new SqlDeviceRegistry(database, systemClock, seededRandom(2))
    assert.equal((await elsewhere.add({ id: 'a' })).token, token)
    assert.equal((await gateway.authenticate(token))?.id, 'a')
  } finally {
    await database.close()
  }
})

test('a device disabled by another process is locked out once the cache has aged', async () => {
  const database = await openDatabase('sqlite::memory:')
  try {
    let now = 0
    const clock = { ...systemClock, monotonic: () => now }
    const gateway = new SqlDeviceRegistry(database, clock, seededRandom(1), { cacheMs: 100 })
    const { token } = await gateway.add({ id: 'a' })
    assert.equal((await gateway.authenticate(token))?.id, 'a')
    await new SqlDeviceRegistry(database, clock, seededRandom(2)).setEnabled('default', 'a', false)
    now = 99
    assert.equal((await gateway.authenticate(token))?.id, 'a')
    now = 100
    assert.equal(await gateway.authenticate(token), undefined)
  } finally {
    await database.close()
  }
})

test('a crowd with one token costs one read', async () => {
  const database = await openDatabase('sqlite::memory:')
  try {
    let reads = 0
    const counting = new Proxy(database, {
      get(target, name) {
        const value = Reflect.get(target, name, target)
        if (name === 'read') reads++
        return typeof value === 'function' ? value.bind(target) : value
      }
    })
    const registry = new SqlDeviceRegistry(counting, systemClock, seededRandom(1))
    const { token } = await registry.add({ id: 'a' })
    await Promise.all(Array.from({ length: 50 }, () => registry.authenticate(token)))
    assert.equal(reads, 1)
  } finally {
    await database.close()
  }
})
