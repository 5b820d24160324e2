/**
 * The other brokers of the cluster as this one calls them: one connection to each that it has something to ask, as long as
 * the metadata image shows it. Decides nothing about retries.
 */
import type { Clock } from '../../runtime/clock.ts'
import { assert, Fault } from '../../runtime/fault.ts'
import type { Log } from '../../runtime/log.ts'
import type { Random } from '../../runtime/random.ts'
import type { BrokerPlace, ClusterView } from '../cluster-view.ts'
import type { NodeApi, NodeCalls } from './node-calls.ts'
import { NodeClient, type NodeClientParts } from './node-client.ts'
import { prepareRequest } from './node-connection.ts'
import type { NodeTransport } from './node-transport.ts'

export interface NodeClientsOptions {
  readonly clock: Clock
  /** Its bytes have to be unpredictable outside of tests. */
  readonly random: Random
  readonly log: Log
  readonly transport: NodeTransport
  readonly cluster: Pick<ClusterView, 'nodeId' | 'broker'>
  /** See `Metadata.subscribe`. */
  readonly subscribe: (listener: () => void) => () => void
  /** Undefined: this broker does not say who it is. */
  readonly clusterSecret?: () => string
  readonly setupTimeoutMs?: number
  readonly requestTimeoutMs?: number
}

const SETUP_TIMEOUT_MS = 5_000
/** Kafka's default of `request.timeout.ms`. */
const REQUEST_TIMEOUT_MS = 30_000
/** For each of the others. */
const IN_FLIGHT_BYTES_MAX = 32 * 1024 * 1024
/** Answers are a few bytes for each partition that was asked about. */
const ANSWER_BYTES_MAX = 32 * 1024 * 1024

export class NodeClients implements NodeCalls {
  readonly #cluster: NodeClientsOptions['cluster']
  readonly #parts: NodeClientParts
  readonly #clients = new Map<number, NodeClient>()
  readonly #stopFollowing: () => void
  #isClosed = false

  constructor(options: NodeClientsOptions) {
    const { clock, random, log, transport, cluster, clusterSecret } = options
    this.#cluster = cluster
    this.#parts = {
      clock,
      random,
      log,
      transport,
      clusterSecret,
      clientId: `longhaul-broker-${cluster.nodeId}`,
      setupTimeoutMs: options.setupTimeoutMs ?? SETUP_TIMEOUT_MS,
      requestTimeoutMs: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
      frameBytesMax: ANSWER_BYTES_MAX,
      inFlightBytesMax: IN_FLIGHT_BYTES_MAX
    }
    this.#stopFollowing = options.subscribe(() => this.#follow())
  }

  async send<Req, Res>(nodeId: number, api: NodeApi<Req, Res>, version: number, request: Req): Promise<Res> {
    assert(nodeId !== this.#cluster.nodeId, 'a broker does not call itself')
    return this.#client(nodeId).send(prepareRequest(api, version, request, this.#parts.clientId))
  }

  /** Every call that is under way fails, as does each that comes. */
  close(): void {
    this.#isClosed = true
    this.#stopFollowing()
    for (const client of this.#clients.values()) client.close(new Fault('closed', 'this broker is closing'))
    this.#clients.clear()
  }

  #client(nodeId: number): NodeClient {
    if (this.#isClosed) throw new Fault('unavailable', 'this broker is closing')
    const place = this.#cluster.broker(nodeId)
    if (place === undefined) throw new Fault('unavailable', `broker ${nodeId} is away`)
    const known = this.#clients.get(nodeId)
    if (known !== undefined && isSame(known.place, place)) return known
    this.#drop(nodeId)
    const client = new NodeClient(this.#parts, place)
    this.#clients.set(nodeId, client)
    return client
  }

  /** Whoever waits for a broker that has left hears it now, and not when its time is over. */
  #follow(): void {
    for (const [nodeId, { place }] of this.#clients) {
      const now = this.#cluster.broker(nodeId)
      if (now === undefined || !isSame(place, now)) this.#drop(nodeId)
    }
  }

  #drop(nodeId: number): void {
    this.#clients.get(nodeId)?.close(new Fault('unavailable', 'it has left, or is elsewhere now'))
    this.#clients.delete(nodeId)
  }
}

function isSame(a: BrokerPlace, b: BrokerPlace): boolean {
  return a.host === b.host && a.port === b.port
}
