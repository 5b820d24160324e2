import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { quotaEntityKey } from '../../metadata/client-quotas.ts'
import type { QuotaEntity } from '../../metadata/metadata.ts'
import { QuotaBook } from './quota-book.ts'

const QUOTA = 'producer_byte_rate'

/** From the most specific on, as Kafka documents it. */
const ORDER: readonly QuotaEntity[] = [
  { user: 'u', 'client-id': 'c' },
  { user: 'u', 'client-id': null },
  { user: 'u' },
  { user: null, 'client-id': 'c' },
  { user: null, 'client-id': null },
  { user: null },
  { 'client-id': 'c' },
  { 'client-id': null }
]

function book(...quotas: (readonly [QuotaEntity, Record<string, number>])[]): QuotaBook {
  return new QuotaBook(new Map(quotas.map(([entity, values]) => [quotaEntityKey(entity), { entity, values }])))
}

describe('quota book', () => {
  it('the most specific entity wins, whichever quotas there are', () => {
    fc.assert(
      fc.property(fc.subarray([0, 1, 2, 3, 4, 5, 6, 7]), (set) => {
        const quotas = book(...set.map((index) => [ORDER[index] ?? {}, { [QUOTA]: index + 1 }] as const))
        const expected = set.length === 0 ? undefined : Math.min(...set) + 1
        assert.equal(quotas.limitOf(QUOTA, { user: 'u', clientId: 'c' })?.perSecond, expected)
      })
    )
  })

  it('a quota of one name does not hide one of another', () => {
    const quotas = book(
      [{ user: 'u', 'client-id': 'c' }, { consumer_byte_rate: 5 }],
      [{ 'client-id': null }, { [QUOTA]: 9 }]
    )
    assert.equal(quotas.limitOf(QUOTA, { user: 'u', clientId: 'c' })?.perSecond, 9)
    assert.equal(quotas.limitOf('consumer_byte_rate', { user: 'u', clientId: 'c' })?.perSecond, 5)
    assert.equal(quotas.limitOf('request_percentage', { user: 'u', clientId: 'c' }), undefined)
    assert.deepEqual([quotas.isEmpty, quotas.has('request_percentage'), book().isEmpty], [false, false, true])
  })

  it('a default is an allowance for each, a quota of a user is one for all its clients', () => {
    const shares = (entity: QuotaEntity, ...clients: [string, string][]) => {
      const quotas = book([entity, { [QUOTA]: 1 }])
      return new Set(clients.map(([user, clientId]) => quotas.limitOf(QUOTA, { user, clientId })?.share)).size
    }
    assert.equal(shares({ user: 'u' }, ['u', 'a'], ['u', 'b'], ['u', '']), 1)
    assert.equal(shares({ user: null }, ['u', 'a'], ['u', 'b'], ['v', 'a']), 2)
    assert.equal(shares({ 'client-id': null }, ['u', 'a'], ['v', 'a'], ['u', 'b']), 2)
    assert.equal(shares({ user: null, 'client-id': null }, ['u', 'a'], ['v', 'a'], ['u', 'b']), 3)
  })

  it('a client without an id has no quota of clients', () => {
    const quotas = book([{ 'client-id': null }, { [QUOTA]: 1 }], [{ user: null, 'client-id': null }, { [QUOTA]: 2 }])
    assert.equal(quotas.limitOf(QUOTA, { user: 'u', clientId: '' }), undefined)
    assert.equal(book([{ user: 'u' }, { [QUOTA]: 3 }]).limitOf(QUOTA, { user: 'u', clientId: '' })?.perSecond, 3)
  })

  it('an address has its own rate of connections, or the default for itself', () => {
    const quotas = book(
      [{ ip: '10.0.0.1' }, { connection_creation_rate: 3 }],
      [{ ip: null }, { connection_creation_rate: 8 }]
    )
    assert.equal(quotas.limitOfAddress('10.0.0.1')?.perSecond, 3)
    assert.equal(quotas.limitOfAddress('10.0.0.2')?.perSecond, 8)
    assert.notEqual(quotas.limitOfAddress('10.0.0.2')?.share, quotas.limitOfAddress('10.0.0.3')?.share)
    assert.equal(book().limitOfAddress('10.0.0.1'), undefined)
  })

  it('names with any characters stay apart', () => {
    const quotas = book([{ user: 'a","client-id":"b' }, { [QUOTA]: 1 }])
    assert.equal(quotas.limitOf(QUOTA, { user: 'a', clientId: 'b' }), undefined)
    assert.equal(quotas.limitOf(QUOTA, { user: 'a","client-id":"b', clientId: 'x' })?.perSecond, 1)
  })
})
