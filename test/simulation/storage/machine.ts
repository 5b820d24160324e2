/**
 * What outlives every process of the simulated node: the clock, the disk, the object stores and the database, each with
 * its faults. All of it comes from one seed.
 */
import type { Database } from '../../../src/metadata/database.ts'
import { openDatabase } from '../../../src/metadata/open-database.ts'
import { SqlMetadata } from '../../../src/metadata/sql-metadata.ts'
import { FaultyObjectStore, type ObjectStoreFaults } from '../../../src/object-store/faulty-object-store.ts'
import { MemoryObjectStore } from '../../../src/object-store/memory-object-store.ts'
import { DEFAULT_PROFILE } from '../../../src/object-store/object-stores.ts'
import { type Random, seededRandom } from '../../../src/runtime/random.ts'
import { MemoryWalDevice } from '../../../src/stream/wal/memory-wal-device.ts'
import { type DatabaseFaults, faultyDatabase } from './faulty-database.ts'
import type { JumpingClock } from './jumping-clock.ts'
import type { DeathKind } from './life.ts'

export interface SimulatedStore {
  /** What is really there. */
  readonly memory: MemoryObjectStore
  /** What a process reaches. */
  readonly faulty: FaultyObjectStore
}

const NO_STORE_FAULTS: ObjectStoreFaults = {
  latencyMs: { min: 0, max: 0 },
  throttling: 0,
  errorsBefore: 0,
  errorsAfter: 0,
  staleLists: 0,
  outage: false
}

export class Machine {
  readonly clock: JumpingClock
  readonly stores: ReadonlyMap<string, SimulatedStore>
  readonly databaseFaults: DatabaseFaults
  /** As a process reaches it, with faults. */
  readonly database: Database
  /** What the database really says. */
  readonly sober: SqlMetadata
  #device: MemoryWalDevice

  private constructor(clock: JumpingClock, random: Random, database: Database, sober: SqlMetadata) {
    this.clock = clock
    const fork = (): Random => seededRandom(random.int(2 ** 32))
    const storeOf = (): SimulatedStore => {
      const memory = new MemoryObjectStore()
      return { memory, faulty: new FaultyObjectStore({ store: memory, random: fork(), clock }) }
    }
    this.stores = new Map([DEFAULT_PROFILE, 'eu'].map((profile) => [profile, storeOf()]))
    const { database: faulty, faults } = faultyDatabase(database, fork(), clock)
    this.database = faulty
    this.databaseFaults = faults
    this.sober = sober
    this.#device = new MemoryWalDevice({ random: fork(), clock })
  }

  static async build(clock: JumpingClock, random: Random): Promise<Machine> {
    const database = await openDatabase('sqlite::memory:', { clock, random })
    const sober = await SqlMetadata.open({ database, clock, random })
    return new Machine(clock, random, database, sober)
  }

  get device(): MemoryWalDevice {
    return this.#device
  }

  /** What a death of the process does to the disk. Everything else does not notice. */
  lose(kind: DeathKind): void {
    const faults = this.#device.faults
    this.#device = kind === 'power' ? this.#device.crash() : this.#device.kill()
    Object.assign(this.#device.faults, faults)
  }

  /** Ends every fault; what is slow already stays so until it is done. */
  heal(): void {
    this.clock.jumpTo(0)
    for (const { faulty } of this.stores.values()) {
      Object.assign(faulty.faults, NO_STORE_FAULTS)
    }
    Object.assign(this.databaseFaults, { latencyMs: 0, errorsBefore: 0, errorsAfter: 0, outage: false })
    Object.assign(this.#device.faults, { syncMs: 0, shortWrites: 0, capacityBytes: Number.POSITIVE_INFINITY })
  }

  /** The faults of the time to come. */
  breakThings(random: Random): string {
    const pick = <T>(...choices: readonly T[]): T => choices[random.int(choices.length)] as T
    for (const { faulty } of this.stores.values()) {
      Object.assign(faulty.faults, {
        latencyMs: { min: 0, max: pick(0, 20, 20, 300, 4_000) },
        throttling: pick(0, 0, 0.3),
        staleLists: pick(0, 0.5),
        errorsBefore: pick(0, 0, 0.1, 0.5),
        errorsAfter: pick(0, 0, 0.1, 0.3),
        outage: random.int(8) === 0
      })
    }
    Object.assign(this.databaseFaults, {
      latencyMs: pick(0, 0, 10, 500),
      errorsBefore: pick(0, 0, 0.2),
      errorsAfter: pick(0, 0, 0.2),
      outage: random.int(16) === 0
    })
    Object.assign(this.#device.faults, {
      syncMs: pick(0, 1, 5, 100),
      shortWrites: pick(0, 0, 0.2),
      capacityBytes: pick(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 300_000)
    })
    if (random.int(6) === 0) this.clock.jumpTo((random.int(7_200) - 3_600) * 1_000)
    const stores = [...this.stores.values()].map(({ faulty }) => faulty.faults)
    return JSON.stringify([stores, this.databaseFaults, this.#device.faults])
  }

  async close(): Promise<void> {
    await this.sober.close()
  }
}
