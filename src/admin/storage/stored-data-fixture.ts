/**
 * A data directory as a node leaves it behind: three partitions with entries in two objects and in the write-ahead log.
 * Written through the real metadata, object store and log; then closed, so that tests may damage it byte by byte.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import Libsql from 'libsql'
import { openDatabase } from '../../metadata/open-database.ts'
import { SqlMetadata } from '../../metadata/sql-metadata.ts'
import { DirectoryObjectStore } from '../../object-store/directory-object-store.ts'
import { silentLog } from '../../runtime/log.ts'
import { systemClock } from '../../runtime/system-clock.ts'
import { systemRandom } from '../../runtime/system-random.ts'
import type { Entry } from '../../stream/entry.ts'
import { buildObject, type StreamEntries } from '../../stream/objects/object-writer.ts'
import { FileWal } from '../../stream/wal/file-wal.ts'
import { FileWalDevice } from '../../stream/wal/file-wal-device.ts'
import { buildBatch } from '../../wire/records/batch-builder.ts'
import { openStoredData, type StoredData } from './stored-data.ts'

const NODE_ID = 1
const RECORDS_PER_ENTRY = 10
/** Small, so that an object of the test has several. */
const BLOCK_BYTES = 2_000
const EPOCH = 1

/** Ten records in a batch at `baseOffset`. */
export function entryAt(baseOffset: number, valueBytes = 20): Entry {
  const records = Array.from({ length: RECORDS_PER_ENTRY }, (_, n) => ({
    key: Buffer.from(`key-${baseOffset + n}`),
    value: Buffer.alloc(valueBytes, 97 + (n % 26)),
    timestamp: 1_700_000_000_000 + baseOffset + n
  }))
  const lastOffset = baseOffset + RECORDS_PER_ENTRY - 1
  const payload = buildBatch(records, { baseOffset, leaderEpoch: EPOCH })
  return { baseOffset, lastOffset, maxTimestamp: 1_700_000_000_000 + lastOffset, payload }
}

export function entriesFrom(startOffset: number, count: number): Entry[] {
  return Array.from({ length: count }, (_, n) => entryAt(startOffset + n * RECORDS_PER_ENTRY))
}

export class StoredDataFixture {
  readonly root = mkdtempSync(join(tmpdir(), 'longhaul-stored-'))
  /** Of `a-0`, `a-1` and `b-0`. */
  streamIds: number[] = []
  /** Of the object with all three, and the one with `a-0` alone. */
  keys: string[] = []

  /**
   * `a-0`: offsets 0 to 299 in the first object, 300 to 599 in the second, 600 to 629 in the log.
   * `a-1`: 0 to 99 in the first object, 100 to 119 in the log. `b-0`: 0 to 49 in the first object.
   */
  static async make(): Promise<StoredDataFixture> {
    const fixture = new StoredDataFixture()
    await fixture.#fill()
    return fixture
  }

  get configuration() {
    const place = (name: string): string => pathToFileURL(join(this.root, name)).href
    const metadata = place('metadata.sqlite').replace(/^file/, 'sqlite')
    return { metadata, objectStore: place('objects'), objectStoreProfiles: {}, wal: place('wal'), nodeId: NODE_ID }
  }

  open(): Promise<StoredData> {
    return openStoredData({ configuration: this.configuration, clock: systemClock, random: systemRandom })
  }

  /** The metadata as a node has it: to change what is stored. */
  async withMetadata<T>(work: (metadata: SqlMetadata) => Promise<T>): Promise<T> {
    const database = await openDatabase(this.configuration.metadata)
    const metadata = await SqlMetadata.open({ database, clock: systemClock, random: systemRandom })
    try {
      return await work(metadata)
    } finally {
      await metadata.close()
    }
  }

  openStore(): Promise<DirectoryObjectStore> {
    return DirectoryObjectStore.open({ root: join(this.root, 'objects'), clock: systemClock, random: systemRandom })
  }

  /** The log as a node has it, before its replay. */
  async openLog(): Promise<FileWal> {
    const device = await FileWalDevice.open(join(this.root, 'wal'))
    const segments = { segmentBytes: 64 * 1024, bytesMax: 1024 * 1024 }
    return new FileWal({ device, clock: systemClock, random: systemRandom, log: silentLog, ...segments })
  }

  objectPath(which: number): string {
    return join(this.root, 'objects', this.keys[which] ?? 'none')
  }

  segmentPaths(): string[] {
    const folder = join(this.root, 'wal')
    return readdirSync(folder)
      .filter((name) => name.endsWith('.wal'))
      .map((name) => join(folder, name))
  }

  /** Changes the metadata behind everybody's back. */
  sql(statement: string): void {
    const database = new Libsql(join(this.root, 'metadata.sqlite'))
    database.exec('PRAGMA foreign_keys = OFF')
    database.exec(statement)
    database.close()
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true })
  }

  /** Stores and commits one object with what is given of each stream. */
  async upload(metadata: SqlMetadata, store: DirectoryObjectStore, streams: readonly StreamEntries[]): Promise<string> {
    const built = buildObject(streams, BLOCK_BYTES)
    const { id, key } = await metadata.prepareObject('default')
    await store.put(key, built.parts)
    await metadata.commitUpload({
      nodeId: NODE_ID,
      objects: [{ objectId: id, bytes: built.bytes, ranges: built.ranges }],
      streams: built.ranges.map(({ streamId, startOffset, endOffset }) => {
        return { streamId, epoch: EPOCH, startOffset, endOffset, snapshot: undefined }
      })
    })
    return key
  }

  async #fill(): Promise<void> {
    const store = await this.openStore()
    await this.withMetadata(async (metadata) => {
      await metadata.registerNode(NODE_ID)
      const topic = { configs: {}, internal: false, leaders: [NODE_ID] }
      const a = await metadata.createTopic({ ...topic, name: 'a', partitions: 2 })
      const b = await metadata.createTopic({ ...topic, name: 'b', partitions: 1 })
      this.streamIds = [...a.partitions, ...b.partitions].map(({ streamId }) => streamId)
      await metadata.openStreams(NODE_ID, this.streamIds)
      const [a0 = 0, a1 = 0, b0 = 0] = this.streamIds
      const shared = [
        { streamId: a0, entries: entriesFrom(0, 30) },
        { streamId: a1, entries: entriesFrom(0, 10) },
        { streamId: b0, entries: entriesFrom(0, 5) }
      ]
      this.keys = [
        await this.upload(metadata, store, shared),
        await this.upload(metadata, store, [{ streamId: a0, entries: entriesFrom(300, 30) }])
      ]
      // The last entry of the second object is still in the log, as after a crash between commit and trim.
      await this.#append([
        [a0, entryAt(590)],
        [a1, entryAt(100)],
        [a0, entryAt(600)],
        [a0, entryAt(610)],
        [a1, entryAt(110)],
        [a0, entryAt(620)]
      ])
    })
    await store.close()
  }

  async #append(records: readonly (readonly [streamId: number, entry: Entry])[]): Promise<void> {
    const wal = await this.openLog()
    await wal.replay(() => undefined)
    for (const [streamId, entry] of records) await appended(wal, streamId, entry)
    await wal.close()
  }
}

/** One round of the log each: resolves when the entry is durable. */
export function appended(wal: FileWal, streamId: number, entry: Entry): Promise<number> {
  return new Promise((resolve, reject) => wal.append({ streamId, epoch: EPOCH, entry }, resolve, reject))
}

export function flipBit(path: string, position: number, bit = 0): void {
  const bytes = readFileSync(path)
  bytes.writeUInt8(bytes.readUInt8(position) ^ (1 << bit), position)
  writeFileSync(path, bytes)
}
