/**
 * What producing costs over the bare work: our broker against a bare loop of socket read, CRC, writev and fdatasync, in
 * one run, on one disk, driven by the same load generator, in turns (docs/performance.md).
 *
 *     node dist/bench/produce.js [--seconds 3] [--rounds 3] [--only TEXT] [--data-dir DIR] [--results DIR]
 *                                [--profile DIR]
 *
 * `--only` picks workloads whose name holds the text, `--profile` writes a CPU profile of each system there. Linux only.
 * Bounded: a round ends after `--seconds` or 768 MiB, whichever comes first, and needs at most 8 GiB below `--data-dir`
 * (a temporary directory by default) and 3 GiB in `/dev/shm` where there is one; both are removed. It prints a Markdown
 * table and writes JSON to `--results`, which git ignores.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Contender, killAll, load, startBareLoop, startBroker } from './produce/contender.ts'
import type { Measurement } from './produce/load-generator.ts'
import { FLOOR, markdownTable, type Result } from './produce/report.ts'
import { batchAt, requestFrame, type Workload, workloads } from './produce/workload.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
    'data-dir': { type: 'string', default: tmpdir() },
    results: { type: 'string', default: 'bench/results' },
    profile: { type: 'string' }
  }
})
const seconds = Number(values.seconds)
const rounds = Number(values.rounds)
/** Three rounds and their beginnings have to fit into the cache of the broker that does not upload. */
const ROUND_BYTES_MAX = 768 * 1024 * 1024
const FIRST_BYTES_MAX = 256 * 1024 * 1024
const WARM_UP_MS = 300
/** Folders that this run still has to remove. */
const folders = new Set<string>()

/**
 * Everything stays in the cache and in the WAL. That leaves out the upload, but a log that is never trimmed cannot write
 * its files again either: it fills each new one with zeros before, which is a second write too.
 */
const NO_UPLOADS = [
  ['--upload-bytes', '1GiB'],
  ['--log-cache-bytes', '6GiB'],
  ['--wal-bytes-max', '8GiB'],
  ['--upload-interval-ms', '3600000']
].flat()

/**
 * Objects go to a file system in memory: the log is trimmed and its files are written again as ever, and the disk gets
 * everything once, as from the bare loop. The processor still pays for the objects.
 */
const MEMORY_FOLDER = '/dev/shm'

interface System {
  readonly name: string
  start(folder: string, workload: Workload): Promise<Contender>
}

/** In the order in which they take turns. */
const systems: System[] = [
  { name: 'longhaul', start: (folder) => startBroker(folder, [], profile('longhaul')) },
  { name: FLOOR, start: (folder, workload) => startBareLoop(folder, placeOfBatch(workload), profile('bare-loop')) },
  { name: 'longhaul, no uploads', start: (folder) => startBroker(folder, NO_UPLOADS, profile('no-uploads')) }
]
if (existsSync(MEMORY_FOLDER)) {
  systems.push({
    name: 'longhaul, objects in memory',
    start: (folder) =>
      startBroker(folder, ['--object-store', `file://${temporaryFolder(MEMORY_FOLDER)}`], profile('in-memory'))
  })
}

function placeOfBatch(workload: Workload): number {
  return batchAt(requestFrame(workload, 0, Buffer.alloc), workload)
}

function profile(name: string): string[] {
  return values.profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', join(values.profile, name)]
}

function temporaryFolder(place: string): string {
  const folder = mkdtempSync(join(place, 'longhaul-bench-produce-'))
  folders.add(folder)
  return folder
}

function removeFolders(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  folders.clear()
}

async function measure(workload: Workload): Promise<Result[]> {
  const folder = temporaryFolder(values['data-dir'])
  const started: Contender[] = []
  try {
    const contenders = []
    for (const { name, start } of systems) {
      const own = join(folder, name.replaceAll(/\W+/g, '-'))
      mkdirSync(own)
      const contender = await start(own, workload)
      started.push(contender)
      contenders.push({ system: name, contender, rounds: [] as Measurement[] })
    }
    // Nobody counts the first turn, in which files get their length and code is compiled.
    for (const { contender } of contenders) await measureOnce(contender, workload, FIRST_BYTES_MAX)
    for (let round = 0; round < rounds; round++) {
      for (const { system, contender, rounds: measured } of contenders) {
        const result = await measureOnce(contender, workload, ROUND_BYTES_MAX)
        measured.push(result)
        tell(`${workload.name}, ${system}`, result)
      }
    }
    return contenders.map(({ system, rounds: measured }) => ({ workload, system, rounds: measured }))
  } finally {
    await Promise.all(started.map((contender) => contender.stop()))
    removeFolders()
  }
}

async function measureOnce(contender: Contender, workload: Workload, bytesMax: number): Promise<Measurement> {
  const order = { port: contender.port, serverPid: contender.pid, workload }
  const result = await load({ ...order, warmUpMs: WARM_UP_MS, seconds, bytesMax })
  await contender.settle()
  return result
}

function tell(what: string, { bytes, requests, seconds: took }: Measurement): void {
  const megabytes = (bytes / 1e6 / took).toFixed(1)
  process.stderr.write(`${what}: ${megabytes} MB/s, ${(requests / took).toFixed(0)} requests/s\n`)
}

function load1(): number {
  return Number((loadavg()[0] ?? Number.NaN).toFixed(2))
}

process.once('exit', () => {
  killAll()
  removeFolders()
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const machine = { processors: cpus().length, model: cpus()[0]?.model, node: process.version, loadBefore: load1() }
const results: Result[] = []
for (const workload of workloads.filter(({ name }) => name.includes(values.only))) {
  results.push(...(await measure(workload)))
}
const surroundings = { ...machine, loadAfter: load1(), date: new Date().toISOString(), seconds, rounds }
mkdirSync(values.results, { recursive: true })
const file = join(values.results, `produce-${surroundings.date.replaceAll(/\W/g, '-')}.json`)
writeFileSync(file, `${JSON.stringify({ surroundings, results }, null, 2)}\n`)
console.log(`${JSON.stringify(surroundings)}\n\n${markdownTable(results)}\n\n${file}`)
