/**
 * Client quotas (KIP-13, KIP-124, KIP-546, KIP-599, KIP-612): what clients used of late, and how long they have to wait
 * when it was too much. Follows the quotas in the metadata; counts per broker, as Kafka does.
 *
 * Memory is bounded: what was not used for so long that it makes no difference is forgotten.
 */
import type { ClientQuota, MetadataImage } from '../../metadata/metadata.ts'
import type { Clock } from '../../runtime/clock.ts'
import { QuotaBook, type QuotaClient, type QuotaName } from './quota-book.ts'
import { burstOf, RateWindow, WINDOW_MS } from './rate-window.ts'
import { TokenBucket } from './token-bucket.ts'

export type RateQuota = Exclude<QuotaName, 'controller_mutation_rate' | 'connection_creation_rate'>

/** The permits of one request that changes topics. */
export interface MutationQuota {
  /** Takes permits for so many partitions; false when the request may not have them. */
  take(partitions: number): boolean
  /** How long the client has to wait now, milliseconds. */
  readonly throttleMs: number
}

export interface ClientQuotasParts {
  readonly clock: Clock
  readonly image: () => MetadataImage
}

/** Entries before idle ones are looked for. */
const SWEEP_FROM = 1024

const UNLIMITED: MutationQuota = { take: () => true, throttleMs: 0 }

export class ClientQuotas {
  readonly #parts: ClientQuotasParts
  #seen: ReadonlyMap<string, ClientQuota> | undefined
  #known = new QuotaBook(new Map())
  readonly #windows = new Map<string, RateWindow>()
  readonly #buckets = new Map<string, { bucket: TokenBucket; perSecond: number }>()
  #sweepAt = SWEEP_FROM

  constructor(parts: ClientQuotasParts) {
    this.#parts = parts
  }

  /** False as long as no quota is set for anybody: then nothing needs to be counted. */
  get active(): boolean {
    return !this.#book().isEmpty
  }

  /** Whether anybody is limited by this quota. */
  limits(quota: QuotaName): boolean {
    return this.#book().has(quota)
  }

  /** Counts what was used and says how long to wait, milliseconds; 0 without a quota. */
  record(quota: RateQuota, client: QuotaClient, amount: number): number {
    const limit = this.#book().limitOf(quota, client)
    if (limit === undefined) return 0
    const now = this.#parts.clock.monotonic()
    const window = this.#window(limit.share, now)
    window.record(amount, now)
    const waitMs = window.throttleMs(limit.perSecond, now)
    // As in Kafka: a moment of work never costs more than a moment of waiting.
    return quota === 'request_percentage' ? Math.min(waitMs, WINDOW_MS) : waitMs
  }

  /** Takes back what was recorded just now. */
  unrecord(quota: RateQuota, client: QuotaClient, amount: number): void {
    const limit = this.#book().limitOf(quota, client)
    if (limit === undefined) return
    const now = this.#parts.clock.monotonic()
    this.#window(limit.share, now).record(-amount, now)
  }

  /** Nothing was used of late. */
  isUnused(quota: RateQuota, client: QuotaClient): boolean {
    const limit = this.#book().limitOf(quota, client)
    if (limit === undefined) return true
    const now = this.#parts.clock.monotonic()
    return this.#window(limit.share, now).total(now) <= 0
  }

  /** The most that may be used at once; infinite without a quota. */
  burst(quota: RateQuota, client: QuotaClient): number {
    const limit = this.#book().limitOf(quota, client)
    return limit === undefined ? Number.POSITIVE_INFINITY : burstOf(limit.perSecond)
  }

  /**
   * For one request. A strict one is refused what it asks for while the client is in debt; others get it, and
   * wait afterwards.
   */
  mutations(client: QuotaClient, strict: boolean): MutationQuota {
    const limit = this.#book().limitOf('controller_mutation_rate', client)
    if (limit === undefined) return UNLIMITED
    const { share, perSecond } = limit
    const { clock } = this.#parts
    const bucket = this.#bucket(share, perSecond, clock.monotonic())
    let throttleMs = 0
    return {
      take(partitions) {
        const now = clock.monotonic()
        if (strict) throttleMs = bucket.throttleMs(perSecond, now)
        if (throttleMs > 0 && strict) return false
        bucket.take(partitions, perSecond, now)
        if (!strict) throttleMs = bucket.throttleMs(perSecond, now)
        return true
      },
      get throttleMs() {
        return throttleMs
      }
    }
  }

  /** Counts a connection; how long one that comes too early has to wait before it is closed, 0 when it is welcome. */
  connect(address: string): number {
    if (!this.limits('connection_creation_rate')) return 0
    const limit = this.#book().limitOfAddress(address)
    if (limit === undefined) return 0
    const now = this.#parts.clock.monotonic()
    const window = this.#window(limit.share, now)
    window.record(1, now)
    const waitMs = Math.min(window.throttleMs(limit.perSecond, now), WINDOW_MS)
    if (waitMs > 0) window.record(-1, now)
    return waitMs
  }

  #book(): QuotaBook {
    const quotas = this.#parts.image().clientQuotas()
    if (quotas !== this.#seen) {
      this.#seen = quotas
      this.#known = new QuotaBook(quotas)
    }
    return this.#known
  }

  #window(share: string, now: number): RateWindow {
    const known = this.#windows.get(share)
    if (known !== undefined) return known
    this.#sweep(now)
    const window = new RateWindow()
    this.#windows.set(share, window)
    return window
  }

  #bucket(share: string, perSecond: number, now: number): TokenBucket {
    const known = this.#buckets.get(share)
    if (known !== undefined) return known.bucket
    this.#sweep(now)
    const bucket = new TokenBucket()
    this.#buckets.set(share, { bucket, perSecond })
    return bucket
  }

  #sweep(now: number): void {
    if (this.#windows.size + this.#buckets.size < this.#sweepAt) return
    for (const [share, window] of this.#windows) if (window.isIdle(now)) this.#windows.delete(share)
    for (const [share, { bucket, perSecond }] of this.#buckets) {
      if (bucket.isIdle(perSecond, now)) this.#buckets.delete(share)
    }
    this.#sweepAt = Math.max(SWEEP_FROM, 2 * (this.#windows.size + this.#buckets.size))
  }
}
