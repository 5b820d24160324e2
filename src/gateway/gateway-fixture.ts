/** What the gateway's tests share: a sink that obeys the test, and a gateway over it with one device. */
import { MemoryDeviceRegistry } from '../fleet/memory-device-registry.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Fault } from '../runtime/fault.ts'
import { silentLog } from '../runtime/log.ts'
import { seededRandom } from '../runtime/random.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { type Gateway, type GatewaySettings, startGateway } from './gateway.ts'
import type { RecordSink, SinkRecord } from './record-sink.ts'

/** Timers of the system clock do not keep a process alive; in a test without sockets nothing else would. */
export const awakeClock: Clock = {
  ...systemClock,
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  }
}

/** Acknowledges at once, or when the test says so. */
export class ObedientSink implements RecordSink {
  /** Everything that was given to it, in order. */
  readonly records: SinkRecord[] = []
  /** While true, records wait in `held`. */
  hold = false
  readonly held: { readonly acknowledge: () => void; readonly fail: (fault: Fault) => void }[] = []
  /** Asked for each record; what it returns fails the record. */
  faultOf: (record: SinkRecord) => Fault | undefined = () => undefined

  async produce(record: SinkRecord): Promise<void> {
    this.records.push(record)
    const fault = this.faultOf(record)
    if (fault !== undefined) throw fault
    if (!this.hold) return
    await new Promise<void>((acknowledge, fail) => this.held.push({ acknowledge, fail }))
  }

  async close(): Promise<void> {}

  values(topic = 'telemetry'): string[] {
    return this.records.filter((record) => record.topic === topic).map((record) => record.value.toString())
  }
}

export interface TestGateway {
  readonly gateway: Gateway
  readonly sink: ObedientSink
  readonly registry: MemoryDeviceRegistry
  /** Of device `truck-1`. */
  readonly token: string
}

export async function withGateway(
  work: (parts: TestGateway) => Promise<void>,
  settings: Partial<GatewaySettings> = {}
): Promise<void> {
  const [clock, random] = [systemClock, seededRandom(1)]
  const registry = new MemoryDeviceRegistry(clock, random)
  const { token } = await registry.add({ id: 'truck-1', attributes: { region: 'eu-west' } })
  const sink = new ObedientSink()
  const gateway = await startGateway({
    mqttPort: 0,
    httpPort: 0,
    registry,
    sink,
    clock,
    random,
    log: silentLog,
    metrics: () => 'answers_total 42\n',
    settings: { closeGraceMs: 500, ...settings }
  })
  try {
    await work({ gateway, sink, registry, token })
  } finally {
    sink.hold = false
    for (const { acknowledge } of sink.held) acknowledge()
    await gateway.close()
  }
}

/** Waits until `condition` holds; fails after two seconds. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 2_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
