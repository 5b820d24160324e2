/** The commands against a node of our own, from a topic's creation to a group's offsets. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type RunningNode, startNode } from '../node/node.ts'
import { loadConfiguration } from '../runtime/configuration.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { systemRandom } from '../runtime/system-random.ts'
import { runCommand } from './program-fixture.ts'

describe('commands', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'longhaul-cli-'))
  let node: RunningNode

  before(async () => {
    const flags = { dataDir, fleet: false, kafkaPort: '0', mqttPort: '0', httpPort: '0' }
    const readFile = () => assert.fail('no file')
    const configuration = loadConfiguration({ flags, env: {}, readFile, workingDirectory: dataDir })
    node = await startNode(configuration, { clock: systemClock, random: systemRandom })
  })

  after(async () => {
    await node.close()
    rmSync(dataDir, { recursive: true })
  })

  const run = (args: string, stdin = '') => runCommand(args.split(' '), { env: {}, stdin, workingDirectory: dataDir })

  /** Runs with --bootstrap and expects success; returns what was printed. */
  async function succeed(args: string, stdin?: string): Promise<string> {
    const { status, output, errors } = await run(`${args} --bootstrap ${node.status().kafkaAddress}`, stdin)
    assert.equal(status, 0, errors)
    return output
  }

  async function fail(args: string, status: number, message: RegExp): Promise<void> {
    const result = await run(`${args} --bootstrap ${node.status().kafkaAddress}`)
    assert.equal(result.status, status, result.errors)
    assert.match(result.errors, message)
  }

  test('a topic is created, listed, described and deleted', async () => {
    assert.equal(
      await succeed('topic create a --partitions 2 -c retention.ms=1000000'),
      'created topic a with 2 partitions\n'
    )
    await fail('topic create a', 1, /TOPIC_ALREADY_EXISTS/)
    assert.equal(JSON.parse(await succeed('topic create a --if-not-exists --json')).created, false)
    const listed = JSON.parse(await succeed('topic list --json'))
    assert.deepEqual(
      listed.find(({ name }: { name: string }) => name === 'a'),
      { name: 'a', partitions: 2 }
    )
    const described = JSON.parse(await succeed('topic describe a --json'))
    assert.deepEqual(described.configs, { 'retention.ms': '1000000' })
    assert.deepEqual(
      described.partitions.map((it: { endOffset: number }) => it.endOffset),
      [0, 0]
    )
    assert.equal(await succeed('topic delete a'), 'deleted a\n')
    await fail('topic describe a', 1, /no topic a: create it/)
  })

  test('what is produced is consumed, with keys, headers, partitions and offsets', async () => {
    await succeed('topic create b --partitions 1')
    await succeed('produce b --key-separator : --header h=1 --compression gzip', 'k1:one\nk2:two:2\n')
    assert.equal(await succeed('produce b --value three --json'), '{"topic":"b","partition":0,"offset":2}\n')
    assert.equal(await succeed('consume b --from-beginning --max-messages 3'), 'one\ntwo:2\nthree\n')
    const lines = (await succeed('consume b --offset 1 --partition 0 --timeout-ms 100 --json')).trimEnd().split('\n')
    const [second, third] = lines.map((line) => JSON.parse(line))
    assert.deepEqual([second.key, second.value, second.headers], ['k2', 'two:2', [['h', '1']]])
    assert.deepEqual([third.offset, third.key, third.headers], [2, null, []])
    await fail('consume b --offset 4 --partition 0', 2, /offset 4 is not in partition 0 of b: it holds 0 to 3/)
    await fail('consume b --partition 1', 2, /has no partition 1/)
    await fail('consume missing', 1, /no topic missing/)
  })

  test('a group goes on where it stopped, and its lag is shown', async () => {
    await succeed('topic create c --partitions 1')
    await succeed('produce c', 'one\ntwo\nthree\n')
    assert.equal(await succeed('consume c --group g --from-beginning --max-messages 2'), 'one\ntwo\n')
    const [offsets] = JSON.parse(await succeed('group describe g --json')).offsets
    assert.deepEqual(offsets, { topic: 'c', partition: 0, committedOffset: 2, endOffset: 3, lag: 1 })
    assert.equal(await succeed('consume c --group g --max-messages 1'), 'three\n')
    assert.match(await succeed('group list'), /^g +EMPTY/m)
    await fail('group describe nobody', 1, /no group nobody/)
  })

  test('a device gets its token once, on standard output alone', async () => {
    const added = await run(`device add truck-7 --attribute region=eu --data-dir ${dataDir}`)
    assert.deepEqual([added.status, /^lhd_\S+\n$/.test(added.output)], [0, true], added.errors)
    assert.equal((await run(`device add truck-7 --data-dir ${dataDir}`)).status, 1)
    const [device] = JSON.parse((await run(`device list --json --data-dir ${dataDir}`)).output)
    assert.deepEqual([device.id, device.enabled, device.attributes], ['truck-7', true, { region: 'eu' }])
    assert.ok(!JSON.stringify(device).includes('lhd_'))
  })

  test('a mistyped data directory gets no device, and is not made', async () => {
    const wrong = join(dataDir, 'dtaa')
    for (const command of ['device add truck-8', 'device list']) {
      const { status, errors } = await run(`${command} --data-dir ${wrong}`)
      assert.equal(status, 1)
      assert.match(errors, /there is no directory .*dtaa: name the directory of a node/)
    }
    assert.equal(existsSync(wrong), false)
  })
})
