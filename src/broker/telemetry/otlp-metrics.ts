/**
 * Reads the metrics of an OpenTelemetry `MetricsData` message (OTLP, opentelemetry/proto/metrics/v1), as Kafka clients
 * send it (KIP-714): gauges, sums and histograms with explicit bounds. Exponential histograms, summaries, exemplars and
 * times are passed over. Fault `corrupt` for bytes that are no such message.
 */
import { Fault } from '../../runtime/fault.ts'
import { protobufFields } from './protobuf-fields.ts'

export type Labels = readonly (readonly [name: string, value: string])[]

export interface HistogramValue {
  /** Upper bounds of all buckets but the last, rising. */
  readonly bounds: readonly number[]
  /** One more than bounds; per bucket, not cumulative. */
  readonly counts: readonly number[]
  readonly sum: number
}

export interface MetricPoint {
  readonly name: string
  readonly kind: 'gauge' | 'counter' | 'histogram'
  /** What came since the last push, to be added; otherwise the value takes the place of the last. */
  readonly delta: boolean
  /** Of the client as a whole, then of the point. */
  readonly labels: Labels
  readonly value: number | HistogramValue
}

const DELTA = 1
/** No histogram of a client has nearly as many. */
const BUCKETS_MAX = 256

export function* readOtlpMetrics(message: Buffer): Generator<MetricPoint> {
  for (const { number, bytes } of protobufFields(message)) if (number === 1) yield* readResourceMetrics(bytes)
}

function* readResourceMetrics(message: Buffer): Generator<MetricPoint> {
  const scopes: Buffer[] = []
  let resource: Labels = []
  for (const { number, bytes } of protobufFields(message)) {
    if (number === 1) resource = readAttributes(bytes, 1)
    else if (number === 2) scopes.push(bytes)
  }
  for (const scope of scopes) {
    for (const { number, bytes } of protobufFields(scope)) if (number === 2) yield* readMetric(bytes, resource)
  }
}

function* readMetric(message: Buffer, resource: Labels): Generator<MetricPoint> {
  let name = ''
  const data: { number: number; bytes: Buffer }[] = []
  for (const { number, bytes } of protobufFields(message)) {
    if (number === 1) name = bytes.toString('utf8')
    else data.push({ number, bytes })
  }
  for (const { number, bytes } of data) {
    if (number === 5) yield* readPoints(name, 'gauge', bytes, resource)
    else if (number === 7) yield* readPoints(name, 'counter', bytes, resource)
    else if (number === 9) yield* readPoints(name, 'histogram', bytes, resource)
  }
}

/** Gauge, Sum and Histogram number what they have in common alike. */
function* readPoints(
  name: string,
  declared: MetricPoint['kind'],
  message: Buffer,
  resource: Labels
): Generator<MetricPoint> {
  const points: Buffer[] = []
  let temporality = 0
  let monotonic = false
  for (const { number, bytes, varint } of protobufFields(message)) {
    if (number === 1) points.push(bytes)
    else if (number === 2) temporality = varint
    else if (number === 3) monotonic = varint !== 0
  }
  const kind = declared === 'counter' && !monotonic ? 'gauge' : declared
  const delta = declared !== 'gauge' && temporality === DELTA
  for (const point of points) {
    const labels = [...resource, ...readAttributes(point, declared === 'histogram' ? 9 : 7)]
    const value = declared === 'histogram' ? readHistogram(point) : readNumber(point)
    if (value !== undefined) yield { name, kind, delta, labels, value }
  }
}

/** Undefined for a point that says it has no value. */
function readNumber(message: Buffer): number | undefined {
  let value: number | undefined
  for (const { number, bytes } of protobufFields(message)) {
    if (number === 4) value = fixed64(bytes).readDoubleLE()
    else if (number === 6) value = Number(fixed64(bytes).readBigInt64LE())
  }
  return value
}

function readHistogram(message: Buffer): HistogramValue {
  const bounds: number[] = []
  const counts: number[] = []
  let sum = 0
  for (const { number, bytes } of protobufFields(message)) {
    if (number === 5) sum = fixed64(bytes).readDoubleLE()
    else if (number === 6) counts.push(...packed(bytes, (at) => Number(bytes.readBigUInt64LE(at))))
    else if (number === 7) bounds.push(...packed(bytes, (at) => bytes.readDoubleLE(at)))
  }
  if (counts.length !== bounds.length + 1) {
    throw new Fault('corrupt', `A histogram has ${counts.length} buckets and ${bounds.length} bounds between them`)
  }
  return { bounds, counts, sum }
}

function packed(bytes: Buffer, read: (at: number) => number): number[] {
  const count = bytes.length / 8
  if (!Number.isInteger(count) || count > BUCKETS_MAX) {
    throw new Fault('corrupt', `${bytes.length} bytes are no list of at most ${BUCKETS_MAX} numbers`)
  }
  return Array.from({ length: count }, (_, index) => read(index * 8))
}

/** The attributes that stand in the fields of this number. */
function readAttributes(message: Buffer, field: number): Labels {
  const labels: (readonly [string, string])[] = []
  for (const { number, bytes } of protobufFields(message)) {
    if (number !== field) continue
    let name = ''
    let value = ''
    for (const part of protobufFields(bytes)) {
      if (part.number === 1) name = part.bytes.toString('utf8')
      else if (part.number === 2) value = readAnyValue(part.bytes)
    }
    labels.push([name, value])
  }
  return labels
}

/** Lists and maps read as nothing. */
function readAnyValue(message: Buffer): string {
  for (const { number, bytes, varint } of protobufFields(message)) {
    if (number === 1) return bytes.toString('utf8')
    if (number === 2) return String(varint !== 0)
    if (number === 3) return String(varint)
    if (number === 4) return String(fixed64(bytes).readDoubleLE())
  }
  return ''
}

function fixed64(bytes: Buffer): Buffer {
  if (bytes.length !== 8) throw new Fault('corrupt', `A number of 8 bytes has ${bytes.length}`)
  return bytes
}
