/**
 * The lease of this life of the node: while it is valid, nobody may take over what the node leads.
 *
 * Invariant: `valid()` is never true at a moment at which the database would let the node be fenced. An outage of the
 * database makes it false by the mere passing of time, and true again if the node was not fenced meanwhile. A refusal is
 * final: this life is over, and only a new one (`beginLife`) can serve again.
 * It does not know what is guarded by it.
 */
import type { Metadata, NodeIdentity } from '../metadata/metadata.ts'
import type { Clock } from '../runtime/clock.ts'
import { sleep } from '../runtime/clock.ts'
import { Fault, isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import { LeaseTerm } from './lease-term.ts'

/** Parts of the lease: four renewals may fail before it runs out. */
const RENEWALS = 5
/** Renewals go on while earlier ones have not been answered: the answer may be lost. */
const UNDER_WAY_MAX = 4
/** Part of the lease after which a failed renewal is tried again. */
const RETRIES = 20
/** Whoever is fenced just when it starts tries again; more often than this, and something else is wrong. */
const BEGINNINGS_MAX = 5

interface LifeParts {
  readonly clock: Clock
  readonly log: Log
  /** Milliseconds that the database is asked for. */
  readonly leaseMs: number
  /** This life is over: it was fenced, or the node has started again. Called at most once. */
  readonly lost: (fault: Fault) => void
}

export interface NodeLeaseParts extends LifeParts {
  readonly metadata: Pick<Metadata, 'renewNodeLease'>
  /** From `registerNode`. */
  readonly node: NodeIdentity
}

export interface BeginLifeParts extends LifeParts {
  readonly metadata: Pick<Metadata, 'registerNode' | 'leases' | 'renewNodeLease'>
  readonly nodeId: number
  /**
   * Whether an earlier life of the node may still be running, paused perhaps, on a log that nothing but the lease keeps
   * it from writing to. Then its lease is waited out. False when a lock or a fence on the log itself decides.
   */
  readonly earlierLifeMayRun: boolean
}

export class NodeLease {
  readonly node: NodeIdentity
  readonly #parts: NodeLeaseParts
  readonly #term: LeaseTerm
  #underWay = 0
  #cancelNext: (() => void) | undefined
  #over = false
  /** What has been told of the present trouble. */
  #told: 'nothing' | 'failing' | 'run out' = 'nothing'

  constructor(parts: NodeLeaseParts) {
    this.node = parts.node
    this.#parts = parts
    this.#term = new LeaseTerm(parts.clock, parts.leaseMs)
  }

  /** Whether nobody else can have taken over by now. One clock read; ask at each acknowledgement, after the data is durable. */
  valid(): boolean {
    return this.#term.holds
  }

  /** Milliseconds that it is valid for without another renewal; not above 0 when it is not. */
  get remainingMs(): number {
    return this.#term.remainingMs
  }

  /** Takes the lease for the first time and keeps renewing it. False when this life is over; Fault `unavailable`. */
  async acquire(): Promise<boolean> {
    const { clock, metadata, leaseMs } = this.#parts
    const askedMs = clock.monotonic()
    if (!(await metadata.renewNodeLease(this.node, leaseMs))) return false
    this.#term.extend(askedMs)
    this.#next(leaseMs / RENEWALS)
    return true
  }

  /**
   * Gives the lease back, so that nobody has to wait for its end. The node must be announced as stopped before: one that
   * runs without a lease counts as dead.
   */
  async close(): Promise<void> {
    if (this.#over) return
    this.#end()
    try {
      await this.#parts.metadata.renewNodeLease(this.node, 0)
    } catch (error) {
      if (!isFault(error)) throw error
      this.#parts.log.warn({ error: error.message }, 'the lease could not be given back: it runs out by itself')
    }
  }

  #next(delayMs: number): void {
    this.#cancelNext?.()
    this.#cancelNext = this.#parts.clock.after(delayMs, () => {
      this.#next(this.#parts.leaseMs / RENEWALS)
      this.#tell()
      // A bug rejects and is left to end the process.
      if (this.#underWay < UNDER_WAY_MAX) void this.#renew()
    })
  }

  async #renew(): Promise<void> {
    const { clock, metadata, leaseMs } = this.#parts
    const askedMs = clock.monotonic()
    this.#underWay += 1
    try {
      const granted = await metadata.renewNodeLease(this.node, leaseMs)
      if (this.#over) return
      if (granted) this.#granted(askedMs)
      else this.#lose()
    } catch (error) {
      if (!isFault(error)) throw error
      if (!this.#over) this.#failed(error)
    } finally {
      this.#underWay -= 1
    }
  }

  #granted(askedMs: number): void {
    this.#term.extend(askedMs)
    // The answer may have come too late to be worth anything.
    if (this.#told === 'nothing' || !this.#term.holds) return
    this.#told = 'nothing'
    this.#parts.log.info({}, 'the lease is renewed again')
  }

  #failed(error: Fault): void {
    this.#next(this.#parts.leaseMs / RETRIES)
    if (this.#told !== 'nothing') return
    this.#told = 'failing'
    const { remainingMs } = this.#term
    this.#parts.log.warn(
      { error: error.message, remainingMs },
      'the lease could not be renewed; tried again until it is'
    )
  }

  #tell(): void {
    if (this.#told === 'run out' || this.#term.holds) return
    this.#told = 'run out'
    this.#parts.log.error({}, 'the lease has run out: what needs it waits until the database answers')
  }

  #lose(): void {
    this.#end()
    const { id, epoch } = this.node
    this.#parts.lost(new Fault('fenced', `node ${id} was fenced or has started again: its life ${epoch} is over`))
  }

  #end(): void {
    this.#over = true
    this.#term.end()
    this.#cancelNext?.()
  }
}

/**
 * Registers a start of the node and takes its lease: nothing of the node may be opened before. Fault `unavailable` when
 * the database does not answer.
 */
export async function beginLife(parts: BeginLifeParts): Promise<NodeLease> {
  const { metadata, nodeId, earlierLifeMayRun } = parts
  for (let beginning = 1; beginning <= BEGINNINGS_MAX; beginning++) {
    const epoch = await metadata.registerNode(nodeId)
    if (earlierLifeMayRun) await waitOutLease(parts)
    const lease = new NodeLease({ ...parts, node: { id: nodeId, epoch } })
    // A controller that looked just now saw a node without a lease.
    if (await lease.acquire()) return lease
  }
  throw new Fault(
    'conflict',
    `node ${nodeId} is fenced again and again while it starts: does another process use its id?`
  )
}

/** An earlier life renews no more once the next is registered. */
async function waitOutLease({ metadata, nodeId, clock }: BeginLifeParts): Promise<void> {
  for (;;) {
    const own = (await metadata.leases()).find(({ id }) => id === nodeId)
    if (own === undefined || own.remainingMs <= 0) return
    await sleep(clock, own.remainingMs + 1)
  }
}
