/**
 * One reign of a controller, from one grant of the controller lease to its end: looks at the leases of nodes, fences those
 * that are dead, and has them recovered, all at the same time.
 *
 * Invariant: a node is fenced only in a transaction that finds its lease run out by the database's clock and this reign
 * the newest. What is judged here only decides when to try.
 */
import type { Metadata, NodeLease } from '../metadata/metadata.ts'
import type { Clock } from '../runtime/clock.ts'
import { isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import { DeathWatch } from './death-watch.ts'
import type { FailoverEntry, FailoverHistory } from './failover-history.ts'
import { LeaseTerm } from './lease-term.ts'
import { type Recover, Recovery } from './recovery.ts'
import type { Suspicion } from './suspicion.ts'

export interface ReignParts {
  readonly clock: Clock
  readonly log: Log
  readonly metadata: Pick<Metadata, 'fenceNode' | 'recordFailover'>
  readonly nodeId: number
  readonly leaseMs: number
  readonly stoppedGraceMs: number
  readonly leads: (nodeId: number) => boolean
  readonly recover: Recover
  readonly history: FailoverHistory
  readonly suspicion: Suspicion
}

export class Reign {
  readonly epoch: number
  readonly #parts: ReignParts
  readonly #term: LeaseTerm
  readonly #watch: DeathWatch
  readonly #recoveries = new Map<number, Recovery>()
  #recording: Promise<unknown> = Promise.resolve()
  #cancelExpiry: (() => void) | undefined
  #over = false
  #hesitates = false

  constructor(parts: ReignParts, epoch: number) {
    this.epoch = epoch
    this.#parts = parts
    this.#term = new LeaseTerm(parts.clock, parts.leaseMs)
    this.#watch = new DeathWatch(parts)
  }

  /** Ended: a grant of the same epoch that comes later begins another reign. */
  get over(): boolean {
    return this.#over
  }

  /** False once another controller may have come. */
  get holds(): boolean {
    return !this.#over && this.#term.holds
  }

  /** The database granted the controller lease, once more or for the first time. */
  granted(askedMs: number): void {
    this.#term.extend(askedMs)
    this.#cancelExpiry?.()
    this.#cancelExpiry = this.#parts.clock.after(this.#term.remainingMs, () =>
      this.end('the controller lease has run out')
    )
  }

  /** One reading of all leases. Resolves when whoever is dead is fenced, or could not be; Fault of the database. */
  async look(leases: readonly NodeLease[]): Promise<void> {
    const readMs = this.#parts.clock.monotonic()
    for (const { id, epoch } of leases) {
      const recovery = this.#recoveries.get(id)
      if (recovery !== undefined && recovery.node.epoch !== epoch) recovery.giveUp('the node has come back by itself')
    }
    const { dead, others, othersDead, selfRunOut } = this.#watch.judge(leases, readMs)
    const believed = this.#parts.suspicion.believes({ others, dead: othersDead, selfRunOut }, readMs)
    const due = dead.filter(({ id }) => !this.#recoveries.has(id))
    this.#tellHesitation(!believed && due.length > 0, { others, othersDead, selfRunOut })
    if (!believed) return
    const outcomes = await Promise.allSettled(due.map((node) => this.#fence(node, readMs)))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  /** Nothing is begun any more; what is under way is told to stop. */
  end(reason: string): void {
    if (this.#over) return
    this.#over = true
    this.#cancelExpiry?.()
    for (const recovery of this.#recoveries.values()) recovery.giveUp(reason)
  }

  /** Resolves when no recovery of it runs any more. */
  async settled(): Promise<void> {
    await Promise.all([...this.#recoveries.values()].map(({ ended }) => ended))
    await this.#recording
  }

  /** For people: whoever cannot write it down goes on without. */
  async #record(entry: FailoverEntry): Promise<void> {
    try {
      await this.#parts.metadata.recordFailover(entry.get())
    } catch (error) {
      if (!isFault(error)) throw error
      this.#parts.log.warn({ error: error.message }, 'a failover could not be written down; it is in this log only')
    }
  }

  async #fence(node: NodeLease, readMs: number): Promise<void> {
    if (!this.holds) return
    const { clock, log, metadata } = this.#parts
    const { id, epoch, state, remainingMs } = node
    this.#watch.fencing(node, clock.monotonic())
    const fenced = await metadata.fenceNode({ id, epoch }, this.epoch)
    if (!fenced) {
      this.#watch.spared(node)
      return
    }
    log.warn(
      { nodeId: id, found: state, overdueMs: Math.round(-remainingMs) },
      'a node is fenced: its lease has run out'
    )
    // Whoever is the controller next finds it fenced, and begins anew.
    if (this.holds) this.#recover(node, readMs)
  }

  #recover({ id, epoch, state, remainingMs }: NodeLease, readMs: number): void {
    const { clock, history } = this.#parts
    const node = { id, epoch: epoch + 1 }
    // Of the others nobody waits for since their lease ran out.
    const overdueMs = state === 'running' || state === 'draining' ? -remainingMs : 0
    const sinceMs = readMs - overdueMs
    const elapsedMs = clock.monotonic() - sinceMs
    const entry = history.add({
      nodeId: id,
      nodeEpoch: node.epoch,
      controllerEpoch: this.epoch,
      found: state,
      sinceMs: Math.round(clock.now() - elapsedMs),
      noticedMs: Math.round(overdueMs),
      fencedMs: Math.round(elapsedMs),
      openedMs: undefined,
      replayedMs: undefined,
      committedMs: undefined,
      handedOverMs: undefined,
      attempts: 0,
      outcome: 'under way',
      problem: undefined,
      partitions: 0,
      records: 0,
      bytes: 0
    })
    const recovery = new Recovery({ ...this.#parts, node, entry, sinceMs })
    this.#recoveries.set(id, recovery)
    void recovery.ended.then(() => {
      this.#recoveries.delete(id)
      this.#recording = Promise.all([this.#recording, this.#record(entry)])
    })
  }

  #tellHesitation(hesitates: boolean, seen: Record<string, unknown>): void {
    if (hesitates && !this.#hesitates) {
      this.#parts.log.warn(seen, 'nodes look dead, but it may be this one or the database: looking for another lease')
    }
    this.#hesitates = hesitates
  }
}
