/**
 * Joins what is known of the records of a share partition with what is new: of two states of a record the one of the later
 * delivery counts, and of the same delivery the more final one, in whatever order they come.
 */
import type { StateBatch } from './share-state.ts'

/** Runs of alike records from `startOffset` on, in order and as few as can be. */
export function joinStateBatches(
  known: readonly StateBatch[],
  added: readonly StateBatch[],
  startOffset: number
): readonly StateBatch[] {
  const batches = [...known, ...added].filter((batch) => batch.lastOffset >= startOffset)
  const edges = new Set<number>()
  for (const { firstOffset, lastOffset } of batches) edges.add(Math.max(firstOffset, startOffset)).add(lastOffset + 1)
  const sorted = [...edges].sort((a, b) => a - b)
  const winners: (StateBatch | undefined)[] = new Array(sorted.length)
  const places = new Map(sorted.map((edge, place) => [edge, place]))
  for (const batch of batches) {
    const end = places.get(batch.lastOffset + 1) ?? 0
    for (let place = places.get(Math.max(batch.firstOffset, startOffset)) ?? 0; place < end; place++) {
      const winner = winners[place]
      if (winner === undefined || isLater(batch, winner)) winners[place] = batch
    }
  }
  const joined: StateBatch[] = []
  for (const [place, winner] of winners.entries()) {
    if (winner === undefined) continue
    const firstOffset = sorted[place] as number
    const batch = { ...winner, firstOffset, lastOffset: (sorted[place + 1] as number) - 1 }
    const before = joined.at(-1)
    if (before !== undefined && isAlike(before, batch))
      joined[joined.length - 1] = { ...batch, firstOffset: before.firstOffset }
    else joined.push(batch)
  }
  return joined
}

function isLater(a: StateBatch, b: StateBatch): boolean {
  if (a.deliveryCount !== b.deliveryCount) return a.deliveryCount > b.deliveryCount
  return a.deliveryState > b.deliveryState
}

function isAlike(before: StateBatch, after: StateBatch): boolean {
  return (
    before.lastOffset + 1 === after.firstOffset &&
    before.deliveryState === after.deliveryState &&
    before.deliveryCount === after.deliveryCount
  )
}
