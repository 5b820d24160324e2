/** The contract of `Metadata` over both engines. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe } from 'node:test'
import type { Clock } from '../runtime/clock.ts'
import { seededRandom } from '../runtime/random.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { describeMetadata } from './metadata-contract.ts'
import { openDatabase } from './open-database.ts'
import { PostgresServer, skipWithoutPostgres } from './postgres-fixture.ts'
import { SqlMetadata } from './sql-metadata.ts'

describeMetadata('SQLite', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'longhaul-metadata-'))
  const random = seededRandom(1)
  const open = async (clock: Clock) =>
    SqlMetadata.open({
      database: await openDatabase(`sqlite://${directory}/metadata.db`, { clock, random }),
      clock,
      random
    })
  return { open, remove: () => rm(directory, { recursive: true }) }
})

describe('PostgreSQL', { skip: skipWithoutPostgres }, () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start()
  })
  after(() => server.stop())

  describeMetadata('PostgreSQL', async () => {
    const url = await server.createDatabase()
    const random = seededRandom(1)
    // Its timeouts need a clock that runs; only what the metadata writes goes by the test's.
    const database = () => openDatabase(url, { clock: systemClock, random })
    return {
      open: async (clock) => SqlMetadata.open({ database: await database(), clock, random }),
      remove: async () => {}
    }
  })
})
