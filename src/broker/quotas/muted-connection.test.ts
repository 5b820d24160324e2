import assert from 'node:assert/strict'
import { once } from 'node:events'
import { afterEach, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { quotaEntityKey } from '../../metadata/client-quotas.ts'
import { Image } from '../../metadata/image.ts'
import type { QuotaEntity } from '../../metadata/metadata.ts'
import { silentLog } from '../../runtime/log.ts'
import { seededRandom } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { batch, decodeResponse, encodeRequest, PRODUCE, produceRequest, TestClient } from '../broker-fixture.ts'
import { Dispatcher } from '../dispatcher.ts'
import { FetchSessions } from '../fetch-sessions.ts'
import type { AnyMessage } from '../handler.ts'
import { KafkaServer } from '../kafka-server.ts'
import { RequestMemory } from '../request-memory.ts'
import { UnfinishedFrames } from '../unfinished-frames.ts'
import { UnsentBytes } from '../unsent-bytes.ts'
import { ClientQuotas } from './client-quotas.ts'
import { Throttling } from './throttling.ts'

const BYTES = 1 << 20
/** Real time in which something that must not happen would have happened. */
const A_WHILE_MS = 50

/** A server that answers every produce request at once, with real sockets and virtual time. */
class Stage {
  readonly clock = new VirtualClock()
  begun = 0
  readonly quotas: ClientQuotas
  readonly server: KafkaServer

  constructor(entity: QuotaEntity, values: Record<string, number>) {
    const image = new Image()
    const quotas = new Map([[quotaEntityKey(entity), { entity, values }]])
    image.apply({ topics: new Map(), streams: new Map(), objects: new Map(), ranges: [], quotas })
    const { clock } = this
    this.quotas = new ClientQuotas({ clock, image: () => image })
    const sessions = new FetchSessions(seededRandom(1), 1)
    const produce = {
      request: PRODUCE.request as AnyMessage,
      response: PRODUCE.response as AnyMessage,
      pipelined: true,
      advertisedFrom: 0,
      refuse: () => undefined,
      handler: () => {
        this.begun++
        return { responses: [] }
      }
    }
    const memory = new RequestMemory(BYTES)
    this.server = new KafkaServer({
      clock,
      admit: (address) => this.quotas.connect(address),
      dispatcher: new Dispatcher(new Map([[0, produce]]), new Throttling({ quotas: this.quotas, sessions, clock })),
      produceMemory: memory,
      memory,
      unfinished: new UnfinishedFrames(BYTES),
      unsent: new UnsentBytes(BYTES),
      frameBytesMax: BYTES,
      room: () => undefined,
      log: silentLog
    })
  }
}

const frameOf = (valueBytes: number) => encodeRequest(PRODUCE.request, 9, produceRequest('t', batch(1, { valueBytes })))
const throttleOf = (frame: Buffer | undefined) => {
  assert.ok(frame !== undefined, 'the connection is closed')
  return decodeResponse(PRODUCE.response, 9, frame).throttleTimeMs
}

describe('muted connection', () => {
  const closers: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close()
  })
  const start = async (entity: QuotaEntity, values: Record<string, number>) => {
    const stage = new Stage(entity, values)
    await stage.server.listen('127.0.0.1', 0)
    closers.push(() => stage.server.close())
    const client = async () => {
      const opened = await TestClient.open(stage.server.port)
      closers.push(() => opened.close())
      return opened
    }
    return { stage, client }
  }

  it('is answered at once, and read on when its time is over', async () => {
    const { stage, client } = await start({ user: 'ANONYMOUS' }, { producer_byte_rate: 100 })
    const producer = await client()
    producer.write(frameOf(2000))
    const waitMs = throttleOf(await producer.frame())
    assert.ok(waitMs > 10_000, `${waitMs} ms`)
    producer.write(frameOf(10))
    await delay(A_WHILE_MS)
    await stage.clock.advance(waitMs - 1)
    await delay(A_WHILE_MS)
    assert.equal(stage.begun, 1)
    await stage.clock.advance(1)
    await producer.frame()
    assert.equal(stage.begun, 2)
  })

  it('holds back what was read before it was muted, but not the other connections', async () => {
    const { stage, client } = await start({ 'client-id': 'test' }, { producer_byte_rate: 100 })
    const producer = await client()
    for (let i = 0; i < 5; i++) producer.write(frameOf(2000))
    await producer.frame()
    await delay(A_WHILE_MS)
    // Requests that a producer sends together are begun together; what comes later waits.
    const together = stage.begun
    producer.write(frameOf(10))
    const other = await client()
    other.write(frameOf(10))
    await other.frame()
    assert.equal(stage.begun, together + 1)
  })

  it('ends when its client leaves or the server closes', async () => {
    const { stage, client } = await start({ user: null }, { producer_byte_rate: 1 })
    const [leaving, staying] = [await client(), await client()]
    for (const producer of [leaving, staying]) {
      producer.write(frameOf(2000))
      await producer.frame()
    }
    await leaving.close()
    await stage.server.close()
    await staying.closed
    closers.length = 0
    assert.equal(stage.clock.sleeping, 0, 'nothing waits for the end of a connection that is gone')
  })

  it('an address that connects too often is held, and then closed', async () => {
    const { stage, client } = await start({ ip: '127.0.0.1' }, { connection_creation_rate: 1 })
    const welcome: TestClient[] = []
    for (let i = 0; i < 10; i++) welcome.push(await client())
    const early = await client()
    early.write(frameOf(10))
    await delay(A_WHILE_MS)
    assert.deepEqual([early.socket.destroyed, stage.begun], [false, 0])
    const closed = once(early.socket, 'close')
    await stage.clock.advance(1000)
    await closed
    assert.equal(stage.begun, 0)
    welcome[0]?.write(frameOf(10))
    await welcome[0]?.frame()
    await stage.clock.advance(12_000)
    const later = await client()
    later.write(frameOf(10))
    await later.frame()
    assert.equal(stage.begun, 2)
  })
})
