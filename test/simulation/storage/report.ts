/** What a reader needs of one failed run, and of many runs together. */
import type { SimulationReport } from './simulation.ts'

const TAIL_LINES = 40
const HOUR_MS = 3_600_000

/** The violations, how to repeat them, and what happened last. */
export function failureOf(report: SimulationReport): string {
  return [
    `seed ${report.seed} (${report.walKind} WAL): ${report.violations.length} violations`,
    ...report.violations.map((violation) => `  ${violation.split('\n', 1)[0]}`),
    `the last ${TAIL_LINES} of ${report.lines} lines of its history:`,
    ...report.tail.slice(-TAIL_LINES).map((line) => `  ${line}`),
    `repeat: npm run simulate:storage -- --seed ${report.seed} --seeds 1 --history history.txt`
  ].join('\n')
}

export class Summary {
  #seeds = 0
  #simulatedMs = 0
  #violations = 0
  readonly #counts = new Map<string, number>()

  get violations(): number {
    return this.#violations
  }

  add(report: SimulationReport): void {
    this.#seeds++
    this.#simulatedMs += report.simulatedMs
    this.#violations += report.violations.length
    for (const [name, count] of Object.entries(report.counts)) {
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + count)
    }
  }

  get hours(): number {
    return this.#simulatedMs / HOUR_MS
  }

  count(name: keyof SimulationReport['counts']): number {
    return this.#counts.get(name) ?? 0
  }

  text(): string {
    const hours = this.hours.toFixed(1)
    const counts = [...this.#counts].map(([name, count]) => `${count} ${name}`)
    return `${this.#seeds} seeds, ${hours} simulated hours, ${counts.join(', ')}: ${this.#violations} violations`
  }
}
