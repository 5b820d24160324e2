/**
 * Which neighbours to merge: the rule that keeps both the number of objects and the bytes written low. Pure.
 *
 * Neighbours are merged when there are at least `fanIn` of them and together they are at least `growth` times as large
 * as the largest. So whatever is rewritten lands in something at least `growth` times as large as what held it, and no
 * byte is rewritten more than log(largest / smallest, growth) times; and what cannot be merged are fewer than `fanIn`
 * objects of each order of magnitude.
 */

export interface Mergeable {
  readonly bytes: number
  /** False when merging this one does not make anything less: it is taken along between others, never at an end. */
  readonly counts: boolean
}

export interface MergeLimits {
  readonly fanIn: number
  readonly growth: number
  /** No merge is larger, unless one alone is. */
  readonly bytesMax: number
  readonly sourcesMax: number
}

/**
 * Offers [start, end) of neighbours that are worth merging to `accept`, the smallest first, until it returns something.
 */
export function findMerge<T>(
  neighbours: readonly Mergeable[],
  limits: MergeLimits,
  accept: (start: number, end: number) => T | undefined
): T | undefined {
  for (const bytesMax of magnitudes(neighbours)) {
    for (let start = 0; start < neighbours.length; ) {
      let end = start
      while (isAtMost(neighbours[end], bytesMax)) end++
      const found = inStretch(neighbours, start, end, limits, accept)
      if (found !== undefined) return found
      start = end + 1
    }
  }
  return undefined
}

/** Cheap and never wrong when it says no: whether `findMerge` can find anything, in whatever order these stand. */
export function mayMerge(sizes: readonly number[], { fanIn, growth }: MergeLimits): boolean {
  let sum = 0
  return sizes
    .toSorted((a, b) => a - b)
    .some((bytes, index) => {
      sum += bytes
      return index + 1 >= fanIn && sum >= growth * bytes
    })
}

/** Powers of two that the sizes do not pass, each once, from the smallest. */
function magnitudes(neighbours: readonly Mergeable[]): number[] {
  const powers = neighbours.map(({ bytes }) => 2 ** Math.ceil(Math.log2(Math.max(1, bytes))))
  return [...new Set(powers)].sort((a, b) => a - b)
}

function isAtMost(one: Mergeable | undefined, bytesMax: number): boolean {
  return one !== undefined && one.bytes <= bytesMax
}

function inStretch<T>(
  neighbours: readonly Mergeable[],
  first: number,
  end: number,
  limits: MergeLimits,
  accept: (start: number, end: number) => T | undefined
): T | undefined {
  for (let start = first; end - start >= limits.fanIn; start++) {
    if (!neighbours[start]?.counts) continue
    const whole = measure(neighbours, start, end, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)
    if (whole.counted < limits.fanIn) return undefined
    if (whole.sum < limits.growth * whole.max) continue
    const cut = measure(neighbours, start, end, limits.bytesMax, limits.sourcesMax)
    // The next one did not fit: what is left is nearly as much.
    const growth = cut.end < whole.end ? limits.growth - 1 : limits.growth
    if (cut.counted < 2 || cut.sum < growth * cut.max) continue
    const found = accept(start, cut.end)
    if (found !== undefined) return found
  }
  return undefined
}

interface Measure {
  /** After the last that counts. */
  end: number
  sum: number
  max: number
  counted: number
}

function measure(
  neighbours: readonly Mergeable[],
  start: number,
  end: number,
  bytesMax: number,
  sourcesMax: number
): Measure {
  const measured = { end: start, sum: 0, max: 0, counted: 0 }
  let sum = 0
  let max = 0
  let counted = 0
  for (let at = start; at < end && at - start < sourcesMax; at++) {
    const one = neighbours[at]
    if (one === undefined || (sum > 0 && sum + one.bytes > bytesMax)) break
    sum += one.bytes
    max = Math.max(max, one.bytes)
    if (!one.counts) continue
    counted++
    Object.assign(measured, { end: at + 1, sum, max, counted })
  }
  return measured
}
