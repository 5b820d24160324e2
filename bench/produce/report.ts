/** From measurements to medians, ratios and a Markdown table. Pure. */
import type { Measurement } from './load-generator.ts'
import type { Workload } from './workload.ts'

export interface Result {
  readonly workload: Workload
  readonly system: string
  readonly rounds: readonly Measurement[]
}

/** What the floor's results are called. */
export const FLOOR = 'bare loop'

interface Row {
  readonly megabytesPerSecond: number
  readonly requestsPerSecond: number
  readonly cpuPerGigabyte: number
  readonly cpuMicrosPerRequest: number
  readonly cores: number
  readonly mainThread: number
  readonly generator: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly residentMegabytes: number
}

const HEAD = [
  'workload',
  'system',
  'MB/s',
  'requests/s',
  'CPU s/GB',
  'CPU µs/request',
  'cores',
  'main thread',
  'generator',
  'p50 ms',
  'p99 ms',
  'peak MB',
  'rate ÷ floor',
  'CPU ÷ floor'
]

/** One line per workload and system. `rate ÷ floor` is the median over rounds of ratios within one round. */
export function markdownTable(results: readonly Result[]): string {
  const lines = results.map((result) => {
    const floor = results.find(({ workload, system }) => workload.name === result.workload.name && system === FLOOR)
    const row = summarise(result.rounds)
    return [
      result.workload.name,
      result.system,
      row.megabytesPerSecond.toFixed(row.megabytesPerSecond < 10 ? 2 : 0),
      row.requestsPerSecond.toFixed(0),
      row.cpuPerGigabyte.toFixed(2),
      row.cpuMicrosPerRequest.toFixed(0),
      row.cores.toFixed(2),
      row.mainThread.toFixed(2),
      row.generator.toFixed(2),
      row.p50Ms.toFixed(2),
      row.p99Ms.toFixed(2),
      row.residentMegabytes.toFixed(0),
      ratio(result, floor, (round) => round.requests / round.seconds),
      ratio(result, floor, (round) => round.serverCpu / round.requests)
    ]
  })
  return [HEAD, HEAD.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

function summarise(rounds: readonly Measurement[]): Row {
  const of = (value: (round: Measurement) => number) => median(rounds.map(value))
  return {
    megabytesPerSecond: of(({ bytes, seconds }) => bytes / 1e6 / seconds),
    requestsPerSecond: of(({ requests, seconds }) => requests / seconds),
    cpuPerGigabyte: of(({ serverCpu, bytes }) => serverCpu / (bytes / 1e9)),
    cpuMicrosPerRequest: of(({ serverCpu, requests }) => (serverCpu * 1e6) / requests),
    cores: of(({ serverCpu, seconds }) => serverCpu / seconds),
    mainThread: of(({ serverMainThreadCpu, seconds }) => serverMainThreadCpu / seconds),
    generator: of(({ generatorCpu, seconds }) => generatorCpu / seconds),
    p50Ms: of(({ p50Ms }) => p50Ms),
    p99Ms: of(({ p99Ms }) => p99Ms),
    residentMegabytes: Math.max(...rounds.map(({ serverResidentMax }) => serverResidentMax)) / 1e6
  }
}

function ratio(result: Result, floor: Result | undefined, value: (round: Measurement) => number): string {
  if (floor === undefined || floor === result) return ''
  const ratios = result.rounds.map((round, index) => {
    const beside = floor.rounds[index]
    return beside === undefined ? Number.NaN : value(round) / value(beside)
  })
  return median(ratios).toFixed(2)
}
