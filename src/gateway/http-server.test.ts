import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { decodeEnvelope } from '../fleet/envelope.ts'
import { Fault } from '../runtime/fault.ts'
import { type TestGateway, until, withGateway } from './gateway-fixture.ts'

interface Body {
  readonly result?: string
  readonly reason?: string
  readonly accepted?: number
  readonly deadLettered?: number
  readonly refused?: number
  readonly error?: { readonly code: string; readonly message: string }
  readonly lines?: readonly { readonly line: number; readonly result: string }[]
}

interface Answer {
  readonly status: number
  readonly retryAfter: string | null
  readonly body: Body
}

async function post(
  { gateway, token }: Pick<TestGateway, 'gateway' | 'token'>,
  body: string | Buffer,
  headers: Record<string, string> = {}
): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${gateway.httpPort}/v1/telemetry`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : new Uint8Array(body)
  })
  return {
    status: response.status,
    retryAfter: response.headers.get('retry-after'),
    body: (await response.json()) as Body
  }
}

const ndjson = { 'content-type': 'application/x-ndjson' }

test('one record is answered after the ack, with its text kept', () =>
  withGateway(async (parts) => {
    parts.sink.hold = true
    let answered = false
    const request = post(parts, '{"seq":1,"data":{"v":1.10}}').finally(() => {
      answered = true
    })
    await until('it is under way', () => parts.sink.held.length === 1)
    assert.equal(answered, false)
    parts.sink.held[0]?.acknowledge()
    const answer = await request
    assert.deepEqual([answer.status, answer.body], [200, { result: 'accepted' }])
    const [value = ''] = parts.sink.values()
    assert.equal(decodeEnvelope(Buffer.from(value)).payload, '{"v":1.10}')
  }))

test('a broken record is acknowledged as a dead letter', () =>
  withGateway(async (parts) => {
    const answer = await post(parts, '{broken')
    assert.deepEqual([answer.status, answer.body.result, answer.body.reason], [200, 'dead-lettered', 'not-json'])
    assert.deepEqual(parts.sink.values('telemetry.dead-letter'), ['{broken'])
  }))

test('a batch tells what became of each line and keeps their order', () =>
  withGateway(async (parts) => {
    const answer = await post(parts, '{"seq":1,"data":1}\r\n\nbroken\n{"seq":2,"data":2}', ndjson)
    assert.equal(answer.status, 200)
    assert.deepEqual([answer.body.accepted, answer.body.deadLettered, answer.body.refused], [2, 1, 0])
    assert.deepEqual(
      answer.body.lines?.map(({ line, result }) => [line, result]),
      [
        [1, 'accepted'],
        [3, 'dead-lettered'],
        [4, 'accepted']
      ]
    )
    assert.deepEqual(
      parts.sink.values().map((value) => decodeEnvelope(Buffer.from(value)).seq),
      [1, 2]
    )
  }))

test('a batch with a refused line is not a success, and says which lines are stored', () =>
  withGateway(async (parts) => {
    parts.sink.faultOf = ({ value }) => (value.includes('"payload":2') ? new Fault('unavailable', 'gone') : undefined)
    const answer = await post(parts, '1\n2', ndjson)
    assert.equal(answer.status, 503)
    assert.equal(answer.body.error?.code, 'unavailable')
    assert.ok(Number(answer.retryAfter) > 0)
    assert.deepEqual(
      answer.body.lines?.map(({ result }) => result),
      ['accepted', 'refused']
    )
  }))

test('refusals are typed', () =>
  withGateway(
    async (parts) => {
      const cases: [Promise<Answer>, number, string][] = [
        [post({ ...parts, token: 'lhd_x' }, '1'), 401, 'unauthenticated'],
        [post(parts, '1', { authorization: 'Basic eA==' }), 401, 'unauthenticated'],
        [post(parts, '1', { 'content-type': 'text/plain' }), 415, 'unsupported-media-type'],
        [post(parts, '1', { 'content-encoding': 'gzip' }), 415, 'unsupported-media-type'],
        [post(parts, 'x'.repeat(1001)), 413, 'too-large'],
        [post(parts, `1\n${'x'.repeat(1001)}`, ndjson), 413, 'too-large'],
        [post(parts, 'x\n'.repeat(11), ndjson), 413, 'too-large'],
        [post(parts, 'x'.repeat(5001), ndjson), 413, 'too-large']
      ]
      for (const [request, status, code] of cases) {
        const answer = await request
        assert.deepEqual([answer.status, answer.body.error?.code], [status, code])
        assert.ok((answer.body.error?.message.length ?? 0) > 10)
      }
      assert.equal(parts.sink.records.length, 0)
    },
    { packetBytesMax: 1000, batchBytesMax: 5000, batchRecordsMax: 10 }
  ))

test('a body of very many short lines is refused without being taken apart', () =>
  withGateway(async (parts) => {
    const before = process.resourceUsage().maxRSS
    const answer = await post(parts, Buffer.alloc(8 * 1024 * 1024, 'x\n'), ndjson)
    assert.deepEqual([answer.status, answer.body.error?.code], [413, 'too-large'])
    // Views of all four million lines took 700 MB and six seconds.
    const grownMb = (process.resourceUsage().maxRSS - before) / 1024
    assert.ok(grownMb < 250, `${grownMb} MB`)
  }))

test('an overloaded gateway says when to come back', () =>
  withGateway(
    async (parts) => {
      parts.sink.hold = true
      const first = post(parts, '"xxxxxxxx"')
      await until('it is under way', () => parts.sink.held.length === 1)
      const second = await post(parts, '"yyyyyyyy"')
      assert.deepEqual([second.status, second.body.error?.code], [503, 'overloaded'])
      assert.ok(Number(second.retryAfter) > 0)
      parts.sink.held[0]?.acknowledge()
      assert.equal((await first).status, 200)
    },
    { inFlightBytesMax: 12, overloadWaitMs: 20 }
  ))

test('health and unknown paths', () =>
  withGateway(async ({ gateway }) => {
    const health = await fetch(`http://127.0.0.1:${gateway.httpPort}/health`)
    assert.deepEqual(await health.json(), { status: 'ok' })
    const other = await fetch(`http://127.0.0.1:${gateway.httpPort}/v2`)
    assert.deepEqual([other.status, ((await other.json()) as Body).error?.code], [404, 'not-found'])
  }))

test('metrics are given as Prometheus text', () =>
  withGateway(async ({ gateway }) => {
    const answer = await fetch(`http://127.0.0.1:${gateway.httpPort}/metrics`)
    assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
    assert.equal(await answer.text(), 'answers_total 42\n')
  }))

test('closing answers the requests under way', () =>
  withGateway(async (parts) => {
    parts.sink.hold = true
    const request = post(parts, '1')
    await until('it is under way', () => parts.sink.held.length === 1)
    const closing = parts.gateway.close()
    parts.sink.held[0]?.acknowledge()
    assert.equal((await request).status, 200)
    await closing
  }))

test('a client that connected and says nothing does not hold up the closing', () =>
  withGateway(async ({ gateway }) => {
    const mute = connect(gateway.httpPort, '127.0.0.1')
    const ended = new Promise((resolve) => mute.once('close', resolve))
    mute.on('error', () => {})
    await new Promise((resolve) => mute.once('connect', resolve))
    await gateway.close()
    await ended
  }))
