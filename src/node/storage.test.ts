import assert from 'node:assert/strict'
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { PostgresServer, skipWithoutPostgres } from '../metadata/postgres-fixture.ts'
import { loadConfiguration } from '../runtime/configuration.ts'
import { type FaultKind, isFault } from '../runtime/fault.ts'
import { silentLog } from '../runtime/log.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { systemRandom } from '../runtime/system-random.ts'
import { openStorage, type Storage } from './storage.ts'

let root = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'longhaul-storage-'))
})
after(() => rm(root, { recursive: true }))

let folders = 0
const newFolder = (): string => join(root, String(++folders))
const place = (path: string): string => pathToFileURL(path).href

function open(dataDir: string, flags: Readonly<Record<string, unknown>> = {}): Promise<Storage> {
  const sources = { flags: { dataDir, ...flags }, env: {}, readFile: () => '', workingDirectory: root }
  const effects = { clock: systemClock, random: systemRandom, log: silentLog, failed: assert.ifError }
  return openStorage(loadConfiguration(sources), effects)
}

/** Appends `count` entries to the one stream there is, and closes; nothing is uploaded. */
async function fill(dataDir: string, flags: Readonly<Record<string, unknown>>, count: number): Promise<void> {
  const storage = await open(dataDir, flags)
  const stream = await onlyStream(storage, flags)
  for (let i = 0; i < count; i++) {
    const baseOffset = stream.nextOffset
    await stream.append({ baseOffset, lastOffset: baseOffset, maxTimestamp: -1, payload: Buffer.alloc(100) })
  }
  await storage.close()
}

async function onlyStream({ metadata, engine }: Storage, flags: Readonly<Record<string, unknown>>) {
  const configs = flags.objectStoreProfiles === undefined ? {} : { 'longhaul.object.store.profile': 'eu' }
  const topic =
    metadata.image.topic('t') ??
    (await metadata.createTopic({ name: 't', partitions: 1, configs, internal: false, leaders: [1] }))
  const ids = topic.partitions.map(({ streamId }) => streamId)
  const [opened] = await engine.open(ids)
  assert.ok(opened !== undefined)
  opened.own({ capture: () => ({ snapshot: undefined, note: undefined }), profile: () => 'default' })
  return opened.stream
}

async function refused(kind: FaultKind, opening: Promise<Storage>, message: RegExp): Promise<void> {
  await assert.rejects(opening, (error) => {
    assert.ok(isFault(error, kind), String(error))
    assert.match(error.message, message)
    return true
  })
}

describe('the storage of a node', () => {
  for (const wal of [undefined, 'object:']) {
    it(`gives back what was acknowledged and not uploaded, log: ${wal ?? 'file'}`, async () => {
      const dataDir = newFolder()
      const flags = wal === undefined ? {} : { wal }
      await fill(dataDir, flags, 3)
      await fill(dataDir, flags, 4)
      const storage = await open(dataDir, flags)
      assert.equal((await onlyStream(storage, flags)).endOffset, 7)
      await storage.close()
    })
  }

  it('keeps its metadata on PostgreSQL when told so', { skip: skipWithoutPostgres }, async () => {
    const server = await PostgresServer.start()
    const flags = { metadata: await server.createDatabase() }
    const dataDir = newFolder()
    await fill(dataDir, flags, 3)
    const storage = await open(dataDir, flags)
    assert.equal((await onlyStream(storage, flags)).endOffset, 3)
    assert.ok(!(await readdir(dataDir)).some((name) => name.startsWith('metadata')))
    await storage.close()
    await server.stop()
  })

  it('refuses data, and a log that lies elsewhere, while another node has them', async () => {
    const [dataDir, log] = [newFolder(), newFolder()]
    const storage = await open(dataDir, { wal: place(log) })
    await refused('conflict', open(dataDir), /data directory .* in use by process \d+.*--data-dir/)
    await refused('conflict', open(newFolder(), { wal: place(log) }), /write-ahead log .* in use by process \d+.*--wal/)
    await storage.close()
  })

  it('refuses another log than its own, also before anything was uploaded, and takes its own back', async () => {
    const [dataDir, log, away] = [newFolder(), newFolder(), newFolder()]
    await fill(dataDir, { wal: place(log) }, 2)
    await refused('invalid', open(dataDir, { wal: place(newFolder()) }), /is not the one of this node.*--wal/)
    // As when its volume is not mounted.
    await rename(log, away)
    await refused('invalid', open(dataDir, { wal: place(log) }), /is not the one of this node/)
    await rm(log, { recursive: true })
    await rename(away, log)
    await fill(dataDir, { wal: place(log) }, 1)
  })

  it('refuses to change the kind of its log while that may hold records', async () => {
    const [inStore, onDisk] = [newFolder(), newFolder()]
    await fill(inStore, { wal: 'object:' }, 1)
    await refused('invalid', open(inStore), /--wal object:/)
    await fill(onDisk, {}, 1)
    await refused('invalid', open(onDisk, { wal: 'object:' }), /log/)
  })

  it('refuses a place of another cluster, and one that does not have its log', async () => {
    const [dataDir, store] = [newFolder(), newFolder()]
    const flags = { objectStore: place(store), wal: 'object:' }
    await fill(dataDir, flags, 1)
    await refused('invalid', open(newFolder(), { objectStore: place(store) }), /belongs to another cluster/)
    const elsewhere = { ...flags, objectStore: place(newFolder()) }
    await refused('invalid', open(dataDir, elsewhere), /right bucket and prefix/)
    assert.ok((await readdir(store)).includes('cluster'))
  })

  it('refuses to start without a profile that a topic names', async () => {
    const dataDir = newFolder()
    await fill(dataDir, { objectStoreProfiles: `eu=${place(newFolder())}` }, 1)
    await refused('invalid', open(dataDir), /profile "eu".*objectStoreProfiles/)
  })
})
