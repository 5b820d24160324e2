/** The ledger is what a kill run believes: each broken promise, planted, must be found. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ledger, type StoredRecord, valueFor } from './ledger.ts'

const IDS = ['p.0.0', 'p.0.1', 'p.0.2', 'p.0.3']

/** Four records sent and acknowledged at offsets 0 to 3, of which a consumer saw the first two. */
function ledger(): Ledger {
  const made = new Ledger()
  made.send([...IDS, 'p.0.4'])
  made.acknowledge(0, 0, IDS.slice(0, 2))
  made.acknowledge(0, 2, IDS.slice(2))
  made.see(0, 0, valueFor('p.0.0'))
  made.see(0, 1, valueFor('p.0.1'))
  return made
}

const stored = (ids: readonly string[]): StoredRecord[] => ids.map((id, offset) => ({ offset, value: valueFor(id) }))

test('a log that holds what was acknowledged has no violation', () => {
  const made = ledger()
  made.compare(0, stored(IDS))
  assert.deepEqual(made.violations, [])
  assert.equal(made.acknowledgedEnd(0), 4)
})

test('a record that was sent and not acknowledged may be in the log', () => {
  const made = ledger()
  made.compare(0, stored([...IDS, 'p.0.4']))
  assert.deepEqual(made.violations, [])
})

const planted: readonly (readonly [name: string, records: StoredRecord[], violation: RegExp])[] = [
  ['a lost tail', stored(IDS.slice(0, 3)), /p\.0\.3 was acknowledged at partition 0 offset 3, where nothing is now/],
  [
    'two records that changed places',
    stored(['p.0.0', 'p.0.2', 'p.0.1', 'p.0.3']),
    /p\.0\.1 was acknowledged .* offset 1/
  ],
  ['a record twice', stored([...IDS, 'p.0.3']), /p\.0\.3 is in partition 0 twice: offsets 3 and 4/],
  ['a record that nobody sent', stored([...IDS, 'q.0.0']), /q\.0\.0, which nobody sent/],
  ['a changed value', [...stored(IDS.slice(0, 3)), { offset: 3, value: 'p.0.3 oops' }], /changed value of p\.0\.3/],
  ['what a consumer saw and is gone', stored(['p.0.4', ...IDS.slice(1)]), /p\.0\.0 was seen by a consumer/]
]
for (const [name, records, violation] of planted) {
  test(`${name} is a violation`, () => {
    const made = ledger()
    made.compare(0, records)
    assert.match(made.violations.join('\n'), violation)
  })
}

test('one offset acknowledged for two records is a violation', () => {
  const made = ledger()
  made.acknowledge(0, 3, ['p.0.4'])
  assert.match(made.violations.join('\n'), /offset 3 was acknowledged for p\.0\.3 and for p\.0\.4/)
})

test('one offset seen with two records is a violation', () => {
  const made = ledger()
  made.see(0, 1, valueFor('p.0.2'))
  assert.match(made.violations.join('\n'), /consumers saw p\.0\.1 and p\.0\.2/)
})
