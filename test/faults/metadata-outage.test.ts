/** The metadata database goes away while nodes use it, in several ways, and comes back: nothing is lost, nobody restarts. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { assertSound, contentsOf } from '../../src/metadata/image-check.ts'
import { openDatabase } from '../../src/metadata/open-database.ts'
import { PostgresServer, skipWithoutPostgres } from '../../src/metadata/postgres-fixture.ts'
import { SqlMetadata } from '../../src/metadata/sql-metadata.ts'
import { isFault } from '../../src/runtime/fault.ts'
import type { Log } from '../../src/runtime/log.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { eventually, pause } from '../conformance/waiting.ts'
import { CutProxy } from './cut-proxy.ts'

let seeds = 0

async function open(url: string, log: Log = silentLog): Promise<SqlMetadata> {
  seeds += 1
  const effects = { clock: systemClock, random: seededRandom(seeds) }
  const metadata = await SqlMetadata.open({ ...effects, database: await openDatabase(url, effects) })
  metadata.follow(log)
  return metadata
}

/** Uploads to one stream again and again, as a node does: what is not answered is repeated until it is. */
class Uploader {
  readonly metadata: SqlMetadata
  readonly streamId: number
  readonly epoch: number
  /** Offset up to which commits were answered. */
  end = 0
  failures = 0
  #stopped = false
  #running: Promise<void> = Promise.resolve()

  private constructor(metadata: SqlMetadata, streamId: number, epoch: number) {
    this.metadata = metadata
    this.streamId = streamId
    this.epoch = epoch
  }

  static async start(metadata: SqlMetadata, node: number): Promise<Uploader> {
    const topic = await metadata.createTopic({
      name: `of-${node}`,
      partitions: 1,
      configs: {},
      internal: false,
      leaders: [node]
    })
    const streamId = topic.partitions[0]?.streamId ?? -1
    await metadata.openStreams(node, [streamId])
    const uploader = new Uploader(metadata, streamId, metadata.image.stream(streamId)?.epoch ?? -1)
    uploader.#running = uploader.#run(node)
    return uploader
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #run(nodeId: number): Promise<void> {
    while (!this.#stopped) {
      const { id: objectId } = await this.#persist(() => this.metadata.prepareObject('main'))
      const part = { streamId: this.streamId, startOffset: this.end, endOffset: this.end + 10 }
      const objects = [{ objectId, bytes: 80, ranges: [{ ...part, bytes: 10, maxTimestamp: -1 }] }]
      const streams = [{ ...part, epoch: this.epoch, snapshot: undefined }]
      await this.#persist(() => this.metadata.commitUpload({ nodeId, objects, streams }))
      this.end += 10
    }
  }

  async #persist<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call()
      } catch (error) {
        if (!isFault(error, 'unavailable')) throw error
        this.failures += 1
        await pause(50)
      }
    }
  }
}

async function check(url: string, uploaders: readonly Uploader[]): Promise<void> {
  const fresh = await open(url)
  assertSound(fresh.image)
  for (const { metadata, streamId, end } of uploaders) {
    assert.equal(fresh.image.stream(streamId)?.endOffset, end, 'a commit was lost, or happened twice')
    await metadata.poll()
    assert.deepEqual(contentsOf(metadata.image), contentsOf(fresh.image))
    assert.equal(metadata.imageLoads, 1, 'the image was read anew')
  }
  await fresh.close()
}

describe('the metadata database goes away and comes back', { skip: skipWithoutPostgres }, () => {
  let server: PostgresServer
  /** During an outage nothing else may be left that keeps this process alive: the clock's timers do not. */
  let alive: NodeJS.Timeout
  before(async () => {
    alive = setInterval(() => {}, 1000)
    server = await PostgresServer.start()
  })
  after(() => {
    clearInterval(alive)
    return server.stop()
  })

  test('it is killed while two nodes write', async (t) => {
    const url = await server.createDatabase()
    const said: string[] = []
    const say = (_: unknown, message: string) => said.push(message)
    const nodes = [await open(url, { ...silentLog, info: say, warn: say }), await open(url)] as const
    const uploaders = [await Uploader.start(nodes[0], 1), await Uploader.start(nodes[1], 2)]
    const ends = () => uploaders.map(({ end }) => end)
    for (const outageMs of [0, 500, 7000]) {
      const before = ends()
      await eventually('both write', () => ends().every((end, i) => end > (before[i] ?? 0) + 50), 20_000)
      await server.kill()
      await pause(outageMs)
      if (outageMs > 5000) {
        const node = { id: 1, epoch: 1 }
        await assert.rejects(nodes[0].renewNodeLease(node, 1000), (error) => isFault(error, 'unavailable'))
      }
      const during = ends()
      await server.restart()
      const begun = performance.now()
      await eventually('both write again', () => ends().every((end, i) => end > (during[i] ?? 0)), 20_000)
      t.diagnostic(`away for ${outageMs} ms: all write again after ${Math.round(performance.now() - begun)} ms`)
    }
    await Promise.all(uploaders.map((uploader) => uploader.stop()))
    await check(url, uploaders)
    await Promise.all(nodes.map((node) => node.close()))
    assert.ok(
      uploaders.some(({ failures }) => failures > 0),
      'nobody noticed the long outage'
    )
    assert.equal(said.length % 2, 0, `each outage is told once, and its end: ${said.join('; ')}`)
  })

  test('an administrator ends all connections, again and again', async () => {
    const url = await server.createDatabase()
    const nodes = [await open(url), await open(url)] as const
    const uploaders = [await Uploader.start(nodes[0], 1), await Uploader.start(nodes[1], 2)]
    for (let round = 0; round < 20; round++) {
      await pause(50 + 17 * round)
      await server.terminateConnections(new URL(url).pathname.slice(1))
    }
    await Promise.all(uploaders.map((uploader) => uploader.stop()))
    await check(url, uploaders)
    await Promise.all(nodes.map((node) => node.close()))
  })

  for (const outage of ['refused', 'silent'] as const) {
    test(`the network between it and one node is cut, ${outage}: the other goes on, and the first catches up`, async (t) => {
      const url = await server.createDatabase()
      const proxy = await CutProxy.open({ host: '127.0.0.1', port: server.port })
      const cut = await open(server.url(new URL(url).pathname.slice(1), proxy.port))
      const free = await open(url)
      const uploaders = [await Uploader.start(cut, 1), await Uploader.start(free, 2)] as const
      await eventually('both write', () => uploaders.every(({ end }) => end > 50), 20_000)
      proxy.cut(outage)
      // Whatever the cut left open in the database must not stop the others for long.
      const before = uploaders[1].end
      const begun = performance.now()
      await eventually('the other writes', () => uploaders[1].end > before + 20, 10_000)
      t.diagnostic(`the other node wrote on after ${Math.round(performance.now() - begun)} ms`)
      await free.createTopic({ name: 'meanwhile', partitions: 1, configs: {}, internal: false, leaders: [2] })
      await pause(3000)
      assert.equal(cut.image.topic('meanwhile'), undefined)
      proxy.restore()
      await eventually('the first catches up', () => cut.image.topic('meanwhile') !== undefined, 15_000)
      const stuck = uploaders[0].end
      await eventually('the first writes again', () => uploaders[0].end > stuck, 15_000)
      await Promise.all(uploaders.map((uploader) => uploader.stop()))
      await check(url, uploaders)
      await Promise.all([cut.close(), free.close()])
      await proxy.close()
    })
  }

  test('a lease is renewed in time although the connections of before lead nowhere', async (t) => {
    const url = await server.createDatabase()
    const proxy = await CutProxy.open({ host: '127.0.0.1', port: server.port })
    const metadata = await open(server.url(new URL(url).pathname.slice(1), proxy.port))
    const node = { id: 1, epoch: await metadata.registerNode(1) }
    proxy.cut('silent')
    proxy.reroute()
    const begun = performance.now()
    assert.equal(await metadata.renewNodeLease(node, 1000), true)
    t.diagnostic(`renewed after ${Math.round(performance.now() - begun)} ms`)
    assert.ok(performance.now() - begun < 5000, `${performance.now() - begun} ms`)
    await metadata.close()
    await proxy.close()
  })

  test('a server that answers nothing for long makes calls fail, not hang', async () => {
    const url = await server.createDatabase()
    const proxy = await CutProxy.open({ host: '127.0.0.1', port: server.port })
    const metadata = await open(server.url(new URL(url).pathname.slice(1), proxy.port))
    proxy.cut('silent')
    const begun = performance.now()
    await assert.rejects(metadata.renewNodeLease({ id: 1, epoch: 1 }, 1000), (error) => isFault(error, 'unavailable'))
    assert.ok(performance.now() - begun < 20_000, `${performance.now() - begun} ms`)
    proxy.restore()
    assert.equal(await metadata.renewNodeLease({ id: 1, epoch: 1 }, 1000), false)
    await metadata.close()
    await proxy.close()
  })
})
