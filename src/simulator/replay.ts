/**
 * Sends recordings of real vehicles through the gateway and proves that they arrived complete, in order per device and
 * with their event times.
 *
 * Each recording is one device per transport (`replay-openxc-mqtt5`, …). Dead connections are not retried: a replay
 * that was interrupted fails, and can be run again.
 */
import type { DeviceRegistry } from '../fleet/device-registry.ts'
import type { Clock } from '../runtime/clock.ts'
import type { GatewayAddress, Transport } from './device-link.ts'
import { openLink, registerDevice } from './fleet-simulator.ts'
import { FleetVerification, type VerificationResult } from './fleet-verification.ts'
import { loadRecording, type RecordedMeasurement, type RecordingFormat } from './recorded-drive.ts'
import { TopicReader } from './topic-reader.ts'
import { TruthLedger } from './truth-ledger.ts'

export interface ReplayOptions {
  readonly recordings: readonly { readonly path: string; readonly format: RecordingFormat }[]
  readonly transports: readonly Transport[]
  readonly gateway: GatewayAddress
  readonly registry: DeviceRegistry
  readonly clock: Clock
  /** `host:port` of brokers, for the verification. */
  readonly bootstrap: readonly string[]
  /** `telemetry` and `telemetry.dead-letter` unless given. */
  readonly telemetryTopic?: string
  readonly deadLetterTopic?: string
  /** Records sent before their acknowledgements are awaited; 500. */
  readonly windowRecords?: number
}

export interface ReplayResult {
  readonly replayed: readonly { readonly path: string; readonly transport: Transport; readonly records: number }[]
  /** Paths of recordings that do not exist. */
  readonly absent: readonly string[]
  readonly verification: VerificationResult
}

/** Fault `corrupt` for a file that is not what its format says, `unavailable` when gateway or broker do not answer. */
export async function replayFiles(options: ReplayOptions): Promise<ReplayResult> {
  const { clock, telemetryTopic = 'telemetry', deadLetterTopic = 'telemetry.dead-letter' } = options
  const ledger = new TruthLedger(clock.now(), true)
  const reader = new TopicReader(options.bootstrap, [telemetryTopic, deadLetterTopic])
  const replayed: { path: string; transport: Transport; records: number }[] = []
  const absent: string[] = []
  try {
    const start = await reader.ends()
    for (const { path, format } of options.recordings) {
      const measurements = await loadRecording(path, format)
      if (measurements === undefined) {
        absent.push(path)
        continue
      }
      const replay = async (transport: Transport) => {
        await replayOne(options, ledger, `replay-${format}-${transport}`, transport, measurements)
        replayed.push({ path, transport, records: measurements.length })
      }
      await Promise.all(options.transports.map(replay))
    }
    const verification = new FleetVerification(ledger, telemetryTopic)
    await reader.read(start, (record) => verification.observe(record))
    return { replayed, absent, verification: verification.result(0) }
  } finally {
    await reader.close()
  }
}

async function replayOne(
  options: ReplayOptions,
  ledger: TruthLedger,
  id: string,
  transport: Transport,
  measurements: readonly RecordedMeasurement[]
): Promise<void> {
  const { registry, gateway, windowRecords = 500 } = options
  const token = await registerDevice(registry, id, { transport, simulated: 'true' })
  const link = openLink(transport, gateway, { id, token })
  const device = ledger.addDevice(id)
  await link.open()
  try {
    for (let first = 0; first < measurements.length; first += windowRecords) {
      const payloads = measurements.slice(first, first + windowRecords).map(({ time, eventTime, data }, index) => {
        const seq = first + index
        device.measured({ seq, kind: 'record', expected: data, eventTime })
        return Buffer.from(`{"epoch":${ledger.epoch},"seq":${seq},"time":${time},"data":${data}}`)
      })
      await link.send(payloads, (index) => device.acknowledged(first + index))
    }
  } finally {
    await link.close()
  }
}
