/**
 * Hears of changes through LISTEN, on a connection of its own that it makes again whenever it breaks.
 *
 * It promises nothing: what is said while no connection stands is lost. Whoever listens is told when it stands again.
 */
import { Client, type ClientConfig } from 'pg'
import { type Clock, sleep } from '../runtime/clock.ts'
import type { Random } from '../runtime/random.ts'
import type { ChangeListener } from './database.ts'
import { socketOf } from './postgres-driver.ts'
import { PostgresFailure, postgresFault } from './postgres-faults.ts'

/** All Longhaul writers of one database use it; each message is a seq of the change feed. */
export const CHANNEL = 'longhaul_change'

const BACKOFF_FIRST_MS = 50
const BACKOFF_MAX_MS = 2000
/** Nothing is sent on a connection that only listens, so that a server that vanished would go unnoticed. */
const HEARTBEAT_MS = 5000
const HEARTBEAT_PATIENCE_MS = 5000

export interface PostgresListenerParts {
  readonly client: ClientConfig
  readonly name: string
  readonly clock: Clock
  readonly random: Random
}

export class PostgresListener {
  readonly #parts: PostgresListenerParts
  readonly #listeners = new Set<ChangeListener>()
  readonly #end = new AbortController()
  #running: Promise<void> | undefined
  #client: Client | undefined
  #isDeaf = false

  constructor(parts: PostgresListenerParts) {
    this.#parts = parts
  }

  /** Connects when it is the first. */
  add(listener: ChangeListener): () => void {
    this.#listeners.add(listener)
    this.#running ??= this.#run()
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#listeners.clear()
    this.#end.abort()
    if (this.#client !== undefined) socketOf(this.#client).destroy()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, random, name } = this.#parts
    const { signal } = this.#end
    for (let failures = 0; !signal.aborted; failures++) {
      const error = await this.#listen().catch((error: unknown) => error)
      if (signal.aborted) return
      if (!this.#isDeaf) {
        failures = 0
        this.#isDeaf = true
        const fault = postgresFault(name, new PostgresFailure('connect', error))
        if (fault === undefined) throw error
        for (const listener of this.#listeners) listener.deaf(fault)
      }
      const delayMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** failures)
      await sleep(clock, delayMs * (0.5 + random.float() / 2), signal)
    }
  }

  /** Ends only by failing. */
  async #listen(): Promise<never> {
    const { clock, client: config } = this.#parts
    const client = new Client(config)
    this.#client = client
    const lost = new Promise<never>((_, reject) => {
      client.on('error', reject)
      client.on('end', () => reject(new Error('the connection ended')))
    })
    // It may be lost at a moment at which nobody waits for it.
    lost.catch(() => {})
    client.on('notification', ({ payload }) => this.#tell(Number(payload)))
    try {
      await Promise.race([client.connect(), lost])
      await Promise.race([client.query(`listen ${CHANNEL}`), lost])
      this.#isDeaf = false
      this.#tell(undefined)
      for (;;) {
        await Promise.race([sleep(clock, HEARTBEAT_MS, this.#end.signal), lost])
        const silence = sleep(clock, HEARTBEAT_PATIENCE_MS, this.#end.signal).then(() => {
          throw new Error(`no answer for ${HEARTBEAT_PATIENCE_MS} ms`)
        })
        silence.catch(() => {})
        await Promise.race([client.query('select 1'), lost, silence])
      }
    } finally {
      this.#client = undefined
      socketOf(client).destroy()
    }
  }

  #tell(seq: number | undefined): void {
    for (const listener of this.#listeners) listener.changed(Number.isSafeInteger(seq) ? seq : undefined)
  }
}
