import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isFault } from '../runtime/fault.ts'
import { silentLog } from '../runtime/log.ts'
import { systemClock } from '../runtime/system-clock.ts'
import type { Api } from './api.ts'
import { batch, encodeRequest, FETCH, fetchRequest, PRODUCE, produceRequest, TestClient } from './broker-fixture.ts'
import { Dispatcher } from './dispatcher.ts'
import type { AnyMessage, RequestContext } from './handler.ts'
import { KafkaServer } from './kafka-server.ts'
import { RequestMemory } from './request-memory.ts'
import { UnfinishedFrames } from './unfinished-frames.ts'
import { UnsentBytes } from './unsent-bytes.ts'

const MEMORY_BYTES = 1 << 20
const FRAME_BYTES_MAX = 1 << 16

/** A request that a handler was called with and that the test answers. */
interface Begun {
  readonly api: 'produce' | 'fetch'
  readonly context: RequestContext
  /** With an answer whose records have so many bytes; without an argument nothing is answered. */
  readonly answer: (bytes?: number) => void
}

/** A server whose handlers only note that they were called. */
class Stage {
  readonly begun: Begun[] = []
  readonly memory = new RequestMemory(MEMORY_BYTES)
  readonly unfinished = new UnfinishedFrames(FRAME_BYTES_MAX * 2)
  readonly unsent = new UnsentBytes(MEMORY_BYTES)
  room: Promise<void> | undefined
  readonly server: KafkaServer

  constructor() {
    const apis = new Map([
      [0, this.#api('produce')],
      [1, this.#api('fetch')]
    ])
    this.server = new KafkaServer({
      clock: systemClock,
      admit: () => 0,
      dispatcher: new Dispatcher(apis),
      produceMemory: this.memory,
      memory: this.memory,
      unfinished: this.unfinished,
      unsent: this.unsent,
      frameBytesMax: FRAME_BYTES_MAX,
      room: () => this.room,
      log: silentLog
    })
  }

  /** Waits until so many handlers were called. */
  async until(count: number): Promise<void> {
    for (let tries = 0; this.begun.length < count; tries++) {
      assert.ok(tries < 2000, `${this.begun.length} of ${count} requests were begun`)
      await delay(1)
    }
  }

  #api(name: Begun['api']): Api {
    const { request, response } = name === 'produce' ? PRODUCE : FETCH
    return {
      request: request as AnyMessage,
      response: response as AnyMessage,
      pipelined: name === 'produce',
      advertisedFrom: 0,
      refuse: () => undefined,
      handler: (_, context) =>
        new Promise((resolve) => {
          const answer = (bytes?: number) => resolve(bytes === undefined ? undefined : answerOf(name, bytes))
          this.begun.push({ api: name, context, answer })
        })
    }
  }
}

function answerOf(name: Begun['api'], bytes: number) {
  if (name === 'produce') return { responses: [] }
  const partition = { partitionIndex: 0, errorCode: 0, highWatermark: 0, records: [Buffer.alloc(bytes)] }
  return { responses: [{ topic: 't', partitions: [partition] }] }
}

const produceFrame = (correlationId: number) =>
  encodeRequest(PRODUCE.request, 9, produceRequest('t', batch(1)), correlationId)
const fetchFrame = (correlationId: number) =>
  encodeRequest(FETCH.request, 12, fetchRequest('t', [{ partition: 0 }]), correlationId)
const correlationId = (frame: Buffer | undefined) => frame?.readInt32BE(0)

describe('connection', () => {
  const closers: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close()
  })
  const start = async () => {
    const stage = new Stage()
    await stage.server.listen('127.0.0.1', 0)
    closers.push(() => stage.server.close())
    const client = async () => {
      const opened = await TestClient.open(stage.server.port)
      closers.push(() => opened.close())
      return opened
    }
    return { stage, client }
  }

  it('produce requests are begun together and answered in order, whichever is durable first', async () => {
    const { stage, client } = await start()
    const producer = await client()
    for (const id of [1, 2, 3]) producer.write(produceFrame(id))
    await stage.until(3)
    for (const at of [2, 1, 0]) stage.begun[at]?.answer(0)
    for (const id of [1, 2, 3]) assert.equal(correlationId(await producer.frame()), id)
    assert.equal(stage.memory.used, 0)
  })

  it('a long poll holds back later requests of its own connection only', async () => {
    const { stage, client } = await start()
    const [waiting, other] = [await client(), await client()]
    waiting.write(fetchFrame(1))
    await stage.until(1)
    waiting.write(produceFrame(2))
    other.write(produceFrame(10))
    await stage.until(2)
    stage.begun[1]?.answer(0)
    assert.equal(correlationId(await other.frame()), 10)
    await delay(20)
    assert.equal(stage.begun.length, 2, 'the request behind the long poll is not begun')
    stage.begun[0]?.answer(0)
    await stage.until(3)
    stage.begun[2]?.answer(0)
    assert.equal(correlationId(await waiting.frame()), 1)
    assert.equal(correlationId(await waiting.frame()), 2)
  })

  it('a slow produce does not keep a fetch behind it from beginning, only from being answered', async () => {
    const { stage, client } = await start()
    const both = await client()
    both.write(produceFrame(1))
    both.write(fetchFrame(2))
    await stage.until(2)
    stage.begun[1]?.answer(0)
    await delay(10)
    stage.begun[0]?.answer(0)
    assert.equal(correlationId(await both.frame()), 1)
    assert.equal(correlationId(await both.frame()), 2)
  })

  it('a request that wants no answer gets none, and the next one its own', async () => {
    const { stage, client } = await start()
    const producer = await client()
    producer.write(produceFrame(1))
    producer.write(produceFrame(2))
    await stage.until(2)
    stage.begun[0]?.answer()
    stage.begun[1]?.answer(0)
    assert.equal(correlationId(await producer.frame()), 2)
  })

  it('of one connection only so many requests are under way at once', async () => {
    const { stage, client } = await start()
    const producer = await client()
    for (let id = 0; id < 300; id++) producer.write(produceFrame(id))
    await stage.until(64)
    await delay(20)
    assert.equal(stage.begun.length, 64)
    for (let id = 0; id < 300; id++) {
      await stage.until(id + 1)
      stage.begun[id]?.answer(0)
      assert.equal(correlationId(await producer.frame()), id)
    }
  })

  it('a client that does not read its answers does not grow memory, and loses none', async () => {
    const { stage, client } = await start()
    const slow = await client()
    slow.socket.pause()
    const requests = 400
    const answerBytes = 1 << 18
    const answered = new Set<Begun>()
    const answerAll = () => {
      for (const begun of stage.begun) if (!answered.has(begun)) begun.answer(answerBytes)
      for (const begun of stage.begun) answered.add(begun)
    }
    for (let id = 0; id < requests; id++) slow.write(fetchFrame(id))
    // Long enough for all of them, were it not for the client.
    for (let i = 0; i < 20_000 && stage.begun.length < requests; i++) {
      await new Promise(setImmediate)
      answerAll()
    }
    const begun = stage.begun.length
    assert.ok(begun < requests / 2, `${begun} of ${requests} requests were begun although nobody reads`)
    assert.ok(stage.memory.used <= MEMORY_BYTES)
    slow.socket.resume()
    const answering = setInterval(answerAll, 1)
    for (let id = 0; id < requests; id++) assert.equal(correlationId(await slow.frame()), id)
    clearInterval(answering)
  })

  it('what a client does not read counts against all answers until it reads or leaves', async () => {
    const { stage, client } = await start()
    const slow = await client()
    slow.socket.pause()
    const all = stage.unsent.room
    slow.write(fetchFrame(1))
    await stage.until(1)
    stage.begun[0]?.answer(32 << 20)
    for (let tries = 0; stage.unsent.room === all && tries < 500; tries++) await delay(1)
    assert.equal(stage.unsent.room, 0)
    await slow.close()
    for (let tries = 0; stage.unsent.room !== all && tries < 500; tries++) await delay(1)
    assert.equal(stage.unsent.room, all)
  })

  it('a producer that dies with many requests under way stops nobody else', async () => {
    const { stage, client } = await start()
    const [dying, other] = [await client(), await client()]
    for (let id = 0; id < 200; id++) dying.write(produceFrame(id))
    await stage.until(64)
    await dying.close()
    await delay(20)
    other.write(fetchFrame(1))
    await stage.until(65)
    stage.begun.at(-1)?.answer(0)
    assert.equal(correlationId(await other.frame()), 1)
  })

  it('garbage closes its own connection only', async () => {
    const { stage, client } = await start()
    const healthy = await client()
    const unknownApi = Buffer.alloc(20, 0x7f)
    const cutOff = produceFrame(1).subarray(0, 30)
    for (const garbage of [unknownApi, cutOff, Buffer.from('GET / HTTP/1.1\r\n\r\n')]) {
      const bad = await client()
      bad.write(garbage)
      assert.equal(await bad.frame(), undefined)
    }
    const oversized = await client()
    oversized.socket.write(Buffer.from([0x7f, 0xff, 0xff, 0xff]))
    assert.equal(await oversized.frame(), undefined)
    healthy.write(produceFrame(5))
    await stage.until(1)
    stage.begun[0]?.answer(0)
    assert.equal(correlationId(await healthy.frame()), 5)
    assert.deepEqual([stage.memory.used, stage.unfinished.total], [0, 0])
  })

  it('clients that never finish their frames lose their connections before they take too much', async () => {
    const { stage, client } = await start()
    const greedy = await Promise.all([1, 2, 3, 4].map(client))
    for (const each of greedy) {
      const head = Buffer.alloc(60_000)
      head.writeInt32BE(FRAME_BYTES_MAX)
      each.socket.write(head)
    }
    await Promise.race(greedy.map(({ closed }) => closed))
    await delay(20)
    assert.ok(stage.unfinished.total <= FRAME_BYTES_MAX * 2)
    for (const each of greedy) await each.close()
    await delay(20)
    assert.equal(stage.unfinished.total, 0)
  })

  it('whoever waits for a client is told when it leaves, and its memory comes back', async () => {
    const { stage, client } = await start()
    const leaving = await client()
    leaving.write(fetchFrame(1))
    await stage.until(1)
    const { context, answer } = stage.begun[0] ?? assert.fail()
    assert.equal(context.closed.aborted, false)
    assert.ok(stage.memory.used > 0)
    await leaving.close()
    while (!context.closed.aborted) await delay(1)
    answer(100)
    await delay(5)
    assert.equal(stage.memory.used, 0)
    assert.equal(stage.server.connections, 0)
  })

  it('requests beyond the memory of all wait, and are served when it comes back', async () => {
    const { stage, client } = await start()
    const hold = stage.memory.acquire(MEMORY_BYTES)
    assert.equal(hold, undefined)
    const producer = await client()
    producer.write(produceFrame(1))
    await delay(20)
    assert.equal(stage.begun.length, 0)
    stage.memory.release(MEMORY_BYTES)
    await stage.until(1)
    stage.begun[0]?.answer(0)
    assert.equal(correlationId(await producer.frame()), 1)
  })

  it('a full log slows producers down and nobody else', async () => {
    const { stage, client } = await start()
    const [producer, consumer] = [await client(), await client()]
    let open = () => {}
    stage.room = new Promise((resolve) => {
      open = resolve
    })
    producer.write(produceFrame(1))
    consumer.write(fetchFrame(2))
    await stage.until(1)
    await delay(10)
    assert.deepEqual(
      stage.begun.map(({ api }) => api),
      ['fetch']
    )
    open()
    await stage.until(2)
    for (const { answer } of stage.begun) answer(0)
    assert.equal(correlationId(await producer.frame()), 1)
  })
})

describe('kafka server', () => {
  it('a port that is taken and an address that is not ours are faults that say what to do', async () => {
    const first = new Stage().server
    await first.listen('127.0.0.1', 0)
    const second = new Stage().server
    await assert.rejects(second.listen('127.0.0.1', first.port), (error) => isFault(error, 'conflict'))
    await assert.rejects(second.listen('203.0.113.1', 0), (error) => isFault(error, 'invalid'))
    await first.close()
  })
})
