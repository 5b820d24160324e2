import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isWorthAnotherTry, PostgresFailure, type PostgresStage, postgresFault } from './postgres-faults.ts'

const failure = (code: string | undefined, stage: PostgresStage = 'statement', message = 'it broke') =>
  new PostgresFailure(stage, Object.assign(new Error(message), code === undefined ? {} : { code }))

test('every SQLSTATE of the table means its kind of fault, with a remedy, and may be tried again or not', () => {
  const cases: readonly (readonly [code: string | undefined, kind: string, again: boolean])[] = [
    ['40001', 'unavailable', true],
    ['40P01', 'unavailable', true],
    ['08006', 'unavailable', true],
    ['57P01', 'unavailable', true],
    ['57P03', 'unavailable', true],
    ['25P03', 'unavailable', true],
    ['25006', 'unavailable', true],
    ['ECONNREFUSED', 'unavailable', true],
    ['EPIPE', 'unavailable', true],
    [undefined, 'unavailable', true],
    ['55P03', 'unavailable', false],
    ['57014', 'unavailable', false],
    ['53100', 'unavailable', false],
    ['53300', 'unavailable', false],
    ['58030', 'unavailable', false],
    ['28P01', 'invalid', false],
    ['28000', 'invalid', false],
    ['3D000', 'invalid', false],
    ['42501', 'invalid', false],
    ['22021', 'invalid', false],
    ['57P04', 'invalid', false],
    ['CERT_HAS_EXPIRED', 'invalid', false],
    ['XX001', 'corrupt', false]
  ]
  for (const [code, kind, again] of cases) {
    const error = failure(code)
    const fault = postgresFault('postgres://h/x', error)
    assert.equal(fault?.kind, kind, code)
    assert.equal(isWorthAnotherTry(error), again, code)
    assert.match(fault.message, /^metadata database postgres:\/\/h\/x: it broke/)
    assert.equal(fault.cause, error)
  }
})

test('bad SQL, a broken constraint and errors of others are no faults, and not tried again', () => {
  for (const code of ['42601', '42P01', '23505', '23503', '22003']) {
    assert.equal(postgresFault('x', failure(code)), undefined, code)
    assert.equal(isWorthAnotherTry(failure(code)), false, code)
  }
  assert.equal(postgresFault('x', new Error('other')), undefined)
  assert.equal(isWorthAnotherTry(Object.assign(new Error('other'), { code: '40001' })), false)
})

test('of a commit without an answer nobody knows whether it happened, so that it is not tried again', () => {
  for (const code of ['57P01', '08006', 'ECONNRESET', undefined, '57014']) {
    const error = failure(code, 'commit')
    assert.equal(isWorthAnotherTry(error), false, code)
    const fault = postgresFault('x', error)
    assert.equal(fault?.kind, 'unavailable')
    assert.match(fault.message, /may have happened or not/)
  }
  assert.equal(isWorthAnotherTry(failure('40001', 'commit')), true, 'the server says that it rolled back')
})

test('an error of several addresses says what was wrong with each', () => {
  const parts = ['::1', '127.0.0.1'].map((address) => new Error(`connect ECONNREFUSED ${address}`))
  const error = new PostgresFailure('connect', Object.assign(new AggregateError(parts), { code: 'ECONNREFUSED' }))
  assert.equal(error.message, 'connect ECONNREFUSED ::1, connect ECONNREFUSED 127.0.0.1')
})
