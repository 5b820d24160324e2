/**
 * The smallest index in [0, length) for which `holds` is true; `length` when there is none. Calls `holds` a logarithmic
 * number of times: it must be false for everything before the result, true from it on.
 */
export function firstIndexWhere(length: number, holds: (index: number) => boolean): number {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (holds(middle)) high = middle
    else low = middle + 1
  }
  return low
}
