/**
 * A database behind a bad network: transactions are slow, fail before they begin, or commit and lose their answer. The
 * loss is injected below `SqlMetadata`, so that its image misses what was committed, as it would in a cluster.
 */
import type { Database } from '../../../src/metadata/database.ts'
import { type Clock, sleep } from '../../../src/runtime/clock.ts'
import { Fault } from '../../../src/runtime/fault.ts'
import type { Random } from '../../../src/runtime/random.ts'

/** What goes wrong; may be changed at any time, and holds for transactions that begin afterwards. */
export interface DatabaseFaults {
  /** Every transaction waits between 0 and this many milliseconds before it begins, and again before it is answered. */
  latencyMs: number
  /** Share of transactions [0, 1] that fail without effect. */
  errorsBefore: number
  /** Share of transactions [0, 1] that take effect and then fail. */
  errorsAfter: number
  /** While true, every transaction fails without effect. */
  outage: boolean
}

export interface FaultyDatabase {
  readonly database: Database
  readonly faults: DatabaseFaults
}

/** What waits for the database. */
const transactions: ReadonlySet<string | symbol> = new Set<keyof Database>(['read', 'write', 'writeBeside'])

export function faultyDatabase(database: Database, random: Random, clock: Clock): FaultyDatabase {
  const faults: DatabaseFaults = { latencyMs: 0, errorsBefore: 0, errorsAfter: 0, outage: false }
  const strikes = (share: number): boolean => share > 0 && random.float() < share
  const delay = (ms: number): Promise<void> => (ms > 0 ? sleep(clock, random.float() * ms) : Promise.resolve())
  async function disturbed<T>(work: () => Promise<T>): Promise<T> {
    const { latencyMs, errorsBefore, errorsAfter, outage } = faults
    await delay(latencyMs)
    if (outage) throw new Fault('unavailable', 'the database: injected outage')
    if (strikes(errorsBefore)) throw new Fault('unavailable', 'the database: injected error before the effect')
    const isLost = strikes(errorsAfter)
    const answer = await work()
    await delay(latencyMs)
    if (isLost) throw new Fault('unavailable', 'the database: injected error after the effect')
    return answer
  }
  // A proxy, because nothing but the class itself has its private members.
  const wrapped = new Proxy(database, {
    get(_, name) {
      const member = Reflect.get(database, name) as unknown
      if (typeof member !== 'function') return member
      const call = (...args: unknown[]) => member.apply(database, args) as Promise<unknown>
      return transactions.has(name) ? (...args: unknown[]) => disturbed(() => call(...args)) : call
    }
  })
  return { database: wrapped, faults }
}
