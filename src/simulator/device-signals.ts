/**
 * What a simulated vehicle measures: seeded walks of a few signals, with bursts, gaps and now and then a broken payload.
 *
 * Invariant: one seed, one sequence of texts. Numbers are written as devices write them (`1.10`, 20 digits), so that
 * a gateway that re-formats numbers is found out.
 */
import type { Random } from '../runtime/random.ts'

export class DeviceSignals {
  readonly #random: Random
  #speed = 0
  #soc = 80
  #odometer: number
  #latitude: number
  #longitude: number
  #intensity = 1
  #intensityLeftMs = 0
  #due = 0

  constructor(random: Random) {
    this.#random = random
    this.#odometer = 1000 + random.int(200_000)
    this.#latitude = 47 + random.float() * 5
    this.#longitude = 7 + random.float() * 6
  }

  /** How many records the next `elapsedMs` bring at `perSecond` on average: mostly even, sometimes a burst or a gap. */
  recordsDue(elapsedMs: number, perSecond: number): number {
    this.#intensityLeftMs -= elapsedMs
    if (this.#intensityLeftMs <= 0) {
      const kind = this.#random.float()
      this.#intensity = kind < 0.1 ? 0 : kind < 0.2 ? 2 : 1
      this.#intensityLeftMs = 500 + this.#random.int(3_000)
    }
    this.#due += (elapsedMs * perSecond * this.#intensity) / 1000
    const whole = Math.floor(this.#due)
    this.#due -= whole
    return whole
  }

  /** JSON text of the next measurement. */
  nextData(): string {
    this.#speed = clamp(this.#speed + (this.#random.float() - 0.45) * 8, 0, 130)
    this.#soc = clamp(this.#soc - this.#speed / 50_000, 5, 100)
    this.#odometer += this.#speed / 3600
    this.#latitude += (this.#random.float() - 0.5) * 0.001
    this.#longitude += (this.#random.float() - 0.5) * 0.001
    const members = [
      `"speed":${this.#speed.toFixed(2)}`,
      `"soc":${this.#soc.toFixed(3)}`,
      `"odometer": ${this.#odometer.toFixed(6)}`,
      `"position":{"lat":${this.#latitude.toFixed(7)},"lon":${this.#longitude.toFixed(7)}}`
    ]
    if (this.#random.int(20) === 0) members.push(`"frame":1${this.#random.int(1e9)}0000000000`)
    if (this.#random.int(50) === 0) members.push('"note":"Türe \\u00f6ffnet \\"hinten\\" 🚚"')
    return `{${members.join(',')}}`
  }

  /** Breaks a payload in one of the ways that devices do; without line feeds, so that it also fits an NDJSON line. */
  breakPayload(payload: Buffer): Buffer {
    switch (this.#random.int(4)) {
      case 0:
        return payload.subarray(0, payload.length - 1 - this.#random.int(10))
      case 1: {
        const broken = Buffer.from(payload)
        // 0xff occurs nowhere in UTF-8.
        broken[payload.length - 2] = 0xff
        return broken
      }
      case 2:
        return Buffer.from(payload.toString().replace('"seq":', '"seq":-1'))
      default:
        return Buffer.from(payload.toString().replace('"data":', '"dta":0,"data":'))
    }
  }
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value))
}
