/** Processor time and memory of another process, from Linux' /proc. */
import { readFileSync } from 'node:fs'

/** The kernel's unit in /proc, the same on all of Linux' usual platforms. */
const TICKS_PER_SECOND = 100
/** Of the fields behind the command's name, which may contain anything. */
const USER_TICKS = 11
const SYSTEM_TICKS = 12

/** Seconds, user and system, of all threads. */
export function processCpuSeconds(pid: number): number {
  return cpuSeconds(`/proc/${pid}/stat`)
}

export function mainThreadCpuSeconds(pid: number): number {
  return cpuSeconds(`/proc/${pid}/task/${pid}/stat`)
}

/** The most memory the process ever had, bytes. */
export function residentBytesMax(pid: number): number {
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kibibytes ?? 0) * 1024
}

function cpuSeconds(path: string): number {
  const stat = readFileSync(path, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS])) / TICKS_PER_SECOND
}
