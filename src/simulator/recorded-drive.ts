/**
 * Recordings of real vehicles, as records that a device could have sent.
 *
 * Two formats: OpenXC traces (one JSON object a line: name, value, timestamp in seconds) and NMEA 2000 logs (CSV:
 * time, priority, pgn, source, destination, length, bytes in hex; gzip when the name ends in .gz).
 * Invariant: nothing is left out or reordered. This is the adapter to the files; it sends nothing.
 */
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { Fault } from '../runtime/fault.ts'

export type RecordingFormat = 'openxc' | 'nmea2000'

export interface RecordedMeasurement {
  /** JSON text of the member `time`: a number or a string. */
  readonly time: string
  /** The instant it means, milliseconds since the Unix epoch. */
  readonly eventTime: number
  /** JSON text. */
  readonly data: string
}

const parsers: Readonly<Record<RecordingFormat, (line: string) => RecordedMeasurement>> = {
  openxc: parseOpenXc,
  nmea2000: parseNmea2000
}

/** undefined when there is no such file; Fault `corrupt` when a line is not what the format says. */
export async function loadRecording(
  path: string,
  format: RecordingFormat
): Promise<readonly RecordedMeasurement[] | undefined> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  const text = path.endsWith('.gz') ? (await promisify(gunzip)(bytes)).toString() : bytes.toString()
  const lines = text.split(/\r?\n/).filter((line) => line !== '')
  return lines.map((line, index) => parseLine(line, format, `${path}:${index + 1}`))
}

function parseLine(line: string, format: RecordingFormat, place: string): RecordedMeasurement {
  let measurement: RecordedMeasurement | undefined
  let cause: unknown
  try {
    measurement = parsers[format](line)
  } catch (error) {
    cause = error
  }
  if (measurement !== undefined && Number.isFinite(measurement.eventTime)) return measurement
  throw new Fault('corrupt', `${place} is not a line of ${format}: ${line.slice(0, 80)}`, { cause })
}

function parseOpenXc(line: string): RecordedMeasurement {
  const { timestamp }: { timestamp: number } = JSON.parse(line)
  const eventTime = Math.round(timestamp * 1e6) / 1e3
  return { time: String(eventTime), eventTime, data: line }
}

function parseNmea2000(line: string): RecordedMeasurement {
  const [time = '', priority, pgn, source, destination, , ...bytes] = line.split(',')
  const frame = {
    priority: Number(priority),
    pgn: Number(pgn),
    source: Number(source),
    destination: Number(destination)
  }
  const data = JSON.stringify({ ...frame, bytes: bytes.join('') })
  return { time: JSON.stringify(time), eventTime: Date.parse(time), data }
}
