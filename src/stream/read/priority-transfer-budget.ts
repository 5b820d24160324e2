/**
 * The transfer budget of an engine: bytes and requests in flight, and bytes per second, shared by strict priority.
 *
 * Invariants:
 * - What is in flight never counts more than `bytesInFlightMax` and `requestsInFlightMax`. A transfer that is larger than
 *   all that its class may take counts as all of it, so that it runs, but alone in its class.
 * - Read-ahead and compaction together leave a quarter of everything to demand: a demand read that fits into the quarter
 *   never waits for one of theirs. Under a limit per second, read-ahead and compaction leave it a quarter of a second's
 *   worth, so that it waits for one transfer at most: the one that overdrew.
 * - A class waits while one before it waits, with one exception: of the bytes that start while compaction waits, it gets
 *   one in sixteen, so that reading never stops it for ever.
 *
 * It orders transfers; it neither retries nor times out any.
 */
import type { Clock } from '../../runtime/clock.ts'
import { Fault } from '../../runtime/fault.ts'
import type { TransferBudget, TransferClass } from './transfer-budget.ts'

/** The part of bytes, requests and rate that only demand may use. */
const DEMAND_RESERVE = 1 / 4
/** Compaction's guaranteed share of the bytes that start while it waits. */
const COMPACTION_SHARE = 1 / 16

export interface TransferLimits {
  readonly clock: Clock
  /** Bytes, at least 1. */
  readonly bytesInFlightMax: number
  /** At least 1; with 1 there is nothing to reserve, and demand waits for whatever runs. */
  readonly requestsInFlightMax: number
  /** 0 for no limit. A second's worth may pass at once after idling; a larger transfer passes and is waited for afterwards. */
  readonly bytesPerSecond: number
}

export interface TransferCounts {
  /** Started so far. */
  readonly transfers: number
  readonly bytes: number
  readonly waiting: number
}

export interface TransferStats {
  readonly classes: Readonly<Record<TransferClass, TransferCounts>>
  readonly requestsInFlight: number
  /** As counted, see the invariants. */
  readonly bytesInFlight: number
}

interface Waiter {
  kind: TransferClass
  readonly bytes: number
  readonly start: () => void
  readonly refuse: (fault: Fault) => void
}

/** What is in flight: demand has one lane, read-ahead and compaction share the other. */
interface Lane {
  bytes: number
  requests: number
}

export class PriorityTransferBudget implements TransferBudget {
  readonly #limits: TransferLimits
  readonly #waiting: Record<TransferClass, Waiter[]> = { demand: [], 'read-ahead': [], compaction: [] }
  readonly #started = {
    demand: { transfers: 0, bytes: 0 },
    'read-ahead': { transfers: 0, bytes: 0 },
    compaction: { transfers: 0, bytes: 0 }
  }
  readonly #demand: Lane = { bytes: 0, requests: 0 }
  readonly #background: Lane = { bytes: 0, requests: 0 }
  readonly #backgroundMax: Lane
  /** Bytes that compaction may start ahead of everybody. */
  #compactionCredit = 0
  /** Bytes that may start now; less than 0 after a transfer that was larger. */
  #tokens: number
  #tokensAt: number
  #cancelTimer: (() => void) | undefined
  #closed = false

  constructor(limits: TransferLimits) {
    const { bytesInFlightMax, requestsInFlightMax, bytesPerSecond, clock } = limits
    if (!(bytesInFlightMax >= 1 && requestsInFlightMax >= 1 && bytesPerSecond >= 0)) {
      throw new Fault(
        'invalid',
        'a transfer budget needs at least 1 byte and 1 request in flight, and a rate of 0 or more'
      )
    }
    this.#limits = limits
    this.#backgroundMax = {
      bytes: Math.max(1, Math.floor(bytesInFlightMax * (1 - DEMAND_RESERVE))),
      requests: Math.max(1, Math.floor(requestsInFlightMax * (1 - DEMAND_RESERVE)))
    }
    this.#tokens = bytesPerSecond
    this.#tokensAt = clock.monotonic()
  }

  run<T>(
    kind: TransferClass,
    bytes: number,
    work: () => Promise<T>,
    waiting?: (promote: () => void) => void
  ): Promise<T> {
    if (this.#closed) return Promise.reject(closedFault())
    return new Promise<T>((resolve, reject) => {
      let started = false
      const waiter: Waiter = {
        kind,
        bytes,
        start: () => {
          started = true
          this.#perform(waiter, work).then(resolve, reject)
        },
        refuse: reject
      }
      this.#waiting[kind].push(waiter)
      this.#startWhatFits()
      if (!started) waiting?.(() => this.#promote(waiter))
    })
  }

  stats(): TransferStats {
    const counts = (kind: TransferClass) => ({ ...this.#started[kind], waiting: this.#waiting[kind].length })
    return {
      classes: { demand: counts('demand'), 'read-ahead': counts('read-ahead'), compaction: counts('compaction') },
      requestsInFlight: this.#demand.requests + this.#background.requests,
      bytesInFlight: this.#demand.bytes + this.#background.bytes
    }
  }

  /** What waits, and what comes later, is rejected with Fault `closed`; what runs goes on. */
  close(): void {
    this.#closed = true
    this.#cancelTimer?.()
    for (const queue of Object.values(this.#waiting)) {
      for (const waiter of queue.splice(0)) waiter.refuse(closedFault())
    }
  }

  #promote(waiter: Waiter): void {
    const position = this.#waiting[waiter.kind].indexOf(waiter)
    if (position === -1 || waiter.kind === 'demand') return
    this.#waiting[waiter.kind].splice(position, 1)
    waiter.kind = 'demand'
    this.#waiting.demand.push(waiter)
    this.#startWhatFits()
  }

  async #perform<T>(waiter: Waiter, work: () => Promise<T>): Promise<T> {
    const { kind, bytes } = waiter
    const lane = kind === 'demand' ? this.#demand : this.#background
    const cost = this.#cost(kind, bytes)
    lane.bytes += cost
    lane.requests++
    try {
      return await work()
    } finally {
      lane.bytes -= cost
      lane.requests--
      this.#startWhatFits()
    }
  }

  #startWhatFits(): void {
    if (this.#closed) return
    this.#refillTokens()
    for (let kind = this.#next(); kind !== undefined; kind = this.#next()) {
      const waiter = this.#waiting[kind].shift()
      if (waiter === undefined) return
      this.#account(kind, waiter.bytes)
      waiter.start()
    }
  }

  #account(kind: TransferClass, bytes: number): void {
    this.#started[kind].transfers++
    this.#started[kind].bytes += bytes
    if (this.#limits.bytesPerSecond > 0) this.#tokens -= bytes
    if (kind === 'compaction') {
      this.#compactionCredit = Math.max(0, this.#compactionCredit - bytes)
    } else if (this.#waiting.compaction.length > 0) {
      const credit = this.#compactionCredit + (bytes * COMPACTION_SHARE) / (1 - COMPACTION_SHARE)
      this.#compactionCredit = Math.min(credit, this.#backgroundMax.bytes)
    }
  }

  /** The class whose first waiter starts now. */
  #next(): TransferClass | undefined {
    const compaction = this.#waiting.compaction[0]
    const due = compaction !== undefined && this.#compactionCredit >= this.#cost('compaction', compaction.bytes)
    if (due && this.#fitsLane('compaction', compaction.bytes)) {
      // When there is no room beside demand reads, they wait as well, until there is.
      return this.#fitsAll('compaction', compaction.bytes) && this.#hasTokens(1) ? 'compaction' : undefined
    }
    const demand = this.#waiting.demand[0]
    if (demand !== undefined) return this.#fitsAll('demand', demand.bytes) && this.#hasTokens(1) ? 'demand' : undefined
    if (due) return undefined
    const kind = this.#waiting['read-ahead'].length > 0 ? 'read-ahead' : 'compaction'
    const waiter = this.#waiting[kind][0]
    if (waiter === undefined || !this.#fitsLane(kind, waiter.bytes) || !this.#fitsAll(kind, waiter.bytes))
      return undefined
    return this.#hasTokens(this.#limits.bytesPerSecond * DEMAND_RESERVE) ? kind : undefined
  }

  /** What a transfer counts: its bytes, or all that its class may take if that is less. */
  #cost(kind: TransferClass, bytes: number): number {
    return Math.min(bytes, kind === 'demand' ? this.#limits.bytesInFlightMax : this.#backgroundMax.bytes)
  }

  #fitsLane(kind: TransferClass, bytes: number): boolean {
    const { bytes: used, requests } = this.#background
    return used + this.#cost(kind, bytes) <= this.#backgroundMax.bytes && requests < this.#backgroundMax.requests
  }

  #fitsAll(kind: TransferClass, bytes: number): boolean {
    const used = this.#demand.bytes + this.#background.bytes
    const requests = this.#demand.requests + this.#background.requests
    return (
      used + this.#cost(kind, bytes) <= this.#limits.bytesInFlightMax && requests < this.#limits.requestsInFlightMax
    )
  }

  /** Whether at least `level` bytes may start; otherwise looks again when they may. */
  #hasTokens(level: number): boolean {
    const { bytesPerSecond, clock } = this.#limits
    if (bytesPerSecond === 0 || this.#tokens >= level) return true
    this.#cancelTimer?.()
    const delayMs = Math.max(1, Math.ceil(((level - this.#tokens) * 1000) / bytesPerSecond))
    this.#cancelTimer = clock.after(delayMs, () => this.#startWhatFits())
    return false
  }

  #refillTokens(): void {
    const { bytesPerSecond, clock } = this.#limits
    if (bytesPerSecond === 0) return
    const now = clock.monotonic()
    this.#tokens = Math.min(bytesPerSecond, this.#tokens + ((now - this.#tokensAt) * bytesPerSecond) / 1000)
    this.#tokensAt = now
  }
}

function closedFault(): Fault {
  return new Fault('closed', 'the transfer budget was closed')
}
