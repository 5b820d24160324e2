/**
 * Which nodes are to be fenced, by one reading of all leases after the other. Pure; times are monotonic milliseconds of
 * the caller. Only the lease decides who is alive, not the state.
 *
 * - `running`, `draining`: dead once the lease has run out.
 * - `stopped`: its log may hold records. Fenced when it still leads something and has not come back within the grace.
 * - `fenced`: whoever fenced it did not get to the end. Fenced anew when it still leads something, so that whatever is
 *   left of that recovery can do nothing any more.
 * A node that was started again has a lease long to take its own, or it would be fenced in the moment before, just when
 * the lease of its earlier life ends.
 */
import type { NodeLease } from '../metadata/metadata.ts'

export interface DeathWatchParts {
  /** The node that looks. */
  readonly nodeId: number
  readonly leaseMs: number
  readonly stoppedGraceMs: number
  /** Whether a node leads partitions. */
  readonly leads: (nodeId: number) => boolean
}

export interface Verdict {
  /** To be fenced, if one believes it. */
  readonly dead: readonly NodeLease[]
  /** Nodes that should be alive, and those that were fenced less than a lease ago. */
  readonly others: number
  /** Those of them that are not. */
  readonly othersDead: number
  readonly selfRunOut: boolean
}

interface Life {
  readonly epoch: number
  /** It replaced another life under our eyes, and may not have a lease of its own yet. */
  begins: boolean
  /** When the lease ended that it was first seen with; it may have been its earlier life's. */
  readonly firstEndMs: number
  runOutSinceMs: number | undefined
}

export class DeathWatch {
  readonly #parts: DeathWatchParts
  readonly #lives = new Map<number, Life>()
  /** By node id: the epoch that our fence gave it, and when. */
  readonly #fences = new Map<number, { readonly epoch: number; readonly sinceMs: number }>()

  constructor(parts: DeathWatchParts) {
    this.#parts = parts
  }

  judge(leases: readonly NodeLease[], nowMs: number): Verdict {
    const { nodeId, leaseMs } = this.#parts
    const others = leases.filter(({ id }) => id !== nodeId)
    const runOut = others.filter((node) => this.#runsWithout(node, nowMs))
    const dead = runOut.filter((node) => this.#isOver(node, nowMs))
    const expected = others.filter(isExpected)
    const fencedJustNow = others.filter(({ id, state }) => {
      const fence = this.#fences.get(id)
      return state === 'fenced' && fence !== undefined && nowMs - fence.sinceMs < leaseMs
    }).length
    return {
      dead,
      others: expected.length + fencedJustNow,
      othersDead: expected.filter(({ remainingMs }) => remainingMs <= 0).length + fencedJustNow,
      selfRunOut: leases.some(({ id, remainingMs }) => id === nodeId && remainingMs <= 0)
    }
  }

  /** We are about to fence a node: its next epoch will be our doing, also if we never hear of it. */
  fencing({ id, epoch }: NodeLease, nowMs: number): void {
    this.#fences.set(id, { epoch: epoch + 1, sinceMs: nowMs })
  }

  /** The fence had no effect, as the database said. */
  spared({ id }: NodeLease): void {
    this.#fences.delete(id)
  }

  #runsWithout({ id, epoch, remainingMs }: NodeLease, nowMs: number): boolean {
    const { leaseMs } = this.#parts
    const known = this.#lives.get(id)
    const endMs = nowMs + remainingMs
    const begins = known !== undefined && this.#fences.get(id)?.epoch !== epoch
    const life = known?.epoch === epoch ? known : { epoch, begins, firstEndMs: endMs, runOutSinceMs: undefined }
    this.#lives.set(id, life)
    // By more than readings differ that were on their way for different times.
    if (remainingMs > 0 && endMs > life.firstEndMs + leaseMs / 20) life.begins = false
    life.runOutSinceMs = remainingMs > 0 ? undefined : (life.runOutSinceMs ?? nowMs)
    return remainingMs <= 0
  }

  #isOver(node: NodeLease, nowMs: number): boolean {
    const { leaseMs, stoppedGraceMs, leads } = this.#parts
    const life = this.#lives.get(node.id)
    if (!isExpected(node) && !leads(node.id)) return false
    const graceMs = node.state === 'stopped' ? stoppedGraceMs : life?.begins ? leaseMs : 0
    return nowMs - (life?.runOutSinceMs ?? nowMs) >= graceMs
  }
}

/** Whether it means to be alive. */
function isExpected({ state }: NodeLease): boolean {
  return state === 'running' || state === 'draining'
}
