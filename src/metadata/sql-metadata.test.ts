import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom } from '../runtime/random.ts'
import { describeMetadata } from './metadata-contract.ts'
import { SqlMetadata } from './sql-metadata.ts'
import { openDatabase } from './sqlite-database.ts'

describeMetadata('SQLite', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'longhaul-metadata-'))
  const random = seededRandom(1)
  return {
    open: async (clock) =>
      SqlMetadata.open({ database: await openDatabase(`sqlite://${directory}/metadata.db`), clock, random }),
    remove: () => rm(directory, { recursive: true })
  }
})
