import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import fc from 'fast-check'
import type { ObjectStore } from '../../object-store/object-store.ts'
import { isFault } from '../../runtime/fault.ts'
import { buildObject } from '../../stream/objects/object-writer.ts'
import { ReadOnlyWalDevice } from '../../stream/wal/read-only-wal-device.ts'
import type { WalFile, WalFileInfo } from '../../stream/wal/wal-device.ts'
import { decodeEntry, ENTRY_HEADER_BYTES, findEntryMagic } from '../../stream/wal/wal-entry.ts'
import { CLOSED_MARK_AT, SEGMENT_PAGE_BYTES } from '../../stream/wal/wal-segment.ts'
import { FileLog } from './file-log.ts'
import type { Finding } from './finding.ts'
import { checkRecords } from './record-check.ts'
import { type VerificationOptions, type VerificationTotals, verifyStorage } from './storage-verification.ts'
import type { StoredData } from './stored-data.ts'
import { appended, entriesFrom, entryAt, flipBit, StoredDataFixture } from './stored-data-fixture.ts'

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000)

interface Verified extends VerificationTotals {
  readonly found: readonly Finding[]
}

describe('storage verification', () => {
  let fixture: StoredDataFixture

  beforeEach(async () => {
    fixture = await StoredDataFixture.make()
  })

  afterEach(() => fixture.remove())

  async function verify(
    options: Partial<VerificationOptions> = {},
    changed: (data: StoredData) => StoredData = (data) => data
  ): Promise<Verified> {
    const data = await fixture.open()
    const found: Finding[] = []
    try {
      const totals = await verifyStorage(changed(data), {
        concurrency: 2,
        found: (finding) => found.push(finding),
        progress: () => undefined,
        stop: new AbortController().signal,
        ...options
      })
      return { ...totals, found }
    } finally {
      await data.close()
    }
  }

  /** Expects damage, all of it at places and with problems that match. */
  async function damaged(place: RegExp, problem: RegExp, options?: Partial<VerificationOptions>): Promise<void> {
    const { found } = await verify(options)
    assert.ok(
      found.some((one) => one.kind === 'damage' && place.test(one.place) && problem.test(one.problem)),
      `nothing matches ${place} and ${problem} in:\n${found.map((one) => `${one.place}: ${one.problem}`).join('\n')}`
    )
    for (const one of found) assert.match(one.place, place, `another finding: ${one.place}: ${one.problem}`)
    for (const one of found) assert.ok(one.remedy.length > 0)
  }

  test('intact data has no findings, everything is counted, and no file changes', async () => {
    const before = digests(fixture.root)
    const { found, ...totals } = await verify({ checkEntry: checkRecords })
    assert.deepEqual(found, [])
    assert.deepEqual([totals.streams, totals.objects, totals.entries, totals.records], [3, 2, 75, 750])
    assert.deepEqual([totals.logs[0]?.entries, totals.logs[0]?.torn, totals.orphans?.objects], [6, false, 0])
    assert.deepEqual(digests(fixture.root), before)
  })

  test('a flipped bit in a block is found with the offsets that are lost, and the other blocks are still read', async () => {
    flipBit(fixture.objectPath(1), 100)
    await damaged(/^objects\/.* at byte 0$/, /checksum; it holds offsets 300 to \d+ of a-0 \(stream \d+\)$/)
    const { blocks, entries } = await verify()
    assert.ok(blocks > 4 && entries > 60, `${blocks} blocks and ${entries} entries were read`)
  })

  test('a flipped bit in the index is found', async () => {
    const bytes = statSync(fixture.objectPath(1)).size
    flipBit(fixture.objectPath(1), bytes - 30)
    await damaged(/^objects\//, /index of object .* contradicts its checksum/)
  })

  test('a flipped bit in the footer is found', async () => {
    const bytes = statSync(fixture.objectPath(1)).size
    flipBit(fixture.objectPath(1), bytes - 10)
    await damaged(/^objects\//, /footer of object .* contradicts its checksum/)
  })

  test('an object that was cut off is found with both sizes', async () => {
    const bytes = statSync(fixture.objectPath(0)).size
    truncateSync(fixture.objectPath(0), bytes - 100)
    await damaged(/^objects\//, new RegExp(`has ${bytes - 100} bytes, the metadata says ${bytes}|footer`))
  })

  test('an object that is gone is found', async () => {
    rmSync(fixture.objectPath(0))
    await damaged(/^objects\//, /the store does not have it/)
  })

  test('an object with the content of another is found', async () => {
    const [a0 = 0] = fixture.streamIds
    const built = buildObject([{ streamId: a0, entries: entriesFrom(290, 31) }])
    writeFileSync(fixture.objectPath(1), Buffer.concat(built.parts))
    await damaged(/^objects\//, /reaches out of the range|the metadata says \d+ bytes/)
  })

  test('whatever bit of an object flips, it is found', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 1 }), fc.nat(), fc.nat(7), async (which, at, bit) => {
        const path = fixture.objectPath(which)
        const position = at % statSync(path).size
        flipBit(path, position, bit)
        const { findings } = await verify()
        flipBit(path, position, bit)
        assert.ok(findings.damage > 0, `bit ${bit} of byte ${position}`)
      }),
      { numRuns: 60, seed: SEED }
    )
    assert.equal((await verify()).findings.damage, 0, 'the flips were undone')
  })

  test('an object that nothing refers to is an orphan; one with an id that was never given out says so', async () => {
    const store = await fixture.openStore()
    await fixture.withMetadata(async (metadata) => {
      const { id, key } = await metadata.prepareObject('default')
      await store.put(key, [Buffer.from('abc')])
      assert.deepEqual((await verify()).found, [], 'an announced object is not an orphan')
      await metadata.forgetObjects([id])
    })
    await store.put('objects/00/0000000000000999', [Buffer.from('abcd')])
    await store.close()
    const { found, orphans, findings } = await verify()
    assert.deepEqual(found.map(({ kind, problem }) => `${kind}: ${problem}`).sort(), [
      'orphan: 3 bytes that no metadata refers to',
      'orphan: 4 bytes, and this metadata has given out ids up to 3 only'
    ])
    assert.deepEqual([orphans, findings.damage], [{ objects: 2, bytes: 7 }, 0])
  })

  test('ranges that leave a gap, overlap, or end elsewhere than the stream are found by offsets', async () => {
    const [a0, a1] = fixture.streamIds
    fixture.sql(`UPDATE stream_range SET start_offset = 310 WHERE stream_id = ${a0} AND start_offset = 300`)
    await damaged(/^metadata of a-0|^objects\//, /offsets 300 to 309 are in no object/)
    fixture.sql(`UPDATE stream_range SET start_offset = 290 WHERE stream_id = ${a0} AND start_offset = 310`)
    await damaged(/^metadata of a-0|^objects\//, /overlaps the range before it, which ends at 300/)
    fixture.sql(`UPDATE stream_range SET start_offset = 300 WHERE stream_id = ${a0} AND start_offset = 290`)
    assert.deepEqual((await verify()).found, [])
    fixture.sql(`UPDATE stream SET end_offset = 90 WHERE id = ${a1}`)
    await damaged(/a-1 /, /the ranges end at 100, the stream at 90/)
  })

  test('bytes and timestamps of a range that the object contradicts are found', async () => {
    const [, a1] = fixture.streamIds
    fixture.sql(`UPDATE stream_range SET bytes = bytes + 1, max_timestamp = 5 WHERE stream_id = ${a1}`)
    await damaged(/^objects\/.*, a-1 .*\[0, 100\)$/, /the metadata says \d+ bytes of payload, the object holds \d+/)
    await damaged(/^objects\//, /the metadata says 5 as largest timestamp/)
  })

  test('a range that names an object that is no longer committed is found', async () => {
    fixture.sql(`UPDATE object SET state = 'destroyed' WHERE key = '${fixture.keys[1]}'`)
    await damaged(/^metadata of a-0/, /names an object that is destroyed/)
  })

  test('offsets that an object should hold and does not are found, unless its topic is compacted', async () => {
    const [a0 = 0] = fixture.streamIds
    const entries = entriesFrom(300, 30).filter(({ baseOffset }) => baseOffset !== 400)
    const built = buildObject([{ streamId: a0, entries }])
    writeFileSync(fixture.objectPath(1), Buffer.concat(built.parts))
    const bytes = built.ranges[0]?.bytes ?? 0
    fixture.sql(`UPDATE object SET bytes = ${built.bytes} WHERE key = '${fixture.keys[1]}'`)
    fixture.sql(`UPDATE stream_range SET bytes = ${bytes} WHERE stream_id = ${a0} AND start_offset = 300`)
    await damaged(/^objects\/.*, a-0/, /^offsets 400 to 409 are missing$/)
    fixture.sql(`INSERT INTO topic_config SELECT id, 'cleanup.policy', 'compact' FROM topic WHERE name = 'a'`)
    assert.deepEqual((await verify()).found, [])
  })

  test('a batch that contradicts itself is found when records are checked', async () => {
    const [a0 = 0] = fixture.streamIds
    const entries = entriesFrom(300, 30)
    const wrong = entryAt(300)
    wrong.payload.writeUInt8(wrong.payload.readUInt8(80) ^ 1, 80)
    const built = buildObject([{ streamId: a0, entries: [wrong, ...entries.slice(1)] }])
    writeFileSync(fixture.objectPath(1), Buffer.concat(built.parts))
    fixture.sql(`UPDATE object SET bytes = ${built.bytes} WHERE key = '${fixture.keys[1]}'`)
    assert.deepEqual((await verify()).found, [], 'to the storage engine it is intact')
    await damaged(/^objects\//, /a-0 .* offset 300: its record batch/, { checkEntry: checkRecords })
  })

  test('only what belongs to the topic is looked at when one is named', async () => {
    flipBit(fixture.objectPath(1), 100)
    const { found, objects } = await verify({ topic: 'b' })
    assert.deepEqual([found, objects], [[], 1])
    await assert.rejects(verify({ topic: 'c' }), (error) => isFault(error, 'missing'))
  })

  test('a flipped bit in the middle of the log is found; in its torn end it is no damage', async () => {
    const path = segmentInUse()
    const bytes = readFileSync(path)
    const second = findEntryMagic(bytes, (findEntryMagic(bytes, 0) ?? 0) + 1) ?? 0
    flipBit(path, second + ENTRY_HEADER_BYTES + 70)
    await damaged(/^write-ahead log .*wal$/, /segment-\d+\.wal .* is damaged at position \d+/)
    flipBit(path, second + ENTRY_HEADER_BYTES + 70)
    // What a crash in the last round leaves behind: no closed mark, and an entry that is not whole.
    const last = bytes.lastIndexOf(bytes.subarray(second, second + 4))
    bytes.fill(0, CLOSED_MARK_AT, CLOSED_MARK_AT + 20)
    bytes.fill(0, last + ENTRY_HEADER_BYTES + 200, last + ENTRY_HEADER_BYTES + 300)
    writeFileSync(path, bytes)
    const { found, logs } = await verify()
    assert.deepEqual([found, logs[0]?.entries, logs[0]?.torn], [[], 5, true])
  })

  test('a log that does not go on where the objects end is found, and so is metadata older than the log', async () => {
    const [a0] = fixture.streamIds
    fixture.sql(`DELETE FROM stream_range WHERE stream_id = ${a0} AND start_offset = 300`)
    fixture.sql(`UPDATE stream SET end_offset = 300 WHERE id = ${a0}`)
    await damaged(/^write-ahead log .*, a-0|^objects\//, /goes on at offset 590, but before it the stream ends at 300/)
    fixture.sql('UPDATE stream SET epoch = 0')
    await damaged(/./, /appended under epoch 1, the metadata knows epoch 0/)
  })

  test('another log than the one that the metadata knows is damage', async () => {
    fixture.sql(`update node set wal_mark = 'file:3f2c0000-0000-4000-8000-000000000000/0'`)
    await damaged(/^write-ahead log/, /is not the one of this node \(file:3f2c/)
  })

  test('a log whose folder is gone is damage', async () => {
    rmSync(join(fixture.root, 'wal'), { recursive: true })
    await damaged(/^write-ahead log/, /no such file or directory/)
  })

  test('objects that a node deletes while they are read are no damage', async () => {
    const [a0 = 0] = fixture.streamIds
    let trimmed = false
    const { found, objectsGone } = await verify({ concurrency: 1 }, (data) =>
      withStore(data, async (_, key) => {
        if (trimmed || key !== fixture.keys[1]) return
        trimmed = true
        await fixture.withMetadata((metadata) => metadata.trimStream(a0, 1, 600))
        rmSync(fixture.objectPath(1))
      })
    )
    assert.deepEqual([found, objectsGone, trimmed], [[], 1, true])
  })

  test('objects that a node uploads while orphans are looked for are none', async () => {
    const [, a1 = 0] = fixture.streamIds
    const store = await fixture.openStore()
    let uploaded = false
    const { found } = await verify({}, (data) => {
      const stores = { ...data.stores, store: (profile: string) => listening(data.stores.store(profile), upload) }
      return { ...data, stores }
    })
    await store.close()
    assert.deepEqual([found, uploaded], [[], true])

    async function upload(): Promise<void> {
      uploaded = true
      const streams = [{ streamId: a1, entries: [entryAt(100), entryAt(110)] }]
      await fixture.withMetadata((metadata) => fixture.upload(metadata, store, streams))
    }
  })

  test('a log that is written and trimmed while it is read raises no alarm', async () => {
    const wal = await fixture.openLog()
    await wal.replay(() => undefined)
    const [a0 = 0] = fixture.streamIds
    await appended(wal, a0, entryAt(630))
    let rounds = 0
    const openDevice = () => {
      const device = new ReadOnlyWalDevice(join(fixture.root, 'wal'))
      return Object.assign(Object.create(device), { close: () => device.close(), list, open })

      /** Files are as long as a segment from the beginning when they were prepared ahead. */
      async function list(): Promise<WalFileInfo[]> {
        return (await device.list()).map(({ name }) => ({ name, bytes: 64 * 1024 }))
      }

      /** Once a reader has come to the end, the log grows by two rounds; the second time it also loses its beginning. */
      async function open(name: string): Promise<WalFile> {
        const file = await device.open(name)
        const read = async (position: number, length: number): Promise<Buffer> => {
          const bytes = await file.read(position, length)
          if (position < SEGMENT_PAGE_BYTES || decodeEntry(bytes, 0) !== undefined || rounds === 4) return bytes
          await appended(wal, a0, entryAt(640 + rounds++ * 10))
          const end = await appended(wal, a0, entryAt(640 + rounds++ * 10))
          if (rounds === 4) await wal.trim(end)
          return bytes
        }
        return { ...file, read }
      }
    }
    const log = new FileLog('of the test', openDevice, async () => undefined)
    const { findings } = await log.survey()
    await wal.close()
    assert.deepEqual([findings, rounds], [[], 4])
  })

  test('a stop ends it with Fault closed', async () => {
    const stop = AbortSignal.abort()
    await assert.rejects(verify({ stop }), (error) => isFault(error, 'closed'))
  })

  function segmentInUse(): string {
    const path = fixture.segmentPaths().find((one) => findEntryMagic(readFileSync(one), 0) !== undefined)
    return path ?? assert.fail('no segment with entries')
  }
})

/** `data` whose stores call `before` ahead of every read of bytes. */
function withStore(data: StoredData, before: (store: ObjectStore, key: string) => Promise<void>): StoredData {
  const watched = (store: ObjectStore): ObjectStore =>
    wrapped(store, {
      get: async (key, range) => {
        await before(store, key)
        return store.get(key, range)
      }
    })
  return { ...data, stores: { ...data.stores, store: (profile) => watched(data.stores.store(profile)) } }
}

/** `store` that runs `upload` before it lists for the first time. */
function listening(store: ObjectStore, upload: () => Promise<void>): ObjectStore {
  return wrapped(store, {
    async *list(prefix) {
      await upload()
      yield* store.list(prefix)
    }
  })
}

function wrapped(store: ObjectStore, changes: Partial<ObjectStore>): ObjectStore {
  return new Proxy(store, {
    get(target, name) {
      if (Object.hasOwn(changes, name)) return Reflect.get(changes, name)
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    }
  })
}

/** Digests of all files but SQLite's shared memory, which readers use to tell each other what they read. */
function digests(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('-shm'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => `${path} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`)
}
