import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeLease } from '../metadata/metadata.ts'
import { DeathWatch } from './death-watch.ts'

const LEASE_MS = 2000
const GRACE_MS = 10_000

function watch(leading: readonly number[] = [2, 3]): DeathWatch {
  const leads = (id: number) => leading.includes(id)
  return new DeathWatch({ nodeId: 1, leaseMs: LEASE_MS, stoppedGraceMs: GRACE_MS, leads })
}

function row(changes: Partial<NodeLease> = {}): NodeLease {
  return { id: 2, epoch: 5, state: 'running', remainingMs: -1, ...changes }
}

const dead = (watched: DeathWatch, rows: readonly NodeLease[], at: number): number[] =>
  watched.judge(rows, at).dead.map(({ id }) => id)

test('a running or draining node is dead once its lease has run out', () => {
  for (const state of ['running', 'draining'] as const) {
    assert.deepEqual(dead(watch(), [row({ state, remainingMs: 1 })], 0), [])
    assert.deepEqual(dead(watch(), [row({ state, remainingMs: 0 })], 0), [2])
    assert.deepEqual(dead(watch([]), [row({ state })], 0), [2], 'also when it leads nothing')
  }
})

test('whoever looks does not judge itself', () => {
  const verdict = watch().judge([row({ id: 1 }), row({ id: 2, remainingMs: 5 })], 0)
  assert.deepEqual(verdict, { dead: [], others: 1, othersDead: 0, selfRunOut: true })
})

test('a stopped node is dead when it still leads something after its grace', () => {
  const watched = watch()
  const stopped = row({ state: 'stopped' })
  assert.deepEqual(dead(watched, [stopped], 100), [])
  assert.deepEqual(dead(watched, [stopped], 99 + GRACE_MS), [])
  assert.deepEqual(dead(watched, [stopped], 100 + GRACE_MS), [2])
  assert.deepEqual(dead(watch([]), [stopped], 1_000_000), [])
})

test('the grace of a stopped node that starts again begins anew', () => {
  const watched = watch()
  assert.deepEqual(dead(watched, [row({ state: 'stopped' })], 0), [])
  assert.deepEqual(
    dead(watched, [row({ state: 'stopped', epoch: 6, remainingMs: 1000 })], 5000),
    [],
    'it has its lease'
  )
  assert.deepEqual(dead(watched, [row({ state: 'stopped', epoch: 6 })], 9000), [])
  assert.deepEqual(dead(watched, [row({ state: 'stopped', epoch: 6 })], 8999 + GRACE_MS), [])
  assert.deepEqual(dead(watched, [row({ state: 'stopped', epoch: 6 })], 9000 + GRACE_MS), [2])
})

test('a fenced node is fenced anew when it still leads something', () => {
  assert.deepEqual(dead(watch(), [row({ state: 'fenced' })], 0), [2])
  assert.deepEqual(dead(watch([]), [row({ state: 'fenced' })], 0), [])
})

test('a fenced node that has a lease is starting: it is left alone', () => {
  assert.deepEqual(dead(watch(), [row({ state: 'fenced', remainingMs: 10 })], 0), [])
})

test('a node that starts again under our eyes has a lease long to take its own', () => {
  for (const state of ['running', 'fenced'] as const) {
    const watched = watch()
    dead(watched, [row({ state, remainingMs: 10 })], 0)
    assert.deepEqual(dead(watched, [row({ state, epoch: 6 })], 1000), [])
    assert.deepEqual(dead(watched, [row({ state, epoch: 6 })], 2999), [])
    assert.deepEqual(dead(watched, [row({ state, epoch: 6 })], 3000), [2])
  }
})

test('the end of the lease of its earlier life is not the end of a node that starts again', () => {
  const watched = watch()
  dead(watched, [row({ remainingMs: 1500 })], 0)
  dead(watched, [row({ epoch: 6, remainingMs: 1000 })], 500)
  assert.deepEqual(dead(watched, [row({ epoch: 6, remainingMs: 0 })], 1500), [])
  assert.deepEqual(dead(watched, [row({ epoch: 6, remainingMs: 1900 })], 1600), [], 'now it has its own')
  assert.deepEqual(dead(watched, [row({ epoch: 6, remainingMs: 0 })], 3500), [2], 'and that counts')
})

test('the epoch that our own fence made is no start, also when its answer was lost', () => {
  const watched = watch()
  watched.judge([row()], 0)
  watched.fencing(row(), 0)
  assert.deepEqual(dead(watched, [row({ state: 'fenced', epoch: 6 })], 250), [2])
  const other = watch()
  other.judge([row()], 0)
  other.fencing(row(), 0)
  other.spared(row())
  assert.deepEqual(dead(other, [row({ epoch: 6 })], 250), [], 'that one was a start')
})

test('nodes that should be alive are counted, and those fenced a moment ago with them', () => {
  const watched = watch()
  const rows = [
    row({ id: 1, remainingMs: 5 }),
    row({ id: 2 }),
    row({ id: 3, remainingMs: 5 }),
    row({ id: 4, state: 'stopped' }),
    row({ id: 5, state: 'fenced' })
  ]
  const counted = ({ others, othersDead }: { others: number; othersDead: number }) => [others, othersDead]
  assert.deepEqual(counted(watched.judge(rows, 0)), [2, 1])
  watched.fencing(row({ id: 2 }), 0)
  const later = rows.map((node) => (node.id === 2 ? row({ state: 'fenced', epoch: 6 }) : node))
  assert.deepEqual(counted(watched.judge(later, LEASE_MS - 1)), [2, 1])
  assert.deepEqual(counted(watched.judge(later, LEASE_MS)), [1, 0])
})
