import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Suspicion } from './suspicion.ts'

const LEASE_MS = 2000
const STEP_MS = 250

/** One that has been reading for a while. */
function experienced(): { suspicion: Suspicion; at: number; read: (others: number, dead: number) => boolean } {
  const suspicion = new Suspicion(LEASE_MS)
  const rig = {
    suspicion,
    at: 0,
    read: (others: number, dead: number): boolean => {
      rig.at += STEP_MS
      suspicion.answered(rig.at)
      return suspicion.believes({ others, dead, selfRunOut: false }, rig.at)
    }
  }
  for (let step = 0; step <= LEASE_MS / STEP_MS; step++) rig.read(4, 0)
  return rig
}

/** Readings until it believes. */
function readingsUntilBelieved(read: () => boolean): number {
  for (let count = 1; count < 100; count++) if (read()) return count
  return Number.POSITIVE_INFINITY
}

const cases: readonly [others: number, dead: number, believed: 'at once' | 'a lease later'][] = [
  [1, 1, 'at once'],
  [2, 1, 'at once'],
  [2, 2, 'a lease later'],
  [3, 1, 'at once'],
  [3, 2, 'a lease later'],
  [4, 2, 'at once'],
  [4, 3, 'a lease later'],
  [4, 4, 'a lease later'],
  [6, 3, 'at once']
]
for (const [others, dead, believed] of cases) {
  test(`${dead} dead of ${others} others are believed ${believed}`, () => {
    const rig = experienced()
    const readings = readingsUntilBelieved(() => rig.read(others, dead))
    assert.equal(readings, believed === 'at once' ? 1 : 1 + LEASE_MS / STEP_MS)
  })
}

test('doubts begin anew when most were alive in between', () => {
  const rig = experienced()
  for (let count = 0; count < 6; count++) assert.equal(rig.read(4, 4), false)
  assert.equal(rig.read(4, 0), true)
  assert.equal(
    readingsUntilBelieved(() => rig.read(4, 4)),
    9
  )
})

test('after a gap nothing is believed for a lease', () => {
  const rig = experienced()
  rig.at += LEASE_MS
  assert.equal(
    readingsUntilBelieved(() => rig.read(4, 1)),
    9
  )
})

test('a gap during doubts begins them anew', () => {
  const rig = experienced()
  for (let count = 0; count < 7; count++) assert.equal(rig.read(4, 4), false)
  rig.at += LEASE_MS
  // Whoever looks dead still does in the first reading that is trusted: a full lease of readings was between.
  assert.equal(
    readingsUntilBelieved(() => rig.read(4, 4)),
    9
  )
})

test('whoever has just begun to look believes nothing for a lease', () => {
  const suspicion = new Suspicion(LEASE_MS)
  let at = 0
  const read = (): boolean => {
    at += STEP_MS
    suspicion.answered(at)
    return suspicion.believes({ others: 4, dead: 1, selfRunOut: false }, at)
  }
  assert.equal(readingsUntilBelieved(read), 9)
})

test('whoever sees its own lease run out believes nothing until a lease after it has it again', () => {
  const rig = experienced()
  assert.equal(rig.suspicion.believes({ others: 4, dead: 1, selfRunOut: true }, rig.at), false)
  assert.equal(
    readingsUntilBelieved(() => rig.read(4, 1)),
    8
  )
})
