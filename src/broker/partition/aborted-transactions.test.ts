import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type AbortedTransaction, AbortedTransactions } from './aborted-transactions.ts'
import { OpenTransactions } from './open-transactions.ts'

const OFFSETS = 3000

/** By last offset, which are distinct; lengths of all kinds. */
const histories = fc
  .uniqueArray(fc.record({ producerId: fc.nat(5), lastOffset: fc.nat(OFFSETS), length: fc.nat(OFFSETS) }), {
    selector: ({ lastOffset }) => lastOffset,
    maxLength: 400
  })
  .map((all) =>
    all
      .sort((a, b) => a.lastOffset - b.lastOffset)
      .map(({ producerId, lastOffset, length }) => ({
        producerId,
        lastOffset,
        firstOffset: Math.max(0, lastOffset - length)
      }))
  )

const byFirst = (a: AbortedTransaction, b: AbortedTransaction) =>
  a.firstOffset - b.firstOffset || a.lastOffset - b.lastOffset

describe('aborted transactions', () => {
  it('are told exactly where they overlap what is read, by first offset', async () => {
    await fc.assert(
      fc.asyncProperty(
        histories,
        fc.array(fc.tuple(fc.nat(OFFSETS), fc.nat(500)), { maxLength: 20 }),
        fc.nat(OFFSETS),
        fc.nat(7),
        async (all, ranges, start, everyNth) => {
          const aborted = new AbortedTransactions()
          for (const transaction of all) aborted.add(transaction)
          let left: readonly AbortedTransaction[] = all
          const check = async () => {
            for (const [from, length] of ranges) {
              const expected = left.filter((a) => a.lastOffset >= from && a.firstOffset < from + length)
              const told = [...(await aborted.overlapping(from, from + length))]
              for (const [place, { firstOffset }] of told.entries()) {
                assert.ok(firstOffset >= (told[place - 1]?.firstOffset ?? 0), 'by first offset')
              }
              assert.deepEqual(told.sort(byFirst), [...expected].sort(byFirst))
            }
          }
          await check()
          aborted.forgetBefore(start)
          left = left.filter(({ lastOffset }) => lastOffset >= start)
          await check()
          const gone = left.filter((_, at) => at % (everyNth + 1) === 0)
          aborted.forget(gone)
          left = left.filter((a) => !gone.includes(a))
          await check()
          assert.deepEqual(
            aborted.asOf(start + 100),
            left.filter(({ lastOffset }) => lastOffset < start + 100)
          )
          assert.equal(aborted.size, left.length)
        }
      )
    )
  })
})

describe('open transactions', () => {
  it('the first undecided offset is that of the oldest transaction that is open, or whose end is not durable', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ producer: fc.nat(4), durable: fc.nat(3) }), { maxLength: 60 }), (steps) => {
        const open = new OpenTransactions()
        const begun = new Map<number, number>()
        const ended: { first: number; marker: number }[] = []
        let durable = 0
        for (const [offset, { producer, durable: more }] of steps.entries()) {
          const first = begun.get(producer)
          if (first === undefined) {
            begun.set(producer, offset)
            open.begin(producer, offset)
          } else {
            begun.delete(producer)
            ended.push({ first, marker: offset })
            assert.equal(open.end(producer, offset, durable), first)
          }
          durable = Math.min(offset + 1, durable + more)
          const waiting = ended.filter(({ marker }) => marker >= durable).map((e) => e.first)
          const expected = Math.min(...begun.values(), ...waiting)
          assert.equal(open.firstUndecided(durable), Number.isFinite(expected) ? expected : undefined)
        }
      })
    )
  })

  it('an end without a transaction decides nothing', () => {
    const open = new OpenTransactions()
    assert.equal(open.end(1, 5, 0), undefined)
    assert.equal(open.firstUndecided(0), undefined)
  })
})
