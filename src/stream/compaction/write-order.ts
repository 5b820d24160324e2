/**
 * The order in which objects that hold several streams were written, as far as it matters: where two hold the same
 * stream, the one with the earlier offsets comes first. Ids do not tell, because a merged object has a young id and old
 * data. Pure.
 */
import type { ObjectRange } from '../../metadata/metadata.ts'

interface Holder {
  readonly object: { readonly id: number }
  readonly ranges: readonly ObjectRange[]
}

/** Topological order, smaller ids first where there is a choice. */
export function inWriteOrder<H extends Holder>(holders: readonly H[]): H[] {
  const byId = holders.toSorted((a, b) => a.object.id - b.object.id)
  const predecessors = predecessorsOf(byId)
  const ordered: H[] = []
  const seen = new Set<H>()
  for (const holder of byId) {
    if (seen.has(holder)) continue
    // Depth first without recursion: a chain may be long.
    const open = [holder]
    for (let next = open.at(-1); next !== undefined; next = open.at(-1)) {
      seen.add(next)
      // One that is open already is in a circle (never seen yet) and counts as placed.
      const before = predecessors.get(next)?.pop()
      if (before === undefined) ordered.push(...open.splice(-1))
      else if (!seen.has(before)) open.push(before)
    }
  }
  return ordered
}

/** For each, those that hold the range before one of its own. */
function predecessorsOf<H extends Holder>(holders: readonly H[]): Map<H, H[]> {
  const streams = new Map<number, { startOffset: number; holder: H }[]>()
  for (const holder of holders) {
    for (const { streamId, startOffset } of holder.ranges) {
      const places = streams.get(streamId)
      if (places === undefined) streams.set(streamId, [{ startOffset, holder }])
      else places.push({ startOffset, holder })
    }
  }
  const predecessors = new Map<H, H[]>()
  for (const places of streams.values()) {
    places.sort((a, b) => a.startOffset - b.startOffset)
    for (const [index, { holder }] of places.entries()) {
      const before = places[index - 1]?.holder
      if (before === undefined || before === holder) continue
      const known = predecessors.get(holder)
      if (known === undefined) predecessors.set(holder, [before])
      else known.push(before)
    }
  }
  return predecessors
}
