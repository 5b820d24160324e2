/** Several `Metadata` on one PostgreSQL, as several nodes have them: how their images follow each other. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { isFault } from '../runtime/fault.ts'
import { silentLog } from '../runtime/log.ts'
import { seededRandom } from '../runtime/random.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { contentsOf } from './image-check.ts'
import type { NewTopic } from './metadata.ts'
import { openDatabase } from './open-database.ts'
import { PostgresServer, skipWithoutPostgres } from './postgres-fixture.ts'
import { SqlMetadata } from './sql-metadata.ts'

let seeds = 0

async function open(url: string, isFollowing = true): Promise<SqlMetadata> {
  seeds += 1
  const effects = { clock: systemClock, random: seededRandom(seeds) }
  const metadata = await SqlMetadata.open({ ...effects, database: await openDatabase(url, effects) })
  if (isFollowing) metadata.follow(silentLog)
  return metadata
}

function topicOf(name: string, partitions = 1): NewTopic {
  return { name, partitions, configs: {}, internal: false, leaders: [1] }
}

/** Milliseconds until the image shows the topic. */
async function seen(metadata: SqlMetadata, name: string, withinMs: number): Promise<number> {
  const begun = performance.now()
  while (metadata.image.topic(name) === undefined) {
    const waited = performance.now() - begun
    assert.ok(waited < withinMs, `topic ${name} is not seen after ${waited} ms`)
    await pause(1)
  }
  return performance.now() - begun
}

describe('metadata of several nodes on PostgreSQL', { skip: skipWithoutPostgres }, () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start()
  })
  after(() => server.stop())

  test('each sees what the other commits, long before it would ask', async (t) => {
    const url = await server.createDatabase()
    const [one, other] = [await open(url), await open(url)]
    await pause(300)
    const waits: number[] = []
    for (let i = 0; i < 40; i++) {
      const [writer, reader] = i % 2 === 0 ? [one, other] : [other, one]
      await writer.createTopic(topicOf(`t${i}`))
      waits.push(await seen(reader, `t${i}`, 2000))
    }
    waits.sort((a, b) => a - b)
    t.diagnostic(`from the end of createTopic to the other's image: median ${waits[20]?.toFixed(1)} ms`)
    assert.ok((waits[20] ?? Number.POSITIVE_INFINITY) < 100, 'the median is that of polling')
    assert.deepEqual(contentsOf(one.image), contentsOf(other.image))
    assert.deepEqual([one.imageLoads, other.imageLoads], [1, 1])
    await Promise.all([one.close(), other.close()])
  })

  test('what is said while nobody can hear is found by asking, without reading everything anew', async () => {
    const url = await server.createDatabase()
    const name = new URL(url).pathname.slice(1)
    const [writer, reader] = [await open(url, false), await open(url)]
    for (let round = 0; round < 5; round++) {
      await pause(100)
      const created = writer.createTopic(topicOf(`t${round}`, 20))
      await server.terminateConnections(name)
      // The one whose commit was cut off may have happened: it is either there, or can be created again.
      await created.catch(async (error: unknown) => {
        assert.ok(isFault(error, 'unavailable'), String(error))
        await writer.poll()
        if (writer.image.topic(`t${round}`) === undefined) await writer.createTopic(topicOf(`t${round}`, 20))
      })
      await seen(reader, `t${round}`, 4000)
    }
    assert.deepEqual(contentsOf(reader.image), contentsOf(writer.image))
    assert.deepEqual([writer.imageLoads, reader.imageLoads], [1, 1])
    await Promise.all([writer.close(), reader.close()])
  })

  test('no change is missed and none is lost when four write at once', async () => {
    const url = await server.createDatabase()
    const nodes = await Promise.all([open(url), open(url), open(url), open(url)])
    const watcher = await open(url)
    const names = Array.from({ length: 20 }, (_, i) => `t${i}`)
    const outcomes = await Promise.all(
      nodes.map(async (metadata, n) => {
        let created = 0
        for (const name of names) {
          try {
            await metadata.createTopic(topicOf(name, 3))
            created += 1
          } catch (error) {
            assert.ok(isFault(error, 'conflict'), String(error))
          }
          const topic = metadata.image.topic(name)
          assert.ok(topic, 'whoever is told that it exists can see it')
          await metadata.setTopicConfigs(topic.id, { [`of.${n}`]: name })
        }
        return created
      })
    )
    assert.equal(outcomes.reduce((sum, created) => sum + created, 0), names.length) // biome-ignore format: one line
    const fresh = await open(url, false)
    for (const metadata of [...nodes, watcher]) {
      await metadata.poll()
      assert.deepEqual(contentsOf(metadata.image), contentsOf(fresh.image))
      assert.equal(metadata.imageLoads, 1)
    }
    for (const name of names) {
      const set = Object.keys(fresh.image.topic(name)?.configs ?? {}).length
      assert.equal(set, nodes.length, `${name} lost a setting`)
    }
    await Promise.all([...nodes, watcher, fresh].map((metadata) => metadata.close()))
  })

  test('a lease is renewed while others write, and nobody hears of it', async () => {
    const url = await server.createDatabase()
    const [one, other] = [await open(url), await open(url)]
    const node = { id: 7, epoch: await one.registerNode(7) }
    await pause(200)
    let changes = 0
    const stop = other.subscribe(() => {
      changes += 1
    })
    for (let i = 0; i < 20; i++) assert.equal(await one.renewNodeLease(node, 5000), true)
    await pause(200)
    assert.equal(changes, 0)
    stop()
    await Promise.all([one.close(), other.close()])
  })

  test('closing ends promptly, also while nothing answers', async () => {
    const lonely = await PostgresServer.start()
    const metadata = await open(await lonely.createDatabase())
    await pause(100)
    await lonely.stop()
    const begun = performance.now()
    await metadata.close()
    assert.ok(performance.now() - begun < 8000)
  })
})
