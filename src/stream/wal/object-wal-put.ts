/**
 * Puts an object under a key that must be nobody else's, however the store behaves: a PUT that fails or is slow is sent
 * again, the same bytes under the same key, until the store says who has the key.
 *
 * Every PUT asks for the key's absence, so the first that takes effect stays, whatever arrives later. A refusal may come
 * from our own earlier PUT, whose answer was lost or is still under way: then, and only then, the header is read back.
 */

import type { ObjectStore } from '../../object-store/object-store.ts'
import { sleep } from '../../runtime/clock.ts'
import { Fault, isFault } from '../../runtime/fault.ts'
import { HedgePolicy, type HedgeSettings } from './object-wal-hedging.ts'
import { type EncodedObject, OBJECT_HEADER_BYTES } from './object-wal-object.ts'
import { pauseMs, type RetryEffects } from './object-wal-retry.ts'

/** `unknown`: the store did not say; the PUT may have taken effect, or may still. */
type Answer = 'stored' | 'taken' | 'unknown'

export interface PutCounts {
  /** Requests of any reason. */
  puts: number
  /** Of those: because the one before failed. */
  retries: number
  /** Of those: because the one before was slow. */
  hedges: number
  /** Hedges that were answered first. */
  hedgesWon: number
  /** Headers read back after a refusal. */
  readBacks: number
}

export class ExclusivePuts {
  readonly counts: PutCounts = { puts: 0, retries: 0, hedges: 0, hedgesWon: 0, readBacks: 0 }
  readonly #store: Pick<ObjectStore, 'put' | 'get'>
  readonly #effects: RetryEffects
  readonly #hedging: HedgePolicy
  /** Objects whose latest PUT failed. */
  #failing = 0

  constructor(store: Pick<ObjectStore, 'put' | 'get'>, effects: RetryEffects, hedging: HedgeSettings) {
    this.#store = store
    this.#effects = effects
    this.#hedging = new HedgePolicy(hedging)
  }

  /** Whether the store takes no objects at the moment. */
  get failing(): boolean {
    return this.#failing > 0
  }

  /** True once the object is stored, false when the key is somebody else's. Fault `closed` when the log is closed before. */
  async put(key: string, object: EncodedObject): Promise<boolean> {
    const { clock, random, stopping } = this.#effects
    for (let failures = 0; ; failures++) {
      if (stopping.aborted) throw new Fault('closed', 'the write-ahead log is closed')
      if (failures > 0) this.counts.retries++
      const answer = await this.#putHedged(key, object)
      if (answer !== 'unknown') {
        if (failures > 0) this.#recovered()
        return answer === 'stored'
      }
      if (failures === 0) this.#failing++
      await sleep(clock, pauseMs(random, failures), stopping)
    }
  }

  /** One PUT, and another beside it when that one is slow: the answer of whichever knows first. */
  #putHedged(key: string, object: EncodedObject): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const answered = new AbortController()
      let underWay = 0
      const send = async (hedge: boolean) => {
        underWay++
        try {
          const answer = await this.#putOnce(key, object, answered.signal)
          underWay--
          if (answer === 'unknown' && underWay > 0) return
          if (hedge && answer !== 'unknown' && !answered.signal.aborted) this.counts.hedgesWon++
          resolve(answer)
        } catch (error) {
          reject(error)
        }
        answered.abort()
      }
      const hedge = async () => {
        await sleep(this.#effects.clock, this.#hedging.begin(object.bytes), answered.signal)
        if (answered.signal.aborted || !this.#hedging.spend()) return
        this.counts.hedges++
        await send(true)
      }
      this.#effects.stopping.addEventListener('abort', () => answered.abort(), { signal: answered.signal })
      void send(false)
      void hedge()
    })
  }

  async #putOnce(key: string, object: EncodedObject, answered: AbortSignal): Promise<Answer> {
    const { clock, log } = this.#effects
    this.counts.puts++
    const began = clock.monotonic()
    try {
      await this.#store.put(key, object.parts, { ifAbsent: true })
      this.#hedging.answered(object.bytes, clock.monotonic() - began)
      return 'stored'
    } catch (error) {
      // Of two that were sent the later one is refused, and mostly nobody waits for it any more.
      if (isFault(error, 'conflict')) return answered.aborted ? 'unknown' : this.#whoseIs(key, object)
      // Also what a person must put right, such as credentials that expired: the appends need not be lost for it.
      if (!isFault(error) || error.kind === 'closed') throw error
      const fields = { key, error: error.message }
      if (this.#failing > 0) log.debug(fields, 'the object store still takes no appends')
      else log.warn(fields, 'the object store takes no appends: they wait, and are sent again until it does')
      return 'unknown'
    }
  }

  async #whoseIs(key: string, object: EncodedObject): Promise<Answer> {
    this.counts.readBacks++
    try {
      const header = await this.#store.get(key, { start: 0, end: OBJECT_HEADER_BYTES })
      return header.equals(object.header) ? 'stored' : 'taken'
    } catch (error) {
      if (!isFault(error) || error.kind === 'closed') throw error
      // Perhaps `missing`: whoever took the log over has replayed and trimmed our object. The next PUT will tell.
      return 'unknown'
    }
  }

  #recovered(): void {
    this.#failing--
    if (this.#failing === 0) this.#effects.log.info({}, 'the object store takes appends again')
  }
}
