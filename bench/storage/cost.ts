/**
 * What storing costs: requests per GB, write amplification, objects and metadata rows, for streams of uneven rates, and
 * how each grows from 1 GB to 10.
 *
 *     node dist/bench/storage/cost.js [--gigabytes 10] [--streams 100] [--payload 16384] [--megabytes-per-second 60]
 *                                     [--store s3|directory] [--wal file|object:] [--folder /tmp]
 *
 * `--store s3` needs an S3 server on this machine (CONTRIBUTING.md says which). Compaction runs as it does in a node,
 * only more often, since a run is shorter than a day. Prints a Markdown table; needs about twice the gigabytes as disk.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { ObjectStoreStats } from '../../src/object-store/metered-object-store.ts'
import { startS3Server } from '../../src/object-store/s3-server-fixture.ts'
import { systemRandom } from '../../src/runtime/system-random.ts'
import type { Stream } from '../../src/stream/stream.ts'
import { appendAll, openPlace, type Place, payloads } from './place.ts'
import { zipfPicker } from './zipf.ts'

const GIGABYTE = 1e9
const { values } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '10' },
    streams: { type: 'string', default: '100' },
    payload: { type: 'string', default: '16384' },
    store: { type: 'string', default: 's3' },
    wal: { type: 'string', default: 'file' },
    folder: { type: 'string', default: tmpdir() }
  }
})
const total = Number(values.gigabytes)
const stages = [1, 2, 5, 10, 20, 50, 100].filter((stage) => stage < total).concat(total)

interface Row {
  readonly gigabytes: number
  readonly cells: Readonly<Record<string, string>>
}

/** Requests as a bill counts them: of an S3 store each one, else the calls. */
function requestsOf(stats: ObjectStoreStats) {
  const { requests, puts, composes, gets, heads, lists, deletes } = stats
  if (requests === undefined) return { puts: puts + composes, gets: gets + heads, lists, deletes }
  const { put = 0, copy = 0, multipart = 0, get = 0, head = 0, list = 0, delete: removed = 0 } = requests
  return { puts: put + copy + multipart, gets: get + head, lists: list, deletes: removed }
}

function measure({ storage, streams }: Place, gigabytes: number): Row {
  const stats = storage.stores.store('default').stats()
  const { puts, gets, lists, deletes } = requestsOf(stats)
  const { image } = storage.metadata
  const objects = [...image.objects()]
  const ranges = streams.map(({ id }) => image.ranges(id).length)
  const rangesInAll = ranges.reduce((sum, count) => sum + count, 0)
  const perGb = (count: number) => (count / gigabytes).toFixed(1)
  const share = (bytes: number) => (bytes / (gigabytes * GIGABYTE)).toFixed(2)
  return {
    gigabytes,
    cells: {
      'PUT/GB': perGb(puts),
      'GET/GB': perGb(gets),
      'LIST/GB': perGb(lists),
      'DELETE/GB': perGb(deletes),
      'bytes sent ÷ ingested': share(stats.putBytes + stats.composedBytes),
      'bytes copied by the store ÷ ingested': share(stats.copiedBytes),
      'write amplification (sent and copied)': share(stats.putBytes + stats.composedBytes + stats.copiedBytes),
      'bytes fetched ÷ ingested': share(stats.getBytes),
      objects: String(objects.length),
      'ranges, all': String(rangesInAll),
      'ranges of one stream, most': String(Math.max(...ranges)),
      'metadata rows/GB (objects and ranges)': perGb(objects.length + rangesInAll)
    }
  }
}

function table(rows: readonly Row[]): string {
  const names = Object.keys(rows[0]?.cells ?? {})
  const lines = names.map((name) => `| ${name} | ${rows.map(({ cells }) => cells[name]).join(' | ')} |`)
  return [
    `| after | ${rows.map(({ gigabytes }) => `${gigabytes} GB`).join(' | ')} |`,
    `|---|${rows.map(() => '---').join('|')}|`,
    ...lines
  ].join('\n')
}

const folder = mkdtempSync(join(values.folder, 'longhaul-bench-cost-'))
const server = values.store === 's3' ? await startS3Server() : undefined
Object.assign(process.env, server?.environment)
try {
  const place = await openPlace({
    folder,
    streams: Number(values.streams),
    settings: {
      ...(server === undefined ? {} : { objectStore: server.url }),
      ...(values.wal === 'file' ? {} : { wal: values.wal }),
      compactionIntervalMs: '1000',
      objectGraceMs: '300000'
    }
  })
  const pick = zipfPicker(Number(values.streams), () => systemRandom.float())
  const payload = payloads(Number(values.payload))
  const next = () => ({ stream: place.streams[pick()] as Stream, payload: payload() })
  const rows: Row[] = []
  let done = 0
  for (const stage of stages) {
    const began = performance.now()
    await appendAll(place, (stage - done) * GIGABYTE, 4 * 1024 * 1024, next)
    await place.storage.engine.flush()
    await place.storage.engine.compactAll()
    const seconds = (performance.now() - began) / 1000
    console.error(
      `${stage} GB stored, ${(((stage - done) * GIGABYTE) / 1e6 / seconds).toFixed(0)} MB/s with compaction`
    )
    done = stage
    rows.push(measure(place, stage))
  }
  console.log(table(rows))
  await place.close()
} finally {
  await server?.stop()
  rmSync(folder, { recursive: true, force: true })
}
