import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Outcome, TransactionLedger } from './transaction-ledger.ts'

/** A transaction of two records, one in each of two partitions, and what a reader finds of them. */
function compared(outcome: Outcome, found: readonly (0 | 1)[]): readonly string[] {
  const ledger = new TransactionLedger()
  const attempt = ledger.begin()
  const values = [0, 1].map((partition) => ledger.write(attempt, { topic: 't', partition, what: `r${partition}` }))
  ledger.note(attempt, outcome)
  const visible = new Map([0, 1].map((p): [string, string[]] => [`t-${p}`, []]))
  for (const p of found) visible.get(`t-${p}`)?.push(values[p] ?? '')
  ledger.compare(visible)
  return ledger.violations
}

test('a committed transaction is whole, an aborted one is nowhere, one of unknown outcome is either', () => {
  assert.deepEqual(compared('committed', [0, 1]), [])
  assert.deepEqual(compared('aborted', []), [])
  assert.deepEqual(compared('committing', []), [])
  assert.deepEqual(compared('committing', [0, 1]), [])
})

test('what is lost, torn, doubled or should not be there is told', () => {
  assert.match(compared('committed', [0]).join(), /^lost write/)
  assert.match(compared('committing', [1]).join(), /^torn transaction/)
  assert.match(compared('committed', [0, 1, 1]).join(), /^duplicate/)
  assert.match(compared('aborted', [0]).join(), /^aborted read/)
  assert.match(compared('open', [1]).join(), /^aborted read/)
})

test('a reader who sees a record of an aborted transaction is told on at once', () => {
  const ledger = new TransactionLedger()
  const attempt = ledger.begin()
  const value = ledger.write(attempt, { topic: 't', partition: 0, what: 'r' })
  ledger.note(attempt, 'committing')
  ledger.seen('t-0 offset 0', value)
  assert.deepEqual(ledger.violations, [])
  ledger.note(attempt, 'aborted')
  ledger.seen('t-0 offset 0', value)
  ledger.seen('t-0 offset 1', 'stray 99')
  assert.equal(ledger.violations.length, 2)
})
