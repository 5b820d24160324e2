/** The commands that look at a cluster and steer it, on a database that no node uses at the moment. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { openDatabase } from '../metadata/open-database.ts'
import { SqlMetadata } from '../metadata/sql-metadata.ts'
import { sleep } from '../runtime/clock.ts'
import { systemClock as clock } from '../runtime/system-clock.ts'
import { systemRandom as random } from '../runtime/system-random.ts'
import { runCommand } from './program-fixture.ts'

describe('cluster commands', () => {
  let root = ''
  let url = ''
  let metadata: SqlMetadata
  let databases = 0
  // A waiting command does not keep a process alive by itself.
  const alive = setInterval(() => {}, 1000)

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'longhaul-cluster-cli-'))
  })
  after(async () => {
    clearInterval(alive)
    await metadata.close()
    await rm(root, { recursive: true })
  })

  /** Brokers 1 to 3, of which the first is the controller and leads all of `t`; broker 4 has stopped. */
  beforeEach(async () => {
    if (databases > 0) await metadata.close()
    url = `sqlite://${root}/${++databases}.sqlite`
    metadata = await SqlMetadata.open({ database: await openDatabase(url, { clock, random }), clock, random })
    for (const id of [1, 2, 3, 4]) {
      const epoch = await metadata.registerNode(id)
      const place = { host: `host-${id}`, port: 9092, rack: `zone-${id}`, wal: 'file:' }
      await metadata.announceNode(id, epoch, id === 4 ? 'stopped' : 'running', place)
      if (id < 4) await metadata.renewNodeLease({ id, epoch }, 60_000)
    }
    await metadata.holdController({ id: 1, epoch: 1 }, 60_000)
    await metadata.createTopic({ name: 't', partitions: 6, configs: {}, internal: false, leaders: [1] })
    await metadata.createTopic({ name: 'lost', partitions: 1, configs: {}, internal: false, leaders: [4] })
  })

  const run = (args: string) => runCommand([...args.split(' '), '--metadata', url], { workingDirectory: root })
  async function succeed(args: string): Promise<string> {
    const { status, output, errors } = await run(args)
    assert.equal(status, 0, errors)
    return output
  }
  async function fail(args: string, status: number, message: RegExp): Promise<void> {
    const result = await run(args)
    assert.equal(result.status, status, result.output + result.errors)
    assert.match(result.errors, message)
  }
  const partitions = async (name = 't') => {
    await metadata.poll()
    return metadata.image.topic(name)?.partitions ?? []
  }
  /** What the leader would do: hands over what has a target. */
  const handOver = async (nodeId: number) => {
    for (const { target, streamId, leader } of await partitions()) {
      if (target === null || leader !== nodeId) continue
      const epoch = metadata.image.stream(streamId)?.epoch ?? -1
      await metadata.handOver({ nodeId, nodeEpoch: 1, streams: [{ streamId, epoch, endOffset: 0, to: target }] })
    }
  }

  test('status shows brokers, the controller, what nobody serves, and failovers', async () => {
    const load = { streamId: (await partitions())[0]?.streamId ?? 0, bytesIn: 2048, bytesOut: 1024, requests: 5 }
    await metadata.reportLoad({ id: 1, epoch: 1 }, { eventLoopDelayMs: 1, appendDelayMs: 2, partitions: [load] })
    await metadata.recordFailover({
      nodeId: 4,
      nodeEpoch: 2,
      controllerEpoch: 1,
      found: 'running',
      sinceMs: 1_700_000_000_000,
      noticedMs: 12,
      fencedMs: 20,
      openedMs: 100,
      replayedMs: 300,
      committedMs: 400,
      handedOverMs: 12_400,
      attempts: 1,
      outcome: 'done',
      problem: undefined,
      partitions: 7,
      records: 8,
      bytes: 2048
    })
    const text = await succeed('cluster status')
    assert.match(text, /^controller: broker 1, epoch 1, lease (60|59) s$/m)
    assert.match(text, /^1 +running +zone-1 +host-1:9092 +1 +(60|59) s +6 +2.00 KiB\/s +1.00 KiB\/s +5.0\/s +-$/m)
    assert.match(text, /^4 +stopped +zone-4 +host-4:9092 +1 +- +1 +- +- +- +-$/m)
    assert.match(text, /^1 partitions that nobody serves:\nPARTITION.*\nlost-0 +4 +stopped$/m)
    assert.match(
      text,
      /^4 +2023-11-14T22:13:20.000Z +12 ms +20 ms +100 ms +300 ms +400 ms +12 s +7 partitions, 8 records, 2.00 KiB +done$/m
    )
    const status = JSON.parse(await succeed('cluster status --json'))
    assert.deepEqual([status.controller.nodeId, status.brokers.length, status.failovers.length], [1, 4, 1])
    assert.deepEqual(status.unserved, [{ topic: 'lost', partition: 0, leader: 4, why: 'stopped' }])
    assert.match(await succeed('cluster status --failovers 0'), /^no failovers$/m)
  })

  test('status says when nobody is the controller, and when a broker runs without a lease', async () => {
    await metadata.holdController({ id: 1, epoch: 1 }, 0)
    await metadata.renewNodeLease({ id: 1, epoch: 1 }, 0)
    const text = await succeed('cluster status')
    assert.match(text, /^controller: none/m)
    assert.match(text, /^1 +running .* over since \d+ ms/m)
    assert.match(text, /^7 partitions that nobody serves/m)
    assert.match(text, /^t-0 +1 +without a lease$/m)
  })

  test('balance shows what it would do with --plan, and does it without', async () => {
    const plan = await succeed('cluster balance --plan')
    assert.match(plan, /^t-\d +1 +[23] +broker 1 carries \d+ % of the mean, broker [23] 0 %$/m)
    assert.ok((await partitions()).every(({ target }) => target === null))
    const done = await succeed('cluster balance')
    assert.ok(done.startsWith(plan), 'the same, shown first')
    assert.match(done, /these moves have begun/)
    const targets = (await partitions()).map(({ target }) => target)
    assert.deepEqual([2, 3].map((id) => targets.filter((target) => target === id).length), [2, 2]) // biome-ignore format: one line
    await handOver(1)
    assert.equal(await succeed('cluster balance'), 'nothing is to move\n')
    assert.deepEqual(JSON.parse(await succeed('cluster balance --json')), { moves: [], cutBy: null, begun: false })
  })

  test('broker list shows what is on its way', async () => {
    await succeed('cluster balance')
    assert.match(await succeed('broker list'), /^1 .* 4 on their way elsewhere$/m)
    await metadata.setResourceConfigs('broker', '2', { 'longhaul.balance.exclude': 'true' })
    const listed = JSON.parse(await succeed('broker list --json'))
    const found = listed.map(({ id, partitions: led, leaving, excluded }: Record<string, unknown>) => [
      id,
      led,
      leaving,
      excluded
    ])
    assert.deepEqual(found.slice(0, 2), [[1, 6, 4, false], [2, 0, 0, true]]) // biome-ignore format: a table
  })

  test('a broker is drained, waited for, and given partitions again', async () => {
    assert.match(await succeed('broker drain 1'), /^broker 1 is draining and leads 6 partitions; --wait/)
    await metadata.poll()
    const { id, epoch, state, host, rack } = metadata.image.nodes().get(1) ?? {}
    assert.deepEqual([id, epoch, state, host, rack], [1, 1, 'draining', 'host-1', 'zone-1'])
    await fail('broker drain 1 --wait --timeout-ms 300', 3, /still leads 6 partitions: longhaul cluster status/)
    const waiting = run('broker drain 1 --wait')
    await sleep(clock, 300)
    await succeed('cluster balance')
    await handOver(1)
    const { status, output, errors } = await waiting
    assert.equal(status, 0, errors)
    assert.equal(output, 'broker 1 was draining already and leads nothing: it can be stopped\n')
    assert.match(errors, /^broker 1 leads 6 partitions$/m)
    assert.equal(await succeed('broker drain 1 --cancel'), 'broker 1 takes partitions again\n')
    const again = JSON.parse(await succeed('broker drain 1 --cancel --json'))
    assert.deepEqual(again, { id: 1, state: 'running', changed: false, partitions: 0 })
  })

  test('a broker that cannot be drained is told why', async () => {
    await fail('broker drain 9', 1, /there is no broker 9; those there are: 1, 2, 3, 4/)
    await fail('broker drain 4', 1, /broker 4 is stopped: only one that runs/)
    await fail('broker drain x', 2, /whole number/)
    await fail('broker drain 1 --cancel --wait', 2, /exclude each other/)
    for (const id of [2, 3]) await succeed(`broker drain ${id}`)
    await fail('broker drain 1', 1, /no other broker runs .* start one first/)
  })

  test('a partition is moved and described', async () => {
    assert.equal(await succeed('partition move t 2 3'), 't-2 moves from broker 1 to broker 3\n')
    assert.equal((await partitions())[2]?.target, 3)
    assert.match(await succeed('partition describe t 2'), /^t-2 +1 +running +0 +3 +- +0 +0 +- +- +-$/m)
    assert.equal(JSON.parse(await succeed('partition describe t --json')).length, 6)
    assert.equal(await succeed('partition move t 2 1'), 't-2 stays at broker 1\n')
    assert.equal((await partitions())[2]?.target, null)
    const moved = JSON.parse(await succeed('partition move t 0 2 --json'))
    assert.deepEqual(moved, { topic: 't', partition: 0, from: 1, to: 2, begun: true })
  })

  test('a partition that cannot be moved is told why', async () => {
    await fail('partition move t 6 2', 1, /topic t has partitions 0 to 5, and no 6/)
    await fail('partition move u 0 2', 1, /there is no topic u: longhaul topic list/)
    await fail('partition move t 0 4', 1, /broker 4 is stopped, and can take nothing: name one that runs: 1, 2, 3/)
    await fail('partition move t 0 9', 1, /broker 9 is not known/)
    await fail('partition describe t 6', 1, /no 6/)
    await metadata.setTopicConfigs((await partitions())[0]?.topicId ?? '', { 'longhaul.balance.pin': '1,2' })
    await fail('partition move t 0 3', 1, /pinned to broker 1, 2, .* longhaul.balance.pin/)
    assert.match(await succeed('partition describe t 0'), / 1,2 /)
  })

  test('a database that is not there is named, and not made', async () => {
    for (const command of ['cluster status', 'broker list', 'broker drain 1', 'partition describe t']) {
      const { status, errors } = await runCommand([...command.split(' '), '--metadata', `sqlite://${root}/none.sqlite`])
      assert.equal(status, 1, errors)
      assert.match(errors, /there is no metadata database .*none.sqlite/)
    }
    assert.equal(existsSync(join(root, 'none.sqlite')), false)
  })
})
