/** By how much this process's event loop is late. */
import { monitorEventLoopDelay } from 'node:perf_hooks'

const RESOLUTION_MS = 20

export interface EventLoopDelay {
  /** Milliseconds, 99th percentile since the last call. */
  take(): number
  close(): void
}

export function measureEventLoopDelay(): EventLoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  return {
    take() {
      // It counts the time between two ticks of a timer: one that is on time shows its period.
      const delayMs = Math.max(0, histogram.percentile(99) / 1e6 - RESOLUTION_MS)
      histogram.reset()
      return Number.isFinite(delayMs) ? delayMs : 0
    },
    close: () => void histogram.disable()
  }
}
