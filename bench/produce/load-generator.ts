/**
 * A process that produces as fast as it is answered: every connection keeps `WINDOW` requests under way, all of them
 * built before. It warms up, measures for the given time or until enough bytes are acknowledged, and prints one line of
 * JSON (`Measurement`). An answer with an error, or out of order, ends it.
 */
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { mainThreadCpuSeconds, processCpuSeconds, residentBytesMax } from './process-usage.ts'
import {
  ANSWER_CORRELATION_ID_AT,
  ANSWER_ERROR_CODE_AT,
  CORRELATION_ID_AT,
  PARTITIONS,
  requestFrame,
  WINDOW,
  type Workload
} from './workload.ts'

export interface LoadOrder {
  readonly port: number
  /** Process whose processor time is measured. */
  readonly serverPid: number
  readonly workload: Workload
  readonly warmUpMs: number
  readonly seconds: number
  /** Bytes of record values after which a measurement ends early. */
  readonly bytesMax: number
}

export interface Measurement {
  readonly seconds: number
  readonly requests: number
  /** Bytes of record values acknowledged. */
  readonly bytes: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Seconds of processor time of the server, all its threads. */
  readonly serverCpu: number
  readonly serverMainThreadCpu: number
  /** Since the server started, bytes. */
  readonly serverResidentMax: number
  readonly generatorCpu: number
}

const EMPTY = Buffer.alloc(0)

/** One connection. Slot `n` of its requests is free again when answer `n` has come: answers keep the order. */
class Lane {
  readonly #socket: Socket
  readonly #frames: readonly Buffer[]
  readonly #sentAt: number[] = new Array(WINDOW).fill(0)
  readonly #answered: (latencyMs: number) => boolean
  #sent = 0
  #received = 0
  #rest: Buffer = EMPTY

  /** `answered` tells whether to go on. */
  constructor(socket: Socket, frames: readonly Buffer[], answered: (latencyMs: number) => boolean) {
    this.#socket = socket
    this.#frames = frames
    this.#answered = answered
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
  }

  start(): void {
    this.#socket.cork()
    for (let slot = 0; slot < WINDOW; slot++) this.#send()
    this.#socket.uncork()
  }

  get idle(): boolean {
    return this.#sent === this.#received
  }

  #send(): void {
    const slot = this.#sent % WINDOW
    const frame = this.#frames[slot] as Buffer
    frame.writeInt32BE(this.#sent++, CORRELATION_ID_AT)
    this.#sentAt[slot] = performance.now()
    this.#socket.write(frame)
  }

  #take(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const now = performance.now()
    let at = 0
    this.#socket.cork()
    while (bytes.length - at >= 4) {
      const end = at + 4 + bytes.readInt32BE(at)
      if (end > bytes.length) break
      const correlationId = bytes.readInt32BE(at + ANSWER_CORRELATION_ID_AT)
      const errorCode = bytes.readInt16BE(at + ANSWER_ERROR_CODE_AT)
      if (correlationId !== this.#received) throw new Error(`answer ${correlationId} came for ${this.#received}`)
      if (errorCode !== 0) throw new Error(`request ${correlationId} was answered with error ${errorCode}`)
      const latencyMs = now - (this.#sentAt[correlationId % WINDOW] as number)
      this.#received++
      at = end
      if (this.#answered(latencyMs)) this.#send()
    }
    this.#socket.uncork()
    this.#rest = bytes.subarray(at)
  }
}

function opened(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(socket))
    socket.once('error', reject)
    socket.once('end', () => reject(new Error('the server closed the connection')))
  })
}

async function run(order: LoadOrder): Promise<Measurement> {
  const { workload, serverPid } = order
  const bytesPerRequest = workload.recordBytes * workload.recordsPerRequest
  let latencies: number[] = []
  let running = true
  let finish: () => void = () => {}
  const answered = (latencyMs: number): boolean => {
    latencies.push(latencyMs)
    if (latencies.length * bytesPerRequest >= order.bytesMax) finish()
    return running
  }
  const sockets = await Promise.all(Array.from({ length: workload.connections }, () => opened(order.port)))
  const lanes = sockets.map((socket, lane) => {
    const partition = (slot: number) => (lane * WINDOW + slot) % PARTITIONS
    const frames = Array.from({ length: WINDOW }, (_, slot) => requestFrame(workload, partition(slot), randomBytes))
    return new Lane(socket, frames, answered)
  })
  for (const lane of lanes) lane.start()
  await elapsed(order.warmUpMs)

  const usage = () => ({
    at: performance.now(),
    server: processCpuSeconds(serverPid),
    mainThread: mainThreadCpuSeconds(serverPid),
    generator: process.cpuUsage()
  })
  latencies = []
  const before = usage()
  await Promise.race([elapsed(order.seconds * 1000), new Promise<void>((resolve) => (finish = resolve))])
  const after = usage()
  const measured = Float64Array.from(latencies).sort()
  running = false
  while (lanes.some((lane) => !lane.idle)) await elapsed(5)
  for (const socket of sockets) socket.destroy()
  return {
    seconds: (after.at - before.at) / 1000,
    requests: measured.length,
    bytes: measured.length * bytesPerRequest,
    p50Ms: measured[measured.length >> 1] ?? 0,
    p99Ms: measured[Math.floor(measured.length * 0.99)] ?? 0,
    serverCpu: after.server - before.server,
    serverMainThreadCpu: after.mainThread - before.mainThread,
    serverResidentMax: residentBytesMax(serverPid),
    generatorCpu:
      (after.generator.user + after.generator.system - before.generator.user - before.generator.system) / 1e6
  }
}

function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

const order = process.argv[2]
if (order !== undefined) console.log(JSON.stringify(await run(JSON.parse(order))))
