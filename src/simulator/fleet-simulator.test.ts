import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type TestGateway, withGateway } from '../gateway/gateway-fixture.ts'
import { Fault } from '../runtime/fault.ts'
import { silentLog } from '../runtime/log.ts'
import { seededRandom } from '../runtime/random.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { type FleetSettings, FleetSimulator } from './fleet-simulator.ts'
import { FleetVerification, type VerificationResult } from './fleet-verification.ts'

function fleetFor({ gateway, registry }: TestGateway, settings: Partial<FleetSettings>): FleetSimulator {
  const address = { host: '127.0.0.1', mqttPort: gateway.mqttPort, httpPort: gateway.httpPort }
  const all = { devices: 6, seed: 11, recordsPerSecond: 200, keepRecords: true, ...settings }
  return new FleetSimulator({ gateway: address, registry, clock: systemClock, log: silentLog, settings: all })
}

/** Runs the fleet to its end and compares it with what the sink took. */
async function run(parts: TestGateway, fleet: FleetSimulator): Promise<VerificationResult> {
  await fleet.start()
  await fleet.measuringDone()
  await fleet.drained(10_000)
  await fleet.stop()
  const verification = new FleetVerification(fleet.ledger, 'telemetry')
  for (const [offset, { topic, key, value, headers }] of parts.sink.records.entries()) {
    verification.observe({ topic, partition: 0, offset, key, value, headers: new Map(headers) })
  }
  return verification.result(fleet.stats().buffered)
}

test('a fleet with broken connections and payloads loses nothing over MQTT and HTTP', () =>
  withGateway(async (parts) => {
    const fleet = fleetFor(parts, { recordsMax: 1500, malformedShare: 0.05, dropShare: 0.1 })
    const result = await run(parts, fleet)
    const stats = fleet.stats()
    assert.deepEqual(result.violations, [])
    assert.ok(result.ok)
    assert.equal(result.measured, 1500)
    assert.equal(result.delivered + result.deadLettered, 1500)
    assert.ok(result.deadLettered > 20 && stats.reconnects > 0, JSON.stringify(stats))
  }))

test('a broker that fails now and then costs duplicates at most, and the order holds', () =>
  withGateway(async (parts) => {
    const random = seededRandom(9)
    const refused = new Set<number>()
    let away = false
    parts.sink.faultOf = () => {
      if (!away && random.float() > 0.01) return undefined
      // As a sink promises: what was given to it together with a record that failed, and after it, fails too.
      if (!away)
        setImmediate(() => {
          away = false
        })
      away = true
      refused.add(parts.sink.records.length - 1)
      return new Fault('unavailable', 'the broker is away')
    }
    const fleet = fleetFor(parts, { recordsMax: 1000, malformedShare: 0, dropShare: 0 })
    await fleet.start()
    await fleet.measuringDone()
    await fleet.drained(20_000)
    await fleet.stop()
    const verification = new FleetVerification(fleet.ledger, 'telemetry')
    for (const [offset, { topic, key, value, headers }] of parts.sink.records.entries()) {
      if (!refused.has(offset))
        verification.observe({ topic, partition: 0, offset, key, value, headers: new Map(headers) })
    }
    const result = verification.result(fleet.stats().buffered)
    assert.ok(refused.size > 0)
    assert.deepEqual(result.violations, [])
    assert.ok(result.ok)
  }))

test('a full device buffer is declared, and what is not acknowledged stays buffered', () =>
  withGateway(async (parts) => {
    parts.sink.hold = true
    const fleet = fleetFor(parts, {
      devices: 2,
      recordsMax: 400,
      bufferRecordsMax: 50,
      transports: ['mqtt5'],
      malformedShare: 0
    })
    await fleet.start()
    await fleet.measuringDone()
    parts.sink.hold = false
    const stats = fleet.stats()
    assert.deepEqual([stats.measured, stats.acknowledged, stats.buffered, stats.declaredLost], [400, 0, 100, 300])
    for (const { acknowledge } of parts.sink.held) acknowledge()
    await fleet.drained(5_000)
    await fleet.stop()
    const after = fleet.stats()
    assert.deepEqual([after.acknowledged, after.buffered, after.declaredLost], [100, 0, 300])
  }))

test('a second fleet of the same name takes over with new tokens', () =>
  withGateway(async (parts) => {
    for (let round = 0; round < 2; round++) {
      const result = await run(parts, fleetFor(parts, { devices: 2, recordsMax: 40, malformedShare: 0 }))
      assert.ok(result.ok, result.violations.join())
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    assert.equal((await parts.registry.list()).filter(({ id }) => id.startsWith('sim-')).length, 2)
  }))
