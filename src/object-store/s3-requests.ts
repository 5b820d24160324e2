/**
 * How every request to S3 is made, and the only place that decides about it: a place under the concurrency limit, a
 * deadline that grows with the bytes, attempts with pauses between them, errors turned into Faults, and counts.
 *
 * Invariant: a request that is `once` is sent at most once, whatever comes back. A conditional PUT must be: if the
 * answer to a first attempt were lost, the second would meet the caller's own object and call it a conflict.
 */
import { setMaxListeners } from 'node:events'
import { type Clock, sleep } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import type { Random } from '../runtime/random.ts'
import { ConcurrencyLimit } from './concurrency-limit.ts'
import { S3Failure, s3FailureOf } from './s3-failure.ts'
import type { S3Location } from './s3-location.ts'
import type { S3Settings } from './s3-settings.ts'

/** Requests sent, by what S3 bills, every attempt counted. */
export interface S3RequestCounts {
  put: number
  copy: number
  get: number
  head: number
  list: number
  delete: number
  /** Begin, completion and abort of multipart uploads. */
  multipart: number
  /** Of all of these, how many repeated an earlier attempt. */
  repeated: number
  /** How often the store asked for fewer requests. */
  throttled: number
}

export interface S3Request {
  readonly counted: Exclude<keyof S3RequestCounts, 'repeated' | 'throttled'>
  /** For messages: `put object a/b`. */
  readonly attempt: string
  /** Bytes that move, or are copied. */
  readonly bytes: number
  readonly once?: boolean
}

export interface S3RequestsOptions {
  readonly clock: Clock
  readonly random: Random
  readonly location: S3Location
  readonly settings: S3Settings
}

/** Full jitter: spreads clients that were refused together. https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
function backoffMs(failures: number, random: Random, settings: S3Settings): number {
  return random.float() * Math.min(settings.backoffMsMax, settings.backoffMs * 2 ** (failures - 1))
}

export class S3Requests {
  readonly counts: S3RequestCounts = {
    put: 0,
    copy: 0,
    get: 0,
    head: 0,
    list: 0,
    delete: 0,
    multipart: 0,
    repeated: 0,
    throttled: 0
  }
  readonly #options: S3RequestsOptions
  readonly #limit: ConcurrencyLimit
  readonly #closing = new AbortController()

  constructor(options: S3RequestsOptions) {
    this.#options = options
    // Every pause between attempts listens; Node warns of a leak from the eleventh on.
    setMaxListeners(0, this.#closing.signal)
    const max = options.settings.requestsMax
    this.#limit = new ConcurrencyLimit({
      clock: options.clock,
      bounds: { min: 1, max },
      start: Math.ceil(max / 4),
      isThrottling: (error) => error instanceof S3Failure && error.isThrottling
    })
  }

  /** `perform` sends the request and reads all of its answer; `signal` tells it to stop. */
  async run<T>(request: S3Request, perform: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, random, settings } = this.#options
    for (let failures = 1; ; failures++) {
      try {
        return await this.#limit.run(() => this.#attempt(request, perform))
      } catch (error) {
        if (!(error instanceof S3Failure)) throw error
        if (error.isThrottling) this.counts.throttled++
        const isFinal = request.once || !error.mayRetry || failures >= settings.attempts
        if (!isFinal) await sleep(clock, backoffMs(failures, random, settings), this.#closing.signal)
        if (this.#closing.signal.aborted) {
          throw new Fault('closed', `${request.attempt}: the object store was closed meanwhile`, { cause: error.fault })
        }
        if (isFinal) throw error.fault
        this.counts.repeated++
      }
    }
  }

  requireOpen(): void {
    if (this.#closing.signal.aborted) throw new Fault('closed', 'the object store is closed')
  }

  /** What waits is refused, what is under way is cut off: its effect is unknown. */
  close(): void {
    this.#closing.abort()
    this.#limit.close()
  }

  async #attempt<T>(request: S3Request, perform: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, location, settings } = this.#options
    const allowedMs = settings.requestTimeoutMs + (request.bytes / settings.bytesPerSecondMin) * 1000
    const stop = new AbortController()
    let isLate = false
    const disarm = clock.after(allowedMs, () => {
      isLate = true
      stop.abort()
    })
    this.counts[request.counted]++
    try {
      return await perform(stop.signal)
    } catch (error) {
      const late = new Fault('unavailable', `${request.attempt}: not done within ${Math.ceil(allowedMs)} ms`)
      throw s3FailureOf(isLate ? late : error, request.attempt, location)
    } finally {
      disarm()
    }
  }
}
