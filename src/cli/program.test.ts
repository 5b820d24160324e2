import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import type { Configuration } from '../runtime/configuration.ts'
import { AssertionFault, Fault } from '../runtime/fault.ts'
import { exitCodeOf } from './exit-codes.ts'
import { lineBatches } from './produce.ts'
import { describeFailure } from './program.ts'
import { collector, idleSurroundings, runCommand } from './program-fixture.ts'
import { startCommand } from './start.ts'
import { exampleStatus } from './status-example-fixture.ts'

describe('the command line', () => {
  test('help of every command shows an example or its commands, on standard output, with status 0', async () => {
    for (const command of ['', 'topic', 'group', 'device', 'storage', 'cluster', 'broker', 'partition']) {
      const { status, output, errors } = await runCommand([...command.split(' ').filter(Boolean), '--help'])
      assert.deepEqual([status, errors], [0, ''], command)
      assert.match(output, /Commands:/)
    }
    const leaves = ['start', 'topic create', 'topic list', 'topic describe', 'topic delete', 'produce', 'consume']
    const storage = ['ls', 'describe', 'verify', 'dump'].map((name) => `storage ${name}`)
    const others = ['group list', 'group describe', 'device add', 'device list', 'simulate']
    const cluster = ['cluster status', 'cluster balance', 'broker list', 'broker drain', 'partition move']
    for (const command of [...leaves, ...others, ...storage, ...cluster, 'partition describe']) {
      const { status, output } = await runCommand([...command.split(' '), '--help'])
      assert.equal(status, 0, command)
      assert.match(output, /Examples?:\n/, command)
      assert.match(output, /--json/, command)
    }
  })

  test('wrong arguments end with status 2 and say what is allowed', async () => {
    const cases: [string[], RegExp][] = [
      [['topcs'], /Did you mean topic\?/],
      [['topic', 'list', '--jsno'], /Did you mean --json\?/],
      [['topic', 'create'], /missing required argument 'name'/],
      [['topic', 'create', 't', '--partitions', '0'], /whole number, 1 to 10000/],
      [['topic', 'create', 't', '--config', 'x'], /name=value/],
      [['consume', 't', '--offset', '1', '--from-beginning'], /exclude each other/],
      [['consume', 't', '--group', 'g', '--offset', '1'], /leave out --offset/],
      [['produce', 't', '--key', 'k', '--key-separator', ':'], /exclude each other/],
      [['topic', 'list', '--bootstrap', 'a b'], /host:port/],
      [['start', '--kafka-port', 'x'], /kafkaPort is "x" \(flag --kafka-port\)/],
      [['start', '--host', '0.0.0.0'], /--allow-unauthenticated-clients/]
    ]
    for (const [args, message] of cases) {
      const { status, output, errors } = await runCommand(args)
      assert.deepEqual([status, output], [2, ''], args.join(' '))
      assert.match(errors, message)
    }
  })

  test('a broker that does not run is status 3, and the message says how to start one', async () => {
    const closed = await unusedPort()
    const { status, errors } = await runCommand(['topic', 'list', '--bootstrap', `127.0.0.1:${closed}`])
    assert.equal(status, 3)
    assert.match(errors, new RegExp(`nothing listens on 127.0.0.1:${closed}: start a node with \`npm start\``))
  })

  test('a fault says what is wrong; anything else is a bug, with its stack and status 70', () => {
    assert.equal(exitCodeOf(new Fault('missing', 'x')), 1)
    assert.equal(exitCodeOf(new Fault('invalid', 'x')), 2)
    assert.equal(exitCodeOf(new Fault('unavailable', 'x')), 3)
    for (const bug of [new AssertionFault('x'), new TypeError('x'), 'x']) assert.equal(exitCodeOf(bug), 70)
    assert.equal(describeFailure(new Fault('missing', 'no topic')), 'longhaul: no topic\n')
    assert.match(describeFailure(new AssertionFault('no way')), /bug in longhaul(.|\n)*no way\n\s+at /)
  })
})

describe('start', () => {
  async function start(flags: readonly string[], failed = new Promise<never>(() => {})) {
    const stop = new AbortController()
    const { terminal, text } = collector()
    const seen: Configuration[] = []
    let closed = 0
    const surroundings = { ...idleSurroundings(), output: terminal, stop: stop.signal }
    const command = startCommand(surroundings, async (configuration) => {
      seen.push(configuration)
      return { status: () => exampleStatus, failed, close: async () => void closed++ }
    })
    const running = command.exitOverride().parseAsync(flags, { from: 'user' })
    return { stop, text, seen, running, closed: () => closed }
  }

  test('a node gets the settings, shows the next steps, and is closed once when told to stop', async () => {
    const { stop, text, seen, running, closed } = await start(['--no-fleet', '--kafka-port', '19092'])
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual([seen[0]?.fleet, seen[0]?.kafkaPort, seen[0]?.dataDir], [false, 19_092, '/nowhere/data'])
    assert.match(text(), /kcat -b 127\.0\.0\.1:9092 -t telemetry/)
    assert.match(text(), /curl .*\n.*http:\/\/127\.0\.0\.1:8080\/v1\/telemetry/)
    assert.equal(closed(), 0)
    stop.abort()
    await running
    assert.equal(closed(), 1)
    assert.match(text(), /stopped; everything acknowledged is kept\n$/)
  })

  test('a node that can take no records any more is closed, and its fault is the end of the command', async () => {
    const { running, closed } = await start([], Promise.reject(new Fault('closed', 'the device failed')))
    await assert.rejects(running, /the device failed/)
    assert.equal(closed(), 1)
  })

  test('with --json every line is JSON', async () => {
    const { stop, text, running } = await start(['--json'])
    stop.abort()
    await running
    const events = text()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).event)
    assert.deepEqual(events, ['started', 'status', 'status', 'stopping', 'stopped'])
  })
})

describe('lines of standard input', () => {
  async function batchesOf(chunks: readonly Uint8Array[], stop = new AbortController().signal) {
    const batches = []
    for await (const batch of lineBatches(Readable.from(chunks), stop)) batches.push(batch)
    return batches
  }

  test('lines and characters that are cut between chunks stay whole', async () => {
    const text = Buffer.from('erste\r\nzweite ü\n\ndritte')
    for (let cut = 0; cut <= text.length; cut++) {
      const batches = await batchesOf([text.subarray(0, cut), text.subarray(cut)])
      assert.deepEqual(batches.flat(), ['erste', 'zweite ü', '', 'dritte'], `cut at ${cut}`)
    }
  })

  test('a large chunk is passed on in portions, in order', async () => {
    const lines = Array.from({ length: 2_500 }, (_, index) => String(index))
    const batches = await batchesOf([Buffer.from(`${lines.join('\n')}\n`)])
    assert.deepEqual(
      batches.map((batch) => batch.length),
      [1_000, 1_000, 500]
    )
    assert.deepEqual(batches.flat(), lines)
  })
})

async function unusedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : assert.fail('no port')
}
