/** JVMs that the suite starts: small heaps, one compiler, quiet logs, because several share a small machine. */
import { PeerProcess } from '../peer-process.ts'

export interface JavaOptions {
  readonly heapMb?: number
  /** Level of the clients' own log, which goes to standard error. */
  readonly log?: 'off' | 'error' | 'warn' | 'info'
  readonly cwd?: string
}

export function startJava(
  classPath: string,
  main: string,
  args: readonly string[],
  { heapMb = 256, log = 'error', cwd }: JavaOptions = {}
): PeerProcess {
  const flags = [
    `-Xmx${heapMb}m`,
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    `-Dorg.slf4j.simpleLogger.defaultLogLevel=${log}`,
    '-cp',
    classPath
  ]
  return new PeerProcess('java', [...flags, main, ...args], cwd === undefined ? {} : { cwd })
}
