/** Runs checks, each within its time, and keeps what came out of them. */
import type { Finding } from '../compatibility.ts'

const CHECK_MS = 120_000
const DETAIL_CHARACTERS_MAX = 400

export interface CheckOptions {
  readonly timeoutMs?: number
}

/** Thrown by a check when the client says that the broker does not have what it needs. */
export class NotOffered extends Error {}

export class CheckReport {
  readonly findings: Finding[] = []
  readonly #filter: string
  readonly #tell: (finding: Finding) => void

  /** Only checks whose `client: feature` contains `filter` run. `tell` hears of each as it ends. */
  constructor(filter = '', tell: (finding: Finding) => void = () => {}) {
    this.#filter = filter
    this.#tell = tell
  }

  /** For programs that choose among their own checks by a text in their features. */
  get filter(): string {
    return this.#filter
  }

  async check(
    client: string,
    version: string,
    feature: string,
    run: () => Promise<void>,
    { timeoutMs = CHECK_MS }: CheckOptions = {}
  ): Promise<void> {
    if (!`${client}: ${feature}`.includes(this.#filter)) return
    try {
      await inTime(run(), timeoutMs)
      this.add({ client, version, feature, result: 'works', detail: '' })
    } catch (error) {
      const result = error instanceof NotOffered ? 'not offered' : 'fails'
      this.add({ client, version, feature, result, detail: oneLine(error) })
    }
  }

  add(finding: Finding): void {
    this.findings.push(finding)
    this.#tell(finding)
  }
}

async function inTime(running: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${timeoutMs / 1000} s`)), timeoutMs)
  })
  try {
    await Promise.race([running, late])
  } finally {
    clearTimeout(timer)
  }
}

function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.replace(/\s+/g, ' ').trim().slice(0, DETAIL_CHARACTERS_MAX)
}
