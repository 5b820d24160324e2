/** The adapter of `Log` to pino: lines of JSON on standard error, because standard output shows the status. */
import { destination, pino, stdSerializers } from 'pino'
import type { Log } from '../runtime/log.ts'

export function createLogger(level: string): Log {
  return pino({ level, base: null, serializers: { error: stdSerializers.err } }, destination({ dest: 2, sync: true }))
}
