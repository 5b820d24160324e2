/**
 * Which nodes are so slow that they should get no more to do. Pure. Compared with the others: where everything is slow,
 * moving partitions helps nobody.
 */
import type { ReportedLoad } from '../metadata/metadata.ts'

/** Times the median that counts as slow. */
const FACTOR = 4
/** Milliseconds below which nothing is slow. */
const EVENT_LOOP_MS_MIN = 100
const APPEND_MS_MIN = 250
/** A node whose last report is older than this cannot do even that. */
const REPORT_AGE_MS_MAX = 60_000

/** Why each slow one is, by node id. `loads`: of the present lives of nodes that run. */
export function slowNodes(loads: readonly ReportedLoad[]): ReadonlyMap<number, string> {
  const fresh = loads.filter(({ ageMs }) => ageMs <= REPORT_AGE_MS_MAX)
  const eventLoopMax = Math.max(EVENT_LOOP_MS_MIN, FACTOR * median(fresh.map((load) => load.eventLoopDelayMs)))
  // Whoever appended nothing does not say how long it takes.
  const appends = fresh.map((load) => load.appendDelayMs).filter((ms) => ms > 0)
  const appendMax = Math.max(APPEND_MS_MIN, FACTOR * median(appends))
  return new Map(
    loads.flatMap(({ nodeId, ageMs, eventLoopDelayMs, appendDelayMs }): [number, string][] => {
      if (ageMs > REPORT_AGE_MS_MAX) return [[nodeId, `it has reported nothing for ${Math.round(ageMs / 1000)} s`]]
      if (eventLoopDelayMs > eventLoopMax)
        return [[nodeId, `its event loop is ${Math.round(eventLoopDelayMs)} ms late`]]
      if (appendDelayMs > appendMax) return [[nodeId, `its appends take ${Math.round(appendDelayMs)} ms`]]
      return []
    })
  )
}

/** The lower one of two in the middle, so that of two nodes the slower can be slow. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0
}
