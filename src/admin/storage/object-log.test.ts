import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MemoryObjectStore } from '../../object-store/memory-object-store.ts'
import { silentLog } from '../../runtime/log.ts'
import { systemClock } from '../../runtime/system-clock.ts'
import { systemRandom } from '../../runtime/system-random.ts'
import { ObjectWal } from '../../stream/wal/object-wal.ts'
import { keyOf } from '../../stream/wal/object-wal-place.ts'
import type { WalPosition } from '../../stream/wal/wal.ts'
import { findLogObject, ObjectLog } from './object-log.ts'
import { entryAt } from './stored-data-fixture.ts'

const NODE_ID = 3
const STREAM = 7

/** A node's log in memory, with its mark. */
class Place {
  readonly store = new MemoryObjectStore()
  mark: string | undefined
  #epoch = 0

  readonly log = new ObjectLog({ nodeId: NODE_ID, store: this.store, loadMark: async () => this.mark })

  async open(): Promise<ObjectWal> {
    const loadMark = async (): Promise<string | undefined> => this.mark
    const parts = { store: this.store, clock: systemClock, random: systemRandom, log: silentLog, loadMark }
    const wal = new ObjectWal({ ...parts, nodeId: NODE_ID, epoch: ++this.#epoch })
    await wal.replay(() => undefined)
    return wal
  }

  /** An object each. */
  async append(wal: ObjectWal, from: number, count: number): Promise<WalPosition[]> {
    const ends: WalPosition[] = []
    for (let n = 0; n < count; n++) {
      const entry = entryAt((from + n) * 10)
      ends.push(
        await new Promise<number>((resolve, reject) =>
          wal.append({ streamId: STREAM, epoch: 1, entry }, resolve, reject)
        )
      )
    }
    return ends
  }

  async keys(): Promise<string[]> {
    const keys: string[] = []
    for await (const { key } of this.store.list('wal/')) keys.push(key)
    return keys
  }
}

describe('the log in an object store, looked at', () => {
  test('a place where nobody has written is an empty log', async () => {
    const { findings, entries, segments } = await new Place().log.survey()
    assert.deepEqual([findings, entries, segments], [[], 0, 0])
  })

  test('entries of several owners are followed from fence to fence, beside the owner and after it', async () => {
    const place = new Place()
    const first = await place.open()
    await place.append(first, 0, 4)
    assert.equal((await place.log.survey()).entries, 4)
    await first.close()
    const second = await place.open()
    await place.append(second, 4, 3)
    const { findings, entries, segments, runs } = await place.log.survey()
    assert.deepEqual([findings, entries, segments], [[], 7, 7])
    assert.deepEqual(
      runs.get(STREAM)?.map(({ startOffset, endOffset }) => [startOffset, endOffset]),
      [[0, 70]]
    )
    const offsets: number[] = []
    for await (const item of place.log.entries()) offsets.push('entry' in item ? item.entry.baseOffset : -1)
    assert.deepEqual(offsets, [0, 10, 20, 30, 40, 50, 60])
    assert.equal((await place.keys()).length, 9, 'looking has written no fence')
    await second.close()
  })

  test('reading begins at the mark, and a trim meanwhile is no damage', async () => {
    const place = new Place()
    const wal = await place.open()
    const ends = await place.append(wal, 0, 6)
    let trimmed = false
    const store = new Proxy(place.store, {
      get(target, name) {
        if (name !== 'get') return (Reflect.get(target, name) as (...args: unknown[]) => unknown).bind(target)
        return async (key: string) => {
          const bytes = await target.get(key)
          if (!trimmed) {
            trimmed = true
            place.mark = wal.mark(ends[3] ?? 0)
            const [, , ...behind] = (await place.keys()).slice(1)
            await target.delete(behind.slice(0, 2))
          }
          return bytes
        }
      }
    })
    const log = new ObjectLog({ nodeId: NODE_ID, store, loadMark: async () => place.mark })
    const { findings, entries } = await log.survey()
    assert.deepEqual([findings, entries, trimmed], [[], 2, true])
    await wal.close()
  })

  test('a flipped bit and a missing object are found by key, and what lies behind is still read', async () => {
    const place = new Place()
    const wal = await place.open()
    await place.append(wal, 0, 6)
    await wal.close()
    const keys = (await place.keys()).filter((key) => key !== keyOf(NODE_ID, { epoch: 0, sequence: 1 }))
    const [, second = '', third = ''] = keys
    const bytes = Buffer.from(await place.store.get(second))
    bytes.writeUInt8(bytes.readUInt8(100) ^ 4, 100)
    await place.store.put(second, [bytes])
    await place.store.delete([third])
    const { findings, entries } = await place.log.survey()
    assert.deepEqual(
      findings.map((finding) => [finding.kind, finding.place]),
      [
        ['damage', second],
        ['damage', third]
      ]
    )
    assert.match(findings[0]?.problem ?? '', /contradicts the checksum/)
    assert.match(findings[1]?.problem ?? '', /missing, and a later object shows/)
    assert.equal(entries, 4)
    await assert.rejects(findLogObject(place.store, second), /contradicts the checksum/)
    assert.equal((await findLogObject(place.store, keys[0] ?? ''))?.length, 1)
    assert.equal(await findLogObject(place.store, 'objects/00/0000000000000001'), undefined)
  })
})
