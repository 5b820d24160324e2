/**
 * One whole simulation: run a fleet, let it finish, and prove by reading the topics that nothing acknowledged is missing.
 */
import { Fault } from '../runtime/fault.ts'
import { FleetSimulator, type FleetSimulatorOptions, type FleetStats } from './fleet-simulator.ts'
import { FleetVerification, type VerificationResult } from './fleet-verification.ts'
import { TopicReader } from './topic-reader.ts'

export interface SimulateOptions extends FleetSimulatorOptions {
  /** `host:port` of brokers, for the verification. */
  readonly bootstrap: readonly string[]
  /** `telemetry` and `telemetry.dead-letter` unless given. */
  readonly telemetryTopic?: string
  readonly deadLetterTopic?: string
  /** How long devices may take to send what they hold at the end, milliseconds; 60 000. */
  readonly drainMs?: number
  /** Ends the measuring early; the run is still drained and verified. */
  readonly signal?: AbortSignal
}

export interface SimulationResult extends VerificationResult {
  readonly stats: FleetStats
  /** From the first measurement until everything was acknowledged or the time was up. */
  readonly elapsedMs: number
  /** Acknowledged records per second over that time. */
  readonly acknowledgedPerSecond: number
}

/**
 * Runs until `settings.recordsMax` records were measured, or `signal` aborts. The topics must exist (a gateway creates
 * them when it starts). Fault `invalid` without an end, `unavailable` when the topics cannot be read.
 */
export async function simulate(options: SimulateOptions): Promise<SimulationResult> {
  const { clock, telemetryTopic = 'telemetry', deadLetterTopic = 'telemetry.dead-letter', signal } = options
  if (options.settings?.recordsMax === undefined && signal === undefined) {
    throw new Fault('invalid', 'a simulation needs an end: give settings.recordsMax or a signal')
  }
  const reader = new TopicReader(options.bootstrap, [telemetryTopic, deadLetterTopic])
  const fleet = new FleetSimulator({ ...options, settings: { ...options.settings, keepRecords: true } })
  try {
    // No record of this run can stand before these marks: its epoch begins now.
    const start = await reader.ends()
    const startedAt = clock.monotonic()
    await fleet.start()
    await Promise.race([fleet.measuringDone(), aborted(signal)])
    fleet.stopMeasuring()
    await fleet.drained(options.drainMs ?? 60_000)
    const elapsedMs = clock.monotonic() - startedAt
    await fleet.stop()
    const stats = fleet.stats()
    const verification = new FleetVerification(fleet.ledger, telemetryTopic)
    await reader.read(start, (record) => verification.observe(record))
    const acknowledgedPerSecond = Math.round((stats.acknowledged * 1000) / elapsedMs)
    return { ...verification.result(stats.buffered), stats, elapsedMs: Math.round(elapsedMs), acknowledgedPerSecond }
  } finally {
    await fleet.stop()
    await reader.close()
  }
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) resolve()
    else signal?.addEventListener('abort', () => resolve(), { once: true })
  })
}
