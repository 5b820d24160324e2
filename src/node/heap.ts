/**
 * Tells V8 how a broker uses memory. Nearly all of it is buffers, which V8 counts against a limit that it derives from
 * the size of its own small heap: at full load that meant a full collection for every 13 MB received, a third of the
 * processor time. With a limit of several times the heap it is one for every 60 MB, for about 50 MB of memory more
 * (docs/performance.md).
 */
import { setFlagsFromString } from 'node:v8'

/** Collect when the heap and its buffers have grown by this much since the last collection. */
const HEAP_GROWING_PERCENT = 800

export function tuneHeap(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`)
}
