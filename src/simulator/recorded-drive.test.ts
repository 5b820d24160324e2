import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { isFault } from '../runtime/fault.ts'
import { loadRecording } from './recorded-drive.ts'

async function withFile(name: string, content: string | Buffer, work: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'longhaul-recording-'))
  try {
    await writeFile(join(folder, name), content)
    await work(join(folder, name))
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('an OpenXC line keeps its text and its microseconds', () =>
  withFile('a.jsonl', '{"name":"speed","value":1.10,"timestamp":1364323939.012250}\n', async (path) => {
    assert.deepEqual(await loadRecording(path, 'openxc'), [
      {
        time: '1364323939012.25',
        eventTime: 1364323939012.25,
        data: '{"name":"speed","value":1.10,"timestamp":1364323939.012250}'
      }
    ])
  }))

test('a zipped NMEA 2000 line becomes a frame', () =>
  withFile('b.csv.gz', gzipSync('2014-08-15T19:00:00.042Z,3,129029,160,255,2,87,a9\r\n'), async (path) => {
    const [frame] = (await loadRecording(path, 'nmea2000')) ?? []
    assert.equal(frame?.time, '"2014-08-15T19:00:00.042Z"')
    assert.equal(frame?.eventTime, Date.UTC(2014, 7, 15, 19, 0, 0, 42))
    assert.equal(frame?.data, '{"priority":3,"pgn":129029,"source":160,"destination":255,"bytes":"87a9"}')
  }))

test('an absent file is undefined, a wrong one says where', async () => {
  assert.equal(await loadRecording(join(tmpdir(), 'longhaul-no-such-file'), 'openxc'), undefined)
  await withFile('a.jsonl', '{"timestamp":1}\nx\n', async (path) => {
    await assert.rejects(
      loadRecording(path, 'openxc'),
      (error) => isFault(error, 'corrupt') && /jsonl:2/.test(error.message)
    )
  })
})
