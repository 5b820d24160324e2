/** The storage commands on a data directory of a stopped node, and on none. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { flipBit, StoredDataFixture } from '../admin/storage/stored-data-fixture.ts'
import { findEntryMagic } from '../stream/wal/wal-entry.ts'
import { type Run, runCommand } from './program-fixture.ts'

describe('storage commands', () => {
  let fixture: StoredDataFixture

  before(async () => {
    fixture = await StoredDataFixture.make()
  })

  after(() => fixture.remove())

  const run = (args: string, dataDir = fixture.root): Promise<Run> =>
    runCommand(['storage', ...args.split(' '), '--data-dir', dataDir], { env: {}, workingDirectory: dataDir })

  async function succeed(args: string): Promise<string> {
    const { status, output, errors } = await run(args)
    assert.equal(status, 0, errors)
    return output
  }

  async function lines(args: string): Promise<Record<string, unknown>[]> {
    return (await succeed(args))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
  }

  test('ls shows streams with what is in the log alone, and objects', async () => {
    assert.match(await succeed('ls'), /^PARTITION.*\na-0 +1 +1 +0 +600 +2 +2 +[\d.]+ KiB +[\d.]+ KiB$/m)
    const [a0, a1, b0] = JSON.parse(await succeed('ls --json'))
    assert.deepEqual([a0.topic, a0.partition, a0.endOffset, a0.ranges], ['a', 0, 600, 2])
    assert.ok(a0.logBytes > a1.logBytes && a1.logBytes > 0)
    assert.equal(b0.logBytes, 0)
    assert.match(await succeed('ls objects'), /committed +\d+ s /)
    const [first] = JSON.parse(await succeed('ls objects --json'))
    assert.deepEqual([first.key, first.streams, first.state], [fixture.keys[0], 3, 'committed'])
  })

  test('describe shows totals, a topic, a partition and an object with its index', async () => {
    const totals = JSON.parse(await succeed('describe --json'))
    assert.deepEqual([totals.partitions, totals.objects.committed, totals.log.entries], [3, 2, 6])
    assert.ok(totals.spaceAmplification > 1 && totals.spaceAmplification < 2)
    // The node has written down what it asked of its store when it stopped, or will in half a minute.
    assert.match(await succeed('describe'), /^write amplification +(\d\.\d+|unknown: nothing is stored yet)$/m)
    assert.match(await succeed('describe'), /^requests per GB uploaded +(unknown: no node|[\d.]+ PUT, )/m)
    assert.match(await succeed('describe a-1'), /^a-1: stream 2, epoch 1, offsets 0 to 100 in objects/)
    assert.equal(JSON.parse(await succeed('describe a --json')).length, 2)
    const object = JSON.parse(await succeed(`describe object:${fixture.keys[1]} --json`))
    assert.deepEqual([object.id, object.ranges.length, object.blocks[0].firstOffset], [2, 1, 300])
    assert.match(await succeed('describe object:1'), /blocks in the index:\nPOSITION/)
    const missing = await run('describe object:7')
    assert.deepEqual([missing.status, missing.output], [1, ''])
    assert.match(missing.errors, /knows no object 7/)
    assert.match((await run('describe c')).errors, /no topic or partition c/)
  })

  test('dump prints the batches of a partition across objects and log', async () => {
    const batches = await lines('dump --topic a --partition 0 --json')
    assert.deepEqual(
      batches.map(({ baseOffset }) => baseOffset),
      Array.from({ length: 63 }, (_, n) => n * 10)
    )
    const [first] = await lines('dump --topic a --partition 0 --from-offset 605 --max 1 --records --json')
    const records = first?.records as { offset: number; key: string }[]
    assert.deepEqual([first?.baseOffset, first?.codec], [600, 'none'])
    assert.deepEqual([records.length, records[5]?.offset, records[5]?.key], [10, 605, 'key-605'])
    const text = await succeed('dump --topic b --partition 0 --max 1 --records')
    assert.match(
      text,
      /^b-0 0\.\.9 time=2023-11-14T\S+ bytes=\d+ records=10 codec=none leaderEpoch=1 in objects\/\S+ at byte/
    )
    assert.match(text, /^ {2}3 time=2023-11-14T22:13:20.003Z key="key-3" value="dddddddddddddddddddd"$/m)
    assert.match((await run('dump --topic a --partition 2')).errors, /a has partitions 0 to 1/)
  })

  test('dump prints an object and a segment of the log', async () => {
    const ofObject = await lines(`dump --object ${fixture.keys[0]} --json`)
    assert.deepEqual([ofObject.length, ofObject[0]?.partition], [45, 'a-0 (stream 1)'])
    const segment = fixture.segmentPaths().find((path) => findEntryMagic(readFileSync(path), 0) !== undefined) ?? ''
    for (const name of [segment, basename(segment)]) {
      const ofSegment = await lines(`dump --segment ${name} --json`)
      assert.deepEqual(
        ofSegment.map(({ baseOffset }) => baseOffset),
        [590, 100, 600, 610, 110, 620]
      )
    }
    assert.match((await run('dump')).errors, /say what to dump/)
    assert.match((await run('dump --object objects/none')).errors, /objects\/none/)
  })

  test('verify ends with status 0, and with 1 when there is damage, one line for each', async () => {
    const clean = await run('verify --records')
    assert.deepEqual([clean.status, clean.errors], [0, ''])
    assert.match(clean.output, /^3 streams, 2 objects, \d+ blocks, 75 entries, [\d.]+ KiB, 750 records$/m)
    flipBit(fixture.objectPath(1), 100)
    const damaged = await run('verify')
    const dumped = await run(`dump --object ${fixture.keys[1]}`)
    const found = await run('verify --json')
    flipBit(fixture.objectPath(1), 100)
    assert.equal(damaged.status, 1)
    assert.match(damaged.output, new RegExp(`^damage: ${fixture.keys[1]} at byte 0: .*checksum.* To do: restore`, 'm'))
    assert.match(damaged.errors, /1 of the findings are damage/)
    assert.equal(dumped.status, 1)
    assert.match(dumped.errors, /contradicts its checksum(.|\n)*1 blocks are damaged/)
    const [finding, totals] = found.output.split('\n').map((line) => (line === '' ? {} : JSON.parse(line)))
    assert.deepEqual([finding.kind, totals.findings.damage], ['damage', 1])
  })

  test('a data directory that does not exist is named, and not made', async () => {
    const wrong = join(fixture.root, 'dtaa')
    for (const args of ['ls', 'describe', 'verify', 'dump --object x']) {
      const { status, errors } = await run(args, wrong)
      assert.equal(status, 1, args)
      assert.match(errors, /there is no metadata database .*dtaa\/metadata.sqlite: name the directory of a node/)
    }
    assert.equal(existsSync(wrong), false)
    const moved = await run(`ls --object-store file://${wrong}/objects`)
    assert.match(moved.errors, /dtaa\/objects: there is no such folder/)
    assert.equal(existsSync(wrong), false)
    rmSync(wrong, { recursive: true, force: true })
  })
})
