import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LeaderEpochs } from './leader-epochs.ts'

describe('leader epochs', () => {
  const three = (): LeaderEpochs => {
    const epochs = new LeaderEpochs()
    epochs.begin(1, 0)
    epochs.begin(3, 10)
    epochs.begin(4, 25)
    return epochs
  }

  it('an epoch in which nothing was appended gives way to the next', () => {
    const epochs = three()
    epochs.begin(5, 25)
    assert.deepEqual(epochs.all.at(-1), { epoch: 5, startOffset: 25 })
    assert.equal(epochs.all.length, 3)
  })

  it('an epoch that is not newer changes nothing', () => {
    const epochs = three()
    epochs.begin(4, 30)
    epochs.begin(2, 30)
    assert.deepEqual(epochs.all, three().all)
  })

  it('every offset belongs to the epoch that began last before it', () => {
    const epochs = three()
    assert.deepEqual(
      [0, 9, 10, 24, 25, 99].map((offset) => epochs.epochAt(offset)),
      [1, 1, 3, 3, 4, 4]
    )
    assert.equal(new LeaderEpochs().epochAt(0), -1)
  })

  it('the end of an epoch is the start of the next one, or of the nearest below for an epoch that never was', () => {
    const epochs = three()
    assert.deepEqual(epochs.endOf(1, 40), { epoch: 1, endOffset: 10 })
    assert.deepEqual(epochs.endOf(2, 40), { epoch: 1, endOffset: 10 })
    assert.deepEqual(epochs.endOf(4, 40), { epoch: 4, endOffset: 40 })
    assert.deepEqual(epochs.endOf(5, 40), { epoch: -1, endOffset: -1 })
    assert.deepEqual(epochs.endOf(-1, 40), { epoch: -1, endOffset: -1 })
    assert.deepEqual(epochs.endOf(0, 40), { epoch: 0, endOffset: 0 }, 'older than all that is known')
  })

  it('epochs of which nothing is left are forgotten, the one that holds the first offset is not', () => {
    const epochs = three()
    epochs.forgetBefore(9)
    assert.equal(epochs.all.length, 3)
    epochs.forgetBefore(10)
    assert.deepEqual(
      epochs.all.map(({ epoch }) => epoch),
      [3, 4]
    )
    epochs.forgetBefore(1000)
    assert.deepEqual(epochs.all, [{ epoch: 4, startOffset: 25 }])
  })
})
