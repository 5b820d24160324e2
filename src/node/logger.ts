/** The adapter of `Log` to pino: lines of JSON on standard error, because standard output shows the status. */
import { destination, pino, stdSerializers } from 'pino'
import type { Log } from '../runtime/log.ts'

/** Its `level` can be changed while it is in use. */
export function createLogger(level: string): Log & { level: string } {
  return pino({ level, base: null, serializers: { error: stdSerializers.err } }, destination({ dest: 2, sync: true }))
}
