import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Fault } from '../runtime/fault.ts'
import { settle } from '../runtime/virtual-clock.ts'
import { RequestMemory } from './request-memory.ts'
import { UnfinishedFrames } from './unfinished-frames.ts'

describe('request memory', () => {
  it('what fits is taken at once, what does not waits for its turn', async () => {
    const memory = new RequestMemory(100)
    assert.equal(memory.acquire(60), undefined)
    assert.equal(memory.acquire(40), undefined)
    const admitted: string[] = []
    void memory.acquire(50)?.then(() => admitted.push('large'))
    void memory.acquire(1)?.then(() => admitted.push('small'))
    memory.release(40)
    await settle()
    assert.deepEqual(admitted, [], 'the small one does not overtake')
    memory.release(60)
    await settle()
    assert.deepEqual(admitted, ['large', 'small'])
    assert.equal(memory.used, 51)
  })

  it('a request larger than the budget goes through alone', async () => {
    const memory = new RequestMemory(100)
    assert.equal(memory.acquire(10), undefined)
    let admitted = false
    void memory.acquire(500)?.then(() => {
      admitted = true
    })
    await settle()
    assert.equal(admitted, false)
    memory.release(10)
    await settle()
    assert.equal(admitted, true)
    assert.notEqual(memory.acquire(1), undefined)
    memory.release(500)
    await settle()
    assert.equal(memory.used, 1)
  })
})

describe('unfinished frames', () => {
  it('who holds most is refused when all hold too much, and then counts no more', () => {
    const frames = new UnfinishedFrames(100)
    const refused: string[] = []
    const holder = (name: string) => ({ refuse: (fault: Fault) => refused.push(`${name} ${fault.kind}`) })
    const [small, large, other] = [holder('small'), holder('large'), holder('other')]
    frames.note(small, 20)
    frames.note(large, 70)
    frames.note(large, 60)
    frames.note(other, 20)
    assert.deepEqual([refused, frames.total], [[], 100])
    frames.note(small, 21)
    assert.deepEqual([refused, frames.total], [['large invalid'], 41])
    frames.note(small, 0)
    frames.note(large, 0)
    assert.equal(frames.total, 20)
  })
})
