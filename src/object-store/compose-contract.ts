/** What `compose` must do in every object store. Part of `object-store-contract.ts`. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type FaultKind, isFault } from '../runtime/fault.ts'
import { seededRandom } from '../runtime/random.ts'
import type { ObjectStore, Piece } from './object-store.ts'

const MiB = 1024 * 1024

export async function* pieces(...all: readonly Piece[]): AsyncGenerator<Piece> {
  yield* all
}

/** `copiesWhatThereIs`: the server under test copies the bytes that there are when a range ends beyond its object. */
export function composeContract(store: () => ObjectStore, copiesWhatThereIs: boolean): void {
  const bytes = (...texts: readonly string[]): Piece => ({ parts: texts.map((text) => Buffer.from(text)) })
  const copy = (key: string, start: number, end: number): Piece => ({ key, range: { start, end } })
  const isAbsent = (key: string) => rejects('missing', store().head(key))

  it('composes an object of small pieces of bytes and of other objects', async () => {
    await store().put('digits', [Buffer.from('0123456789')])
    await store().put('letters', [Buffer.from('abc')])
    const made = await store().compose(
      'both',
      pieces(bytes('<', ''), copy('digits', 2, 5), copy('digits', 5, 6), copy('letters', 0, 3), bytes('-', '>'))
    )
    assert.deepEqual(made, { key: 'both', size: 10 })
    assert.equal((await store().get('both')).toString(), '<2345abc->')
    assert.deepEqual(await store().head('both'), made)
  })

  it('composes an object of nothing', async () => {
    assert.deepEqual(await store().compose('none', pieces()), { key: 'none', size: 0 })
    assert.deepEqual(await store().compose('empty', pieces({ parts: [] }, bytes(''))), { key: 'empty', size: 0 })
    assert.equal((await store().get('none')).length, 0)
    assert.equal((await store().head('empty')).size, 0)
  })

  it('composes large and small pieces in any mixture', async () => {
    const source = Buffer.alloc(13 * MiB + 7, seededRandom(2).bytes(4099))
    const written = Buffer.alloc(9 * MiB + 1, seededRandom(3).bytes(4093))
    await store().put('source', [source])
    const mixture: readonly Piece[] = [
      bytes('head'),
      copy('source', 0, 6 * MiB),
      copy('source', 100, 12 * MiB),
      { parts: [written.subarray(0, 10), written.subarray(10)] },
      copy('source', 7, 9),
      copy('source', MiB, 7 * MiB),
      copy('source', 13 * MiB, 13 * MiB + 7)
    ]
    const expected = Buffer.concat(
      mixture.flatMap((piece) => ('key' in piece ? [source.subarray(piece.range.start, piece.range.end)] : piece.parts))
    )
    assert.deepEqual(await store().compose('mixture', pieces(...mixture)), { key: 'mixture', size: expected.length })
    assert.ok(expected.equals(await store().get('mixture')))
    await store().compose('copy', pieces(copy('mixture', 0, expected.length)))
    assert.ok(expected.equals(await store().get('copy')))
  })

  it('composes an object that takes the place of one of its sources', async () => {
    await store().put('log', [Buffer.from('one')])
    await store().compose('log', pieces(copy('log', 0, 3), bytes('two')))
    assert.equal((await store().get('log')).toString(), 'onetwo')
  })

  it('composes nothing when a source does not exist or is too short', async () => {
    await store().put('small', [Buffer.from('0123456789')])
    await store().put('large', [Buffer.alloc(6 * MiB)])
    const long = [copy('small', 0, 6 * MiB), copy('large', 0, 6 * MiB + 1), copy('large', 6 * MiB, 12 * MiB)]
    for (const [kind, piece] of [
      ['missing', copy('nothing', 0, 1)],
      ['missing', copy('nothing', 0, 6 * MiB)],
      ['invalid', copy('small', 5, 11)],
      ['invalid', copy('small', 10, 11)],
      ...(copiesWhatThereIs ? [] : long.map((piece) => ['invalid', piece] as const)),
      ['invalid', copy('small', 5, 5)],
      ['invalid', copy('small', 6, 3)],
      ['invalid', copy('../small', 0, 1)]
    ] as const) {
      await rejects(kind, store().compose('broken', pieces(piece)))
      await rejects(kind, store().compose('broken', pieces({ parts: [Buffer.alloc(9 * MiB)] }, piece, bytes('x'))))
      await isAbsent('broken')
    }
  })

  it('composes nothing when taking a piece fails, and passes the error on as it is', async () => {
    const failure = Object.assign(new Error('no more pieces'), { code: 'ENOENT' })
    async function* failing(piece: Piece): AsyncGenerator<Piece> {
      yield piece
      throw failure
    }
    for (const piece of [bytes('x'), { parts: [Buffer.alloc(20 * MiB)] }]) {
      await assert.rejects(store().compose('failed', failing(piece)), (error) => error === failure)
      await isAbsent('failed')
    }
  })

  it('does not compose over an object when asked for its absence', async () => {
    await store().compose('once', pieces(bytes('first')), { ifAbsent: true })
    await rejects('conflict', store().compose('once', pieces(bytes('second')), { ifAbsent: true }))
    const large: Piece = { parts: [Buffer.alloc(20 * MiB, 'x')] }
    await rejects('conflict', store().compose('once', pieces(large), { ifAbsent: true }))
    assert.equal((await store().get('once')).toString(), 'first')
    assert.equal((await store().compose('new', pieces(large), { ifAbsent: true })).size, 20 * MiB)
  })

  it('lets go of the pieces when it fails', async () => {
    let isDone = false
    async function* endless(): AsyncGenerator<Piece> {
      try {
        for (;;) yield copy('nothing', 0, 6 * MiB)
      } finally {
        isDone = true
      }
    }
    await rejects('missing', store().compose('endless', endless()))
    assert.ok(isDone)
  })
}

async function rejects(kind: FaultKind, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isFault(error, kind), `expected a Fault of kind ${kind}, got ${error}`)
    return true
  })
}
