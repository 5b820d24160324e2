/** The S3 store against a real server: the contract of every store, and what only a server can show. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { isFault } from '../runtime/fault.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { systemRandom } from '../runtime/system-random.ts'
import { requireConditionalPut } from './conditional-put-probe.ts'
import { openObjectStore } from './configured-object-stores.ts'
import { type ContractExceptions, listed, objectStoreContract } from './object-store-contract.ts'
import type { S3Credentials } from './s3-client.ts'
import {
  findS3Servers,
  locationIn,
  NO_S3_SERVER,
  type S3Server,
  type S3ServerName,
  startS3Server
} from './s3-server-fixture.ts'

export interface S3ServerExceptions extends ContractExceptions {
  /** The server lets everybody in. */
  readonly ignoresCredentials?: boolean
}

export function s3ServerContract(name: S3ServerName, exceptions: S3ServerExceptions = {}): void {
  const program = findS3Servers().find((found) => found.name === name)
  const skip = program === undefined ? NO_S3_SERVER : false
  describe(`S3 store on ${name}`, { skip }, () => {
    let server: S3Server
    let stores = 0
    before(async () => {
      server = await startS3Server(program)
    })
    after(() => server.stop())
    const open = (prefix: string, credentials = server.credentials) =>
      openObjectStore(locationIn(server, prefix), { clock: systemClock, random: systemRandom, credentials })

    objectStoreContract(
      `S3 on ${name}`,
      async () => {
        stores++
        return { store: await open(`contract/${stores}`), cleanUp: async () => {} }
      },
      exceptions
    )

    it('it keeps the condition of conditional puts', async () => {
      const store = await open('probe')
      await requireConditionalPut(store, systemRandom, server.url)
      assert.deepEqual(await listed(store, ''), [])
      await store.close()
    })

    it('stores below different prefixes of a bucket do not see each other', async () => {
      const stores = [await open('tenants/a'), await open('tenants/ab')] as const
      for (const store of stores) await store.put('key', [Buffer.from('x')])
      await stores[0].delete(['key'])
      assert.deepEqual(await listed(stores[0], ''), [])
      assert.deepEqual(await listed(stores[1], ''), [{ key: 'key', size: 1 }])
      for (const store of stores) await store.close()
    })

    it('a large copy moves no byte through this process', async () => {
      const store = await open('copy')
      const bytes = 12 * 1024 * 1024
      await store.put('from', [Buffer.alloc(bytes)])
      const range = { start: 0, end: bytes }
      async function* whole() {
        yield { key: 'from', range }
      }
      await store.compose('to', whole())
      const { put, get, copy, multipart } = store.stats().requests ?? {}
      assert.deepEqual({ put, get, copy, multipart }, { put: 1, get: 0, copy: 1, multipart: 2 })
      await store.close()
    })

    it('a bucket that does not exist is refused with what to do', () =>
      rejects(/create the bucket/, useOf(server.url.replace('longhaul-test', 'no-such-bucket'), server.credentials)))

    it('a wrong secret is refused with the setting to change', { skip: exceptions.ignoresCredentials ?? false }, () =>
      rejects(/AWS_SECRET_ACCESS_KEY/, useOf(server.url, { ...server.credentials, secretAccessKey: 'wrong' }))
    )
  })
}

async function useOf(url: string, credentials: S3Credentials): Promise<void> {
  const store = await openObjectStore(url, { clock: systemClock, random: systemRandom, credentials })
  try {
    await store.put('a', [Buffer.from('x')])
  } finally {
    await store.close()
  }
}

async function rejects(message: RegExp, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => isFault(error, 'invalid') && message.test(error.message))
}
