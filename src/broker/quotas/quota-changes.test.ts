import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ErrorCode } from '../../wire/error-codes.ts'
import { entityProblem, filterProblem, matchesFilter, valueProblem } from './quota-changes.ts'

const EXACT = 0
const DEFAULT = 1
const SPECIFIED = 2

describe('client quota changes', () => {
  it('a quota is for a user, a client id, both, or an address', () => {
    for (const entity of [
      { user: 'u' },
      { user: null },
      { 'client-id': 'c' },
      { user: 'u', 'client-id': null },
      { ip: '1.2.3.4' },
      { ip: '::1' },
      { ip: null }
    ]) {
      assert.equal(entityProblem(entity), undefined, JSON.stringify(entity))
    }
    for (const entity of [
      {},
      { group: 'g' },
      { user: '' },
      { user: 'x'.repeat(256) },
      { ip: '1.2.3.4', user: 'u' },
      { ip: null, 'client-id': null },
      { ip: 'not an address' },
      { ip: '1.2.3' }
    ]) {
      assert.ok(entityProblem(entity), JSON.stringify(entity))
    }
  })

  it('each quota belongs to its entities and has values of its type', () => {
    const legal: [object, string, number][] = [
      [{ user: 'u' }, 'producer_byte_rate', 1],
      [{ user: 'u' }, 'consumer_byte_rate', 1e15],
      [{ user: 'u' }, 'request_percentage', 0.01],
      [{ 'client-id': null }, 'controller_mutation_rate', 0.5],
      [{ ip: null }, 'connection_creation_rate', 2 ** 31 - 1]
    ]
    for (const [entity, quota, value] of legal) {
      assert.equal(valueProblem(entity as Record<string, string>, quota, value), undefined, quota)
    }
    const illegal: [object, string, number][] = [
      [{ user: 'u' }, 'connection_creation_rate', 1],
      [{ ip: null }, 'producer_byte_rate', 1],
      [{ user: 'u' }, 'no_such_quota', 1],
      [{ user: 'u' }, 'producer_byte_rate', 0],
      [{ user: 'u' }, 'producer_byte_rate', -5],
      [{ user: 'u' }, 'producer_byte_rate', Number.NaN],
      [{ user: 'u' }, 'producer_byte_rate', 1.5],
      [{ user: 'u' }, 'producer_byte_rate', 1e19],
      [{ ip: null }, 'connection_creation_rate', 2 ** 31]
    ]
    for (const [entity, quota, value] of illegal) {
      assert.ok(valueProblem(entity as Record<string, string>, quota, value), `${quota} ${value}`)
    }
  })

  it('a filter names each entity type once, with a name only for an exact match', () => {
    const code = (...components: [string, number, string | null][]) =>
      filterProblem(components.map(([entityType, matchType, match]) => ({ entityType, matchType, match })))?.errorCode
    assert.equal(code(), undefined)
    assert.equal(code(['user', EXACT, 'u'], ['client-id', SPECIFIED, null]), undefined)
    assert.equal(code(['ip', DEFAULT, null]), undefined)
    assert.equal(code(['group', EXACT, 'g']), ErrorCode.UNSUPPORTED_VERSION)
    for (const bad of [
      [['', EXACT, 'u']],
      [
        ['user', EXACT, 'u'],
        ['user', DEFAULT, null]
      ],
      [['user', EXACT, null]],
      [['user', DEFAULT, 'u']],
      [['user', SPECIFIED, 'u']],
      [['user', 3, null]],
      [
        ['ip', EXACT, '1.2.3.4'],
        ['user', SPECIFIED, null]
      ]
    ] as [string, number, string | null][][]) {
      assert.equal(code(...bad), ErrorCode.INVALID_REQUEST, JSON.stringify(bad))
    }
  })

  it('a strict filter matches entities of exactly its types, another those that have more', () => {
    const quota = { entity: { user: 'u', 'client-id': null }, values: { producer_byte_rate: 1 } }
    const user = { entityType: 'user', matchType: EXACT, match: 'u' }
    const anyClient = { entityType: 'client-id', matchType: SPECIFIED, match: null }
    const defaultClient = { entityType: 'client-id', matchType: DEFAULT, match: null }
    const otherClient = { entityType: 'client-id', matchType: EXACT, match: 'c' }
    assert.equal(matchesFilter(quota, [user], false), true)
    assert.equal(matchesFilter(quota, [user], true), false)
    assert.equal(matchesFilter(quota, [user, anyClient], true), true)
    assert.equal(matchesFilter(quota, [user, defaultClient], true), true)
    assert.equal(matchesFilter(quota, [user, otherClient], false), false)
    assert.equal(matchesFilter(quota, [], false), true)
    assert.equal(matchesFilter(quota, [], true), false)
    assert.equal(matchesFilter(quota, [{ entityType: 'ip', matchType: SPECIFIED, match: null }], false), false)
  })
})
