/** The object WAL passes the suite of every write-ahead log, over every object store. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe } from 'node:test'
import { DirectoryObjectStore } from '../../object-store/directory-object-store.ts'
import { FaultyObjectStore } from '../../object-store/faulty-object-store.ts'
import { MemoryObjectStore } from '../../object-store/memory-object-store.ts'
import type { ObjectStore } from '../../object-store/object-store.ts'
import { parseS3Location } from '../../object-store/s3-location.ts'
import { openS3ObjectStore } from '../../object-store/s3-object-store.ts'
import {
  findS3Server,
  locationIn,
  NO_S3_SERVER,
  type S3Server,
  startS3Server
} from '../../object-store/s3-server-fixture.ts'
import type { Clock } from '../../runtime/clock.ts'
import { silentLog } from '../../runtime/log.ts'
import { seededRandom } from '../../runtime/random.ts'
import { systemClock } from '../../runtime/system-clock.ts'
import { systemRandom } from '../../runtime/system-random.ts'
import { ObjectWal } from './object-wal.ts'
import { type WalPlace, walContract } from './wal-contract.ts'

/** Unlike the system's, its timers keep the test alive. */
const patientClock: Clock = {
  ...systemClock,
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  }
}

/** Delays pass at once, but never before what is under way had its turn. */
const hastyClock: Clock = {
  ...systemClock,
  after(_, callback) {
    const timer = setImmediate(callback)
    return () => clearImmediate(timer)
  }
}

function placeOn(store: ObjectStore, clock: Clock, cleanUp: () => Promise<void>): WalPlace {
  let epoch = 0
  let mark: string | undefined
  return {
    open: async () => {
      const options = { store, clock, random: systemRandom, log: silentLog, nodeId: 3, epoch: ++epoch }
      return new ObjectWal({ ...options, loadMark: async () => mark })
    },
    saveMark: (text) => {
      mark = text
    },
    abandon: async () => {},
    cleanUp
  }
}

walContract('objects in memory', async () => placeOn(new MemoryObjectStore(), patientClock, async () => {}))

walContract('objects in memory, of a store that fails before and after the effect', async () => {
  const store = new FaultyObjectStore({ store: new MemoryObjectStore(), random: seededRandom(4), clock: hastyClock })
  store.faults.errorsBefore = 0.2
  store.faults.errorsAfter = 0.2
  return placeOn(store, hastyClock, async () => {})
})

walContract('objects in a directory', async () => {
  const root = await mkdtemp(join(tmpdir(), 'longhaul-object-wal-'))
  const store = await DirectoryObjectStore.open({ root, clock: systemClock, random: systemRandom })
  return placeOn(store, patientClock, async () => {
    await store.close()
    await rm(root, { recursive: true })
  })
})

describe('objects in S3', { skip: findS3Server() === undefined && NO_S3_SERVER }, () => {
  let server: S3Server
  let places = 0
  before(async () => {
    server = await startS3Server()
  })
  after(() => server.stop())
  walContract('objects in S3', async () => {
    const location = parseS3Location(locationIn(server, `wal-${++places}`))
    const { credentials } = server
    const store = openS3ObjectStore({ location, clock: patientClock, random: systemRandom, credentials })
    return placeOn(store, patientClock, () => store.close())
  })
})
