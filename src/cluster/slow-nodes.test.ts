import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReportedLoad } from '../metadata/metadata.ts'
import { slowNodes } from './slow-nodes.ts'

const report = (nodeId: number, changes: Partial<ReportedLoad> = {}): ReportedLoad => ({
  nodeId,
  nodeEpoch: 1,
  ageMs: 5000,
  eventLoopDelayMs: 2,
  appendDelayMs: 5,
  partitions: [],
  ...changes
})

test('a node is slow when it is much slower than the others, and slow enough to be felt', () => {
  const others = [report(1), report(2)]
  assert.deepEqual([...slowNodes([...others, report(3, { appendDelayMs: 200 })])], [], 'a disk that is merely worse')
  assert.match(slowNodes([...others, report(3, { appendDelayMs: 900 })]).get(3) ?? '', /appends take 900 ms/)
  assert.match(slowNodes([...others, report(3, { eventLoopDelayMs: 400 })]).get(3) ?? '', /event loop is 400 ms late/)
})

test('where all are alike none is slow, however long it takes: logs in an object store do', () => {
  const nodes = [1, 2, 3].map((id) => report(id, { appendDelayMs: 600, eventLoopDelayMs: 300 }))
  assert.deepEqual([...slowNodes(nodes)], [])
})

test('of two the slower one is slow; one alone never is', () => {
  assert.deepEqual([...slowNodes([report(1), report(2, { appendDelayMs: 2000 })]).keys()], [2])
  assert.deepEqual([...slowNodes([report(2, { appendDelayMs: 2000 })])], [])
})

test('a node to which nobody appends does not make the others slow', () => {
  const nodes = [report(1, { appendDelayMs: 0 }), report(2, { appendDelayMs: 0 }), report(3, { appendDelayMs: 600 })]
  assert.deepEqual([...slowNodes(nodes)], [])
})

test('a node that has stopped reporting is slow', () => {
  assert.match(slowNodes([report(1), report(2, { ageMs: 90_000 })]).get(2) ?? '', /reported nothing for 90 s/)
})
