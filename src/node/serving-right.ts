/**
 * Whether this node may still answer for what it leads. Its lease says so; where the log is in the object store, so does
 * each object that the store takes for it, since whoever takes the log over keeps that from happening (DESIGN: the fence
 * guards every acknowledgement). A database that is away therefore does not keep a node with such a log from serving.
 */
import type { NodeLease } from '../cluster/node-lease.ts'
import type { Clock } from '../runtime/clock.ts'
import type { ObjectWal } from '../stream/wal/object-wal.ts'

/** Parts of a lease: how often the log is proven to be ours while nothing else tells. */
const PROOFS = 3

export class ServingRight {
  readonly #clock: Clock
  readonly #lease: NodeLease
  readonly #leaseMs: number
  readonly #log: ObjectWal | undefined
  #cancel: (() => void) | undefined

  /** `log`: undefined where only the lease counts. */
  constructor(clock: Clock, lease: NodeLease, leaseMs: number, log: ObjectWal | undefined) {
    this.#clock = clock
    this.#lease = lease
    this.#leaseMs = leaseMs
    this.#log = log
  }

  start(): void {
    if (this.#log === undefined) return
    this.#cancel = this.#clock.after(this.#leaseMs / PROOFS, () => {
      if (this.#lease.remainingMs < this.#leaseMs / 2) this.#log?.prove()
      this.start()
    })
  }

  close(): void {
    this.#cancel?.()
  }

  /** At most one clock read or two; asked for each partition of each request. */
  holds(): boolean {
    if (this.#lease.valid()) return true
    return this.#log !== undefined && this.#clock.monotonic() - this.#log.provenMs < this.#leaseMs
  }
}
