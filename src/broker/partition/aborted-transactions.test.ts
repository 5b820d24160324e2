import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isFault } from '../../runtime/fault.ts'
import type { RangeNotes } from '../../stream/read/cold-reader.ts'
import { type AbortedTransaction, decodeAbortedNote, encodeAbortedNote } from './aborted-note.ts'
import { AbortedTransactions, type NotedStream, noteWithout } from './aborted-transactions.ts'
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

const NOTHING_STORED: NotedStream = { committedOffset: 0, layout: undefined, async *notes() {} }

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
          const aborted = new AbortedTransactions(NOTHING_STORED)
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
          assert.equal(aborted.size, left.length)
        }
      )
    )
  })
})

/** A stream whose parts were uploaded each with its note, and are now in ranges that hold some of them each. */
class NotedParts implements NotedStream {
  committedOffset = 0
  readonly layout = {}
  readonly #parts: { readonly startOffset: number; readonly note: Buffer | undefined }[] = []
  readonly #rangeEnds: number[] = []
  loads = 0

  upload(endOffset: number, note: Buffer | undefined, endsRange: boolean): void {
    this.#parts.push({ startOffset: this.committedOffset, note })
    this.committedOffset = endOffset
    if (endsRange) this.#rangeEnds.push(endOffset)
  }

  async *notes(fromOffset: number): AsyncGenerator<RangeNotes> {
    let startOffset = 0
    for (const endOffset of new Set([...this.#rangeEnds, this.committedOffset])) {
      if (endOffset > fromOffset) {
        this.loads++
        const parts = this.#parts.filter((p) => p.startOffset >= startOffset && p.startOffset < endOffset)
        const notes = parts.flatMap(({ startOffset: offset, note: bytes }) =>
          bytes === undefined ? [] : [{ streamId: 1, offset, bytes }]
        )
        yield { startOffset, endOffset, notes }
      }
      startOffset = endOffset
    }
  }
}

describe('aborted transactions in notes', () => {
  it('are told exactly, wherever uploads ended, however they were merged, and after a restart', async () => {
    await fc.assert(
      fc.asyncProperty(
        histories,
        fc.array(fc.tuple(fc.nat(OFFSETS), fc.nat(500)), { minLength: 1, maxLength: 20 }),
        fc.array(fc.tuple(fc.nat(OFFSETS), fc.boolean()), { maxLength: 12 }),
        async (all, ranges, cuts) => {
          const stream = new NotedParts()
          const writer = new AbortedTransactions(stream)
          for (const transaction of all) writer.add(transaction)
          const stableAt = (offset: number) =>
            all
              .filter((a) => a.firstOffset < offset && a.lastOffset >= offset)
              .reduce((first, { firstOffset }) => Math.min(first, firstOffset), offset)
          for (const [cut, endsRange] of [...cuts].sort(([a], [b]) => a - b)) {
            const { committedOffset: from } = stream
            if (cut > from) stream.upload(cut, writer.note(from, cut, stableAt(from)), endsRange)
          }
          const reopened = new AbortedTransactions(stream)
          reopened.restore(stream.committedOffset)
          for (const one of all) if (one.lastOffset >= stream.committedOffset) reopened.add(one)
          for (const [from, length] of ranges) {
            const expected = all.filter((a) => a.lastOffset >= from && a.firstOffset < from + length)
            const told = [...(await reopened.overlapping(from, from + length))]
            assert.deepEqual(told.sort(byFirst), [...expected].sort(byFirst))
          }
        }
      )
    )
  })

  it('that came to an end before what is read cost one look, and so do none', async () => {
    const stream = new NotedParts()
    const aborted = new AbortedTransactions(stream)
    aborted.add({ producerId: 1, firstOffset: 3, lastOffset: 12 })
    stream.upload(10, aborted.note(0, 10, 0), true)
    stream.upload(20, aborted.note(10, 20, 3), true)
    for (let end = 30; end <= 100; end += 10) stream.upload(end, aborted.note(end - 10, end, end - 10), true)
    aborted.restore(100)
    assert.equal((await aborted.overlapping(4, 8)).length, 1)
    assert.equal(stream.loads, 3, 'the part that it ended in, and one to know that nothing follows')
    stream.loads = 0
    assert.equal((await aborted.overlapping(50, 58)).length, 0)
    assert.equal(stream.loads, 2)
  })

  it('leave a note when nothing is left of them', () => {
    const all = [
      { producerId: 1, firstOffset: 3, lastOffset: 12 },
      { producerId: 2, firstOffset: 5, lastOffset: 15 }
    ]
    const note = encodeAbortedNote({ stableOffset: 3, aborted: all })
    assert.deepEqual(decodeAbortedNote(noteWithout(note, all.slice(0, 1))), { stableOffset: 3, aborted: all.slice(1) })
    assert.equal(noteWithout(note, []), note)
  })

  it('cost ten bytes or so, and a note of another version is refused', () => {
    const aborted = Array.from({ length: 1000 }, (_, i) => {
      const lastOffset = 5_000_000_000 + i * 400
      return { producerId: 4000 + i, firstOffset: lastOffset - 300, lastOffset }
    })
    const note = encodeAbortedNote({ stableOffset: 0, aborted })
    assert.ok(note.length < 10_000, `${note.length} bytes`)
    note.writeInt16BE(2, 0)
    assert.throws(
      () => decodeAbortedNote(note),
      (error) => isFault(error, 'corrupt')
    )
  })

  it('stay in memory up to a number once they are uploaded, and those that do not are in the notes', async () => {
    const stream = new NotedParts()
    const aborted = new AbortedTransactions(stream)
    for (let i = 0; i < 1_500; i++) aborted.add({ producerId: i, firstOffset: i * 2, lastOffset: i * 2 + 1 })
    const note = aborted.note(0, 3_000, 0)
    assert.equal(aborted.size, 1_500, 'nothing of it is stored yet')
    stream.upload(3_000, note, true)
    aborted.note(3_000, 3_000, 3_000)
    assert.equal(aborted.size, 1_000)
    assert.equal((await aborted.overlapping(0, 3_000)).length, 1_500)
    assert.ok(!(aborted.overlapping(2_000, 3_000) instanceof Promise))
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
