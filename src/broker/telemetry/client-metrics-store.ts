/**
 * What clients have told of themselves last (KIP-714), as Prometheus text. Per client the newest value of each series;
 * what came as a difference is added up. Pure: every call says what time it is.
 *
 * Memory is bounded: in clients, in series of one client and of all, and in the length of names and labels. What does not
 * fit is left out and counted. A client that has said nothing for as long as its expiry is forgotten.
 */
import type { HistogramValue, Labels, MetricPoint } from './otlp-metrics.ts'

const SERIES_PER_CLIENT_MAX = 1_000
const SERIES_MAX = 50_000
const NAME_CHARACTERS_MAX = 200
const LABEL_CHARACTERS_MAX = 200
const LABELS_MAX = 16

interface Series {
  readonly name: string
  readonly kind: MetricPoint['kind']
  /** As they stand between the braces. */
  readonly labels: string
  value: number | HistogramValue
}

interface Client {
  /** By kind, name and labels. */
  readonly series: Map<string, Series>
  expiresAtMs: number
}

export class ClientMetricsStore {
  /** By client instance id; whoever spoke last comes last. */
  readonly #clients = new Map<string, Client>()
  #series = 0
  #dropped = 0

  /** Takes in a push. `labels` tell the client apart from others; a point cannot take their place. */
  record(id: string, labels: Labels, points: Iterable<MetricPoint>, nowMs: number, expiryMs: number): void {
    this.expire(nowMs)
    const client = this.#clients.get(id) ?? { series: new Map(), expiresAtMs: 0 }
    this.#clients.delete(id)
    this.#clients.set(id, client)
    client.expiresAtMs = nowMs + expiryMs
    for (const point of points) this.#put(client, point, labels)
    if (client.series.size === 0) this.#clients.delete(id)
  }

  expire(nowMs: number): void {
    for (const [id, client] of this.#clients) {
      if (client.expiresAtMs > nowMs) continue
      this.#clients.delete(id)
      this.#series -= client.series.size
    }
  }

  /** Prometheus text exposition format 0.0.4. */
  text(nowMs: number): string {
    this.expire(nowMs)
    const families = new Map<string, Series[]>()
    for (const { series } of this.#clients.values()) {
      for (const one of series.values()) {
        const family = families.get(one.name)
        if (family === undefined) families.set(one.name, [one])
        else family.push(one)
      }
    }
    const lines = [
      '# TYPE longhaul_telemetry_clients gauge',
      `longhaul_telemetry_clients ${this.#clients.size}`,
      '# TYPE longhaul_telemetry_series_dropped_total counter',
      `longhaul_telemetry_series_dropped_total ${this.#dropped}`
    ]
    for (const [name, family] of families) lines.push(`# TYPE ${name} ${typeOf(family)}`, ...family.flatMap(linesOf))
    return `${lines.join('\n')}\n`
  }

  #put(client: Client, point: MetricPoint, clientLabels: Labels): void {
    const name = safeName(point.name)
    const labels = labelText([...clientLabels, ...point.labels])
    const key = `${point.kind} ${name} ${labels}`
    const known = client.series.get(key)
    if (known !== undefined) {
      known.value = point.delta ? sum(known.value, point.value) : point.value
      return
    }
    if (client.series.size >= SERIES_PER_CLIENT_MAX || this.#series >= SERIES_MAX) {
      this.#dropped++
      return
    }
    client.series.set(key, { name, kind: point.kind, labels, value: point.value })
    this.#series++
  }
}

function sum(before: number | HistogramValue, added: number | HistogramValue): number | HistogramValue {
  if (typeof before === 'number' || typeof added === 'number') {
    return typeof before === typeof added ? Number(before) + Number(added) : added
  }
  // A client that changed its buckets begins anew.
  const same = before.bounds.length === added.bounds.length && before.bounds.every((b, i) => b === added.bounds[i])
  if (!same) return added
  const counts = before.counts.map((count, bucket) => count + (added.counts[bucket] ?? 0))
  return { bounds: before.bounds, counts, sum: before.sum + added.sum }
}

/** One type for all series of a name, or none. */
function typeOf(family: readonly Series[]): string {
  const kinds = new Set(family.map(({ kind }) => kind))
  return kinds.size === 1 ? (family[0]?.kind ?? 'untyped') : 'untyped'
}

function linesOf({ name, labels, value }: Series): string[] {
  if (typeof value === 'number') return [`${name}{${labels}} ${numberText(value)}`]
  let total = 0
  const buckets = value.counts.map((count, bucket) => {
    total += count
    const bound = value.bounds[bucket]
    return `${name}_bucket{${labels},le="${bound === undefined ? '+Inf' : numberText(bound)}"} ${total}`
  })
  return [...buckets, `${name}_sum{${labels}} ${numberText(value.sum)}`, `${name}_count{${labels}} ${total}`]
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (Number.isFinite(value)) return String(value)
  return value > 0 ? '+Inf' : '-Inf'
}

/** The first of several labels of a name counts. */
function labelText(labels: Labels): string {
  const texts = new Map<string, string>()
  for (const [label, value] of labels) {
    const name = safeName(label).replaceAll(':', '_')
    if (texts.has(name) || texts.size >= LABELS_MAX) continue
    texts.set(name, `${name}="${escaped(value.slice(0, LABEL_CHARACTERS_MAX))}"`)
  }
  return [...texts.values()].join(',')
}

function safeName(name: string): string {
  const safe = name.slice(0, NAME_CHARACTERS_MAX).replace(/[^a-zA-Z0-9_:]/g, '_')
  return /^[a-zA-Z_:]/.test(safe) ? safe : `_${safe}`
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
