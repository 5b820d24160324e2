/**
 * Which survivor gets which partition of a node that is gone: as many each as possible, so that each has the same to open
 * at the same time; of equals, the one with less load. The same input gives the same answer. Pure.
 * It does not look at how much survivors lead already, except as load: evening that out is not for the moment of a failure.
 */
import { assert } from '../runtime/fault.ts'

export interface Survivor {
  readonly id: number
  /** In any unit that partitions use too. */
  readonly load?: number
}

interface Heir {
  readonly id: number
  count: number
  load: number
}

/** Node id of the receiver by partition. At least one survivor. */
export function spreadOver<P extends object>(
  partitions: readonly P[],
  survivors: readonly Survivor[],
  loadOf: (partition: P) => number = () => 0
): Map<P, number> {
  const heirs: Heir[] = survivors.map(({ id, load = 0 }) => ({ id, count: 0, load })).sort((a, b) => a.id - b.id)
  const receivers = new Map<P, number>()
  // The heaviest first, or they would all come last, onto whoever happens to be next.
  for (const partition of [...partitions].sort((a, b) => loadOf(b) - loadOf(a))) {
    const heir = heirs.reduce((best, other) => (isBetter(other, best) ? other : best), firstOf(heirs))
    heir.count += 1
    heir.load += loadOf(partition)
    receivers.set(partition, heir.id)
  }
  return receivers
}

function isBetter(a: Heir, b: Heir): boolean {
  return a.count < b.count || (a.count === b.count && a.load < b.load)
}

function firstOf(heirs: readonly Heir[]): Heir {
  const first = heirs[0]
  assert(first !== undefined, 'nobody is left to take the partitions over')
  return first
}
