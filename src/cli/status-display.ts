/**
 * The live status of a node in the terminal: redrawn in place where the terminal allows it, else a plain line every few
 * seconds. It only reads snapshots; it knows nothing of the node.
 */
import type { NodeStatus } from '../node/node-status.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Terminal } from './surroundings.ts'
import { json } from './table.ts'

const redrawMs = 500
const plainLineMs = 5_000
const jsonLineMs = 1_000

export interface StatusDisplay {
  /** Draws the last state and stops. */
  close(): void
}

export function showStatus(terminal: Terminal, clock: Clock, snapshot: () => NodeStatus): StatusDisplay {
  const draw = terminal.interactive ? redrawer(terminal) : plainWriter(terminal)
  return repeat(clock, terminal.interactive ? redrawMs : plainLineMs, snapshot, draw)
}

/** A line of JSON per second, for programs. */
export function jsonStatus(terminal: Terminal, clock: Clock, snapshot: () => NodeStatus): StatusDisplay {
  return repeat(clock, jsonLineMs, snapshot, (status) =>
    terminal.stream.write(`${json({ event: 'status', ...status })}\n`)
  )
}

function repeat(clock: Clock, intervalMs: number, snapshot: () => NodeStatus, draw: Draw): StatusDisplay {
  let before: NodeStatus | undefined
  let cancel = () => {}
  const tick = () => {
    const status = snapshot()
    draw(status, before)
    before = status
  }
  const schedule = () => {
    cancel = clock.after(intervalMs, () => {
      tick()
      schedule()
    })
  }
  tick()
  schedule()
  return {
    close() {
      cancel()
      tick()
    }
  }
}

type Draw = (status: NodeStatus, before: NodeStatus | undefined) => void

function redrawer(terminal: Terminal): Draw {
  let drawn = 0
  return (status, before) => {
    const width = terminal.columns() ?? 80
    // A line that wraps would take two rows and leave its tail behind at the next redraw.
    const lines = statusLines(status, before).map((line) => line.slice(0, width - 1))
    const home = drawn === 0 ? '' : `\u001b[${drawn}A\u001b[0J`
    terminal.stream.write(`${home}${lines.join('\n')}\n`)
    drawn = lines.length
  }
}

function plainWriter(terminal: Terminal): Draw {
  return (status, before) => terminal.stream.write(`${statusLine(status, before)}\n`)
}

function statusLines(status: NodeStatus, before: NodeStatus | undefined): string[] {
  const perSecond = rates(status, before)
  return [
    `up ${duration(status.uptimeMs)}   Kafka ${status.kafkaAddress}   MQTT ${status.mqttAddress}   HTTP ${status.httpAddress}`,
    `devices       ${cell(count(status.devicesConnected))}connected`,
    `received      ${cell(count(status.recordsReceived))}${perSecond((it) => it.recordsReceived)}`,
    `acknowledged  ${cell(count(status.recordsAcknowledged))}${perSecond((it) => it.recordsAcknowledged)}`,
    `consumed      ${cell(count(status.consumed))}${perSecond((it) => it.consumed)}   lag ${count(status.consumerLag)}`,
    `dead letters  ${count(status.deadLettered)}`,
    `stored        ${cell(bytes(status.walBytes))}in the WAL, ${bytes(status.objectBytes)} in ${count(status.objects)} objects`,
    `topics        ${cell(count(status.topics))}with ${count(status.partitions)} partitions`
  ]
}

function statusLine(status: NodeStatus, before: NodeStatus | undefined): string {
  const perSecond = rates(status, before)
  return [
    `up ${duration(status.uptimeMs)}`,
    `${count(status.devicesConnected)} devices`,
    `received ${count(status.recordsReceived)}`,
    `acknowledged ${count(status.recordsAcknowledged)} (${perSecond((it) => it.recordsAcknowledged)})`,
    `consumed ${count(status.consumed)} (lag ${count(status.consumerLag)})`,
    `dead letters ${count(status.deadLettered)}`,
    `WAL ${bytes(status.walBytes)}`,
    `objects ${count(status.objects)} (${bytes(status.objectBytes)})`
  ].join(', ')
}

/** Counter per second since the snapshot before; since the start when there is none. */
function rates(status: NodeStatus, before: NodeStatus | undefined): (of: (status: NodeStatus) => number) => string {
  const seconds = (status.uptimeMs - (before?.uptimeMs ?? 0)) / 1000
  return (of) => {
    const grown = of(status) - (before === undefined ? 0 : of(before))
    return `${count(seconds <= 0 ? 0 : Math.round(grown / seconds))}/s`
  }
}

const cell = (text: string): string => `${text.padStart(12)} `
const count = (value: number): string => value.toLocaleString('en-US')

export function bytes(value: number): string {
  if (value < 1024) return `${value} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(Math.floor(Math.log2(value) / 10), units.length)
  return `${(value / 1024 ** power).toFixed(1)} ${units[power - 1]}`
}

export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
