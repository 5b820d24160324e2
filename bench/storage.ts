/**
 * What the storage engine costs, each beside what lies beneath it in the same run.
 *
 *     npm run bench:storage -- throughput    append, tail and cold reads, and live appends beside cold readers
 *     npm run bench:storage -- cost          requests, amplification, objects and rows per GB, from 1 GB to 10
 *     npm run bench:storage -- recovery      after kill -9 with a full log, file and object
 *
 * The files of these names in `storage/` tell the options of each.
 */
const benches: Readonly<Record<string, () => Promise<unknown>>> = {
  throughput: () => import('./storage/throughput.ts'),
  cost: () => import('./storage/cost.ts'),
  recovery: () => import('./storage/recovery.ts')
}

const [name = ''] = process.argv.splice(2, 1)
const bench = benches[name]
if (bench === undefined) {
  console.error(`name a benchmark: ${Object.keys(benches).join(', ')}`)
  process.exit(2)
}
await bench()
