import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ClientMetricsStore } from './client-metrics-store.ts'
import type { HistogramValue, MetricPoint } from './otlp-metrics.ts'

const EXPIRY_MS = 60_000
const CLIENT = [['client_id', 'c']] as const

function point(name: string, value: number | HistogramValue, more: Partial<MetricPoint> = {}): MetricPoint {
  return { name, kind: 'gauge', delta: false, labels: [], value, ...more }
}

describe('client metrics store', () => {
  it('shows the newest value of a gauge, and adds up what comes as a difference', () => {
    const store = new ClientMetricsStore()
    const delta = { kind: 'counter', delta: true } as const
    store.record('i', CLIENT, [point('a.b-c', 1), point('sent', 5, delta)], 0, EXPIRY_MS)
    store.record('i', CLIENT, [point('a.b-c', 2.5), point('sent', 7, delta)], 10, EXPIRY_MS)
    const lines = store.text(10).split('\n')
    assert.ok(lines.includes('# TYPE a_b_c gauge'))
    assert.ok(lines.includes('a_b_c{client_id="c"} 2.5'))
    assert.ok(lines.includes('# TYPE sent counter'))
    assert.ok(lines.includes('sent{client_id="c"} 12'))
    assert.ok(lines.includes('longhaul_telemetry_clients 1'))
  })

  it('a histogram is shown with cumulative buckets', () => {
    const store = new ClientMetricsStore()
    const value = { bounds: [1, 5], counts: [2, 3, 1], sum: 20 }
    const more = { kind: 'histogram', delta: true } as const
    store.record('i', CLIENT, [point('h', value, more)], 0, EXPIRY_MS)
    store.record('i', CLIENT, [point('h', value, more)], 0, EXPIRY_MS)
    assert.deepEqual(
      store
        .text(0)
        .split('\n')
        .filter((line) => line.startsWith('h')),
      [
        'h_bucket{client_id="c",le="1"} 4',
        'h_bucket{client_id="c",le="5"} 10',
        'h_bucket{client_id="c",le="+Inf"} 12',
        'h_sum{client_id="c"} 40',
        'h_count{client_id="c"} 12'
      ]
    )
  })

  it('a point cannot speak for another client, and its labels cannot break the text', () => {
    const store = new ClientMetricsStore()
    const labels = [
      ['client_id', 'somebody else'],
      ['9 odd"', 'x"\\\n']
    ] as const
    store.record('i', CLIENT, [point('g', 1, { labels })], 0, EXPIRY_MS)
    assert.ok(store.text(0).split('\n').includes('g{client_id="c",_9_odd_="x\\"\\\\\\n"} 1'))
  })

  it('a client that says nothing for its time is forgotten', () => {
    const store = new ClientMetricsStore()
    store.record('i', CLIENT, [point('g', 1)], 0, EXPIRY_MS)
    assert.match(store.text(EXPIRY_MS - 1), /^g\{/m)
    assert.doesNotMatch(store.text(EXPIRY_MS), /^g\{/m)
  })

  it('series beyond the limits of a client and of all are left out and counted, and expiry makes room', () => {
    const store = new ClientMetricsStore()
    const many = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => point(`${prefix}${i}`, i))
    store.record('big', CLIENT, many('b', 1500), 0, EXPIRY_MS)
    assert.match(store.text(0), /^longhaul_telemetry_series_dropped_total 500$/m)
    for (let i = 0; i < 60; i++) store.record(`c${i}`, CLIENT, many('c', 1000), 1, EXPIRY_MS)
    assert.match(store.text(1), /^longhaul_telemetry_series_dropped_total 11500$/m)
    assert.match(store.text(1), /^longhaul_telemetry_clients 50$/m)
    store.record('late', CLIENT, [point('late', 1)], EXPIRY_MS + 1, EXPIRY_MS)
    assert.match(store.text(EXPIRY_MS + 1), /^late\{client_id="c"\} 1$/m)
  })
})
