import assert from 'node:assert/strict'
import { createServer, type Server, type Socket } from 'node:net'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isFault } from '../../runtime/fault.ts'
import { silentLog } from '../../runtime/log.ts'
import { systemClock } from '../../runtime/system-clock.ts'
import { systemRandom } from '../../runtime/system-random.ts'
import { HeartbeatRequest, HeartbeatResponse } from '../../wire/messages/heartbeat.ts'
import { api } from '../api.ts'
import { securityApis } from '../apis/security-apis.ts'
import { Dispatcher } from '../dispatcher.ts'
import type { RequestContext } from '../handler.ts'
import { KafkaServer } from '../kafka-server.ts'
import { RequestMemory } from '../request-memory.ts'
import { CLUSTER_USER } from '../security/cluster-user.ts'
import { UnfinishedFrames } from '../unfinished-frames.ts'
import { UnsentBytes } from '../unsent-bytes.ts'
import { NodeClients, type NodeClientsOptions } from './node-clients.ts'
import { tcpNodeTransport } from './tcp-node-transport.ts'

const HEARTBEAT = { request: HeartbeatRequest, response: HeartbeatResponse }
const BEAT = { groupId: 'g', generationId: 7, memberId: 'm' }
const OTHER = 2
const SECRET = 'the secret of the cluster'

// The clock of the machine keeps no process alive; while nothing is connected, nothing else would.
let alive: NodeJS.Timeout
before(() => {
  alive = setInterval(() => undefined, 1_000)
})
after(() => clearInterval(alive))

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** A broker that has one API besides those of authentication; the test answers it. */
class Peer {
  readonly begun: { readonly context: RequestContext; readonly answer: (errorCode: number) => void }[] = []
  readonly server: KafkaServer

  constructor(secret: () => string) {
    const heartbeat = api(HeartbeatRequest, HeartbeatResponse, (_, context) => {
      return new Promise<{ throttleTimeMs: number; errorCode: number }>((resolve) => {
        this.begun.push({ context, answer: (errorCode) => resolve({ throttleTimeMs: 0, errorCode }) })
      })
    })
    const security = { clusterSecret: secret, requireNodeAuthentication: true }
    const rows = [...securityApis({ clock: systemClock, random: systemRandom, security }), heartbeat]
    this.server = new KafkaServer({
      clock: systemClock,
      admit: () => 0,
      dispatcher: new Dispatcher(new Map(rows.map((row) => [row.request.apiKey, row]))),
      produceMemory: new RequestMemory(1 << 20),
      memory: new RequestMemory(1 << 20),
      unfinished: new UnfinishedFrames(1 << 20),
      unsent: new UnsentBytes(1 << 20),
      frameBytesMax: 1 << 20,
      room: () => undefined,
      log: silentLog
    })
  }

  static async start(secret = () => SECRET): Promise<Peer> {
    const peer = new Peer(secret)
    await peer.server.listen('127.0.0.1', 0)
    closers.push(() => peer.server.close())
    return peer
  }
}

/** Something that listens and is no broker. */
class Impostor {
  readonly sockets: Socket[] = []
  readonly #server: Server

  private constructor(received: (socket: Socket, chunk: Buffer) => void) {
    this.#server = createServer((socket) => {
      this.sockets.push(socket)
      socket.on('error', () => undefined)
      socket.on('data', (chunk) => received(socket, chunk))
    })
  }

  static async start(received: (socket: Socket, chunk: Buffer) => void): Promise<Impostor> {
    const impostor = new Impostor(received)
    await new Promise<void>((resolve) => impostor.#server.listen(0, '127.0.0.1', resolve))
    closers.push(() => {
      for (const socket of impostor.sockets) socket.destroy()
      return new Promise((resolve) => impostor.#server.close(resolve))
    })
    return impostor
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }
}

/** The cluster as the image shows it: another broker, or none. */
class Cluster {
  readonly nodeId = 1
  #port: number | undefined
  readonly #listeners = new Set<() => void>()

  constructor(port: number) {
    this.#port = port
  }

  broker(nodeId: number) {
    const port = this.#port
    return port === undefined || nodeId !== OTHER ? undefined : { nodeId, host: '127.0.0.1', port, rack: null }
  }

  move(port: number | undefined): void {
    this.#port = port
    for (const listener of this.#listeners) listener()
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

function clientsOf(cluster: Cluster, options: Partial<NodeClientsOptions> = {}): NodeClients {
  const clients = new NodeClients({
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    transport: tcpNodeTransport,
    cluster,
    subscribe: (listener) => cluster.subscribe(listener),
    clusterSecret: () => SECRET,
    ...options
  })
  closers.push(() => clients.close())
  return clients
}

/** Without authentication, to whoever listens. */
function bareClients(port: number, options: Partial<NodeClientsOptions> = {}): NodeClients {
  const cluster = new Cluster(port)
  const { clusterSecret: _, ...rest } = { clusterSecret: undefined, ...options }
  const clients = new NodeClients({
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    transport: tcpNodeTransport,
    cluster,
    subscribe: (listener) => cluster.subscribe(listener),
    ...rest
  })
  closers.push(() => clients.close())
  return clients
}

const beat = (clients: NodeClients) => clients.send(OTHER, HEARTBEAT, 4, BEAT)

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 2_000, 'it happens in time')
    await delay(1)
  }
}

function unavailable(reason: RegExp) {
  return (error: unknown) => isFault(error, 'unavailable') && reason.test(error.message)
}

/** A frame of a response, with the id that the first request of a connection without authentication has. */
function responseFrame(body: Buffer, correlationId = 1): Buffer {
  const frame = Buffer.alloc(8)
  frame.writeInt32BE(4 + body.length)
  frame.writeInt32BE(correlationId, 4)
  return Buffer.concat([frame, body])
}

/** No tags of the header, no throttling, error 27, no tags of the body. */
const REBALANCE = Buffer.from([0, 0, 0, 0, 0, 0, 27, 0])

describe('calls of other brokers', () => {
  it('are made by a broker that has proved to be one', async () => {
    const peer = await Peer.start()
    const clients = clientsOf(new Cluster(peer.server.port))
    const calling = beat(clients)
    await until(() => peer.begun.length === 1)
    const { context, answer } = peer.begun[0] as Peer['begun'][number]
    assert.deepEqual([context.peer.isNode, context.peer.principal], [true, CLUSTER_USER])
    assert.deepEqual([context.clientId, context.apiVersion], ['longhaul-broker-1', 4])
    answer(27)
    assert.equal((await calling).errorCode, 27)
    const second = beat(clients)
    await until(() => peer.begun.length === 2)
    peer.begun[1]?.answer(0)
    await second
    assert.equal(peer.server.connections, 1, 'there is one connection for all of them')
  })

  it('are all taken up at once, and answered each with its own', async () => {
    const peer = await Peer.start()
    const clients = clientsOf(new Cluster(peer.server.port))
    const calling = Promise.all(Array.from({ length: 200 }, () => beat(clients)))
    await until(() => peer.begun.length === 200)
    for (const [place, { answer }] of [...peer.begun.entries()].reverse()) answer(place)
    assert.deepEqual(
      (await calling).map(({ errorCode }) => errorCode),
      Array.from({ length: 200 }, (_, place) => place)
    )
  })

  it('fail while the secrets differ, and work once they agree', async () => {
    let secret = 'another secret'
    const peer = await Peer.start(() => secret)
    const clients = clientsOf(new Cluster(peer.server.port))
    await assert.rejects(beat(clients), unavailable(/all brokers of a cluster need the same secret.*password is wrong/))
    await until(() => peer.server.connections === 0)
    secret = SECRET
    const calling = beat(clients)
    await until(() => peer.begun.length === 1)
    peer.begun[0]?.answer(0)
    await calling
  })

  it('fail when the other does not know the secret, although it lets everybody in', async () => {
    const answers = [
      // No error, one mechanism.
      Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 1, 0, 13]), Buffer.from('SCRAM-SHA-256')]),
      undefined,
      Buffer.from('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')
    ]
    const token = (bytes: Buffer) =>
      Buffer.concat([Buffer.from([0, 0, 0, 0, bytes.length + 1]), bytes, Buffer.alloc(8), Buffer.from([0])])
    let id = 0
    const impostor = await Impostor.start((socket, chunk) => {
      id++
      const nonce = /r=([^,]+)/.exec(chunk.toString('latin1'))?.[1]?.replace(/[^\x21-\x7e]+$/, '')
      const text = answers[id - 1] ?? Buffer.from(`r=${nonce}server,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`)
      socket.write(responseFrame(id === 1 ? text : token(text), id))
    })
    const clients = clientsOf(new Cluster(impostor.port))
    await assert.rejects(beat(clients), unavailable(/does not know the password/))
    assert.equal(id, 3, 'the exchange went to its end')
  })

  it('fail when the other does not authenticate anybody', async () => {
    const impostor = await Impostor.start((socket) => socket.end())
    await assert.rejects(beat(clientsOf(new Cluster(impostor.port))), unavailable(/not reached/))
  })

  it('fail when authentication takes for ever', async () => {
    const impostor = await Impostor.start(() => undefined)
    const clients = clientsOf(new Cluster(impostor.port), { setupTimeoutMs: 50 })
    await assert.rejects(beat(clients), unavailable(/not ready within 50 ms/))
    await until(() => impostor.sockets.every((socket) => socket.destroyed || socket.readableEnded))
  })

  it('fail when no answer comes, all of them, and begin anew with another connection', async () => {
    let answers = false
    const impostor = await Impostor.start((socket) => {
      if (answers) socket.write(responseFrame(REBALANCE))
    })
    const clients = bareClients(impostor.port, { requestTimeoutMs: 50 })
    const outcomes = await Promise.allSettled([beat(clients), beat(clients)])
    for (const outcome of outcomes) {
      assert.ok(outcome.status === 'rejected' && unavailable(/did not answer within 50 ms/)(outcome.reason))
    }
    answers = true
    assert.equal((await beat(clients)).errorCode, 27)
    assert.equal(impostor.sockets.length, 2)
  })

  it('take answers that come in pieces', async () => {
    const impostor = await Impostor.start((socket) => {
      void (async () => {
        for (const byte of responseFrame(REBALANCE)) {
          socket.write(Buffer.from([byte]))
          await delay(1)
        }
      })()
    })
    assert.equal((await beat(bareClients(impostor.port))).errorCode, 27)
  })

  const bad: readonly [string, Buffer, RegExp][] = [
    ['half an answer, and the end', responseFrame(REBALANCE).subarray(0, 9), /closed/],
    ['an answer to something else', responseFrame(REBALANCE, 9), /answer 9 came, and 1 is next/],
    ['an answer that is too short', responseFrame(REBALANCE.subarray(0, 5)), /cannot be read/],
    [
      'an answer with something behind it',
      responseFrame(Buffer.concat([REBALANCE, Buffer.from([1])])),
      /1 bytes follow/
    ],
    ['garbage', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), /cannot be read/],
    ['an answer without end', Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1]), /cannot be read/],
    ['a negative length', Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1]), /cannot be read/]
  ]
  for (const [what, bytes, reason] of bad) {
    it(`fail with ${what}`, async () => {
      const impostor = await Impostor.start((socket) => socket.end(bytes))
      await assert.rejects(beat(bareClients(impostor.port)), unavailable(reason))
    })
  }

  it('fail together when a connection is reset, and only those that were under way', async () => {
    let resets = true
    const impostor = await Impostor.start((socket) => {
      if (resets) socket.resetAndDestroy()
      else socket.write(responseFrame(REBALANCE))
    })
    const clients = bareClients(impostor.port)
    const outcomes = await Promise.allSettled([beat(clients), beat(clients), beat(clients)])
    assert.ok(outcomes.every(({ status }) => status === 'rejected'))
    resets = false
    assert.equal((await beat(clients)).errorCode, 27)
  })

  it('an answer that nobody asked for ends the connection, not the broker', async () => {
    let once = true
    const impostor = await Impostor.start((socket) => {
      const frame = responseFrame(REBALANCE)
      socket.write(once ? Buffer.concat([frame, responseFrame(REBALANCE, 2)]) : frame)
      once = false
    })
    const clients = bareClients(impostor.port)
    assert.equal((await beat(clients)).errorCode, 27, 'what came before counts')
    await until(() => impostor.sockets[0]?.readableEnded === true || impostor.sockets[0]?.destroyed === true)
    assert.equal((await beat(clients)).errorCode, 27)
  })

  it('wait longer and longer while nobody listens', async () => {
    const impostor = await Impostor.start(() => undefined)
    const { port } = impostor
    await closers.pop()?.()
    let attempts = 0
    const transport: typeof tcpNodeTransport = {
      connect: (...place) => {
        attempts++
        return tcpNodeTransport.connect(...place)
      }
    }
    const clients = bareClients(port, { transport })
    const end = systemClock.monotonic() + 400
    while (systemClock.monotonic() < end) await assert.rejects(beat(clients), unavailable(/ECONNREFUSED/))
    assert.ok(attempts >= 2 && attempts <= 5, `${attempts} attempts in 400 ms`)
  })

  it('fail at once when the broker leaves, and when it is not there', async () => {
    const peer = await Peer.start()
    const cluster = new Cluster(peer.server.port)
    const clients = clientsOf(cluster)
    const calling = beat(clients)
    await until(() => peer.begun.length === 1)
    cluster.move(undefined)
    await assert.rejects(calling, unavailable(/it has left/))
    await assert.rejects(beat(clients), unavailable(/broker 2 is away/))
    await until(() => peer.server.connections === 0)
  })

  it('go to where the broker is now', async () => {
    const [before, after] = [await Peer.start(), await Peer.start()]
    const cluster = new Cluster(before.server.port)
    const clients = clientsOf(cluster)
    const calling = beat(clients)
    await until(() => before.begun.length === 1)
    cluster.move(after.server.port)
    await assert.rejects(calling, unavailable(/elsewhere/))
    const second = beat(clients)
    await until(() => after.begun.length === 1)
    after.begun[0]?.answer(0)
    await second
  })

  it('are refused when too much is on its way', async () => {
    const peer = await Peer.start()
    const clients = clientsOf(new Cluster(peer.server.port))
    const large = { ...BEAT, groupId: 'g'.repeat(30_000), memberId: 'm'.repeat(30_000) }
    const calls = Array.from({ length: 600 }, () =>
      clients.send(OTHER, HEARTBEAT, 3, large).then(
        () => 'answered',
        (error: Error) => (unavailable(/on their way already/)(error) ? 'refused' : error.message)
      )
    )
    await until(() => peer.begun.length > 0)
    const refused = await Promise.race([Promise.all(calls.slice(-10)), delay(2_000, [])])
    assert.ok(refused.length === 10 && refused.every((outcome) => outcome === 'refused'))
  })

  it('fail when this broker closes', async () => {
    const peer = await Peer.start()
    const clients = clientsOf(new Cluster(peer.server.port))
    const calling = beat(clients)
    await until(() => peer.begun.length === 1)
    clients.close()
    await assert.rejects(calling, unavailable(/closing/))
    await assert.rejects(beat(clients), unavailable(/closing/))
  })
})
