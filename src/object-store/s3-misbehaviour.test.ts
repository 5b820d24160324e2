/** What the S3 store sends, and what it does when the server misbehaves: against a server that answers as told. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { it } from 'node:test'
import { crc32c } from '@node-rs/crc32'
import { type FaultKind, isFault } from '../runtime/fault.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { systemRandom } from '../runtime/system-random.ts'
import { listed } from './object-store-contract.ts'
import { parseS3Location } from './s3-location.ts'
import { openS3ObjectStore, type S3ObjectStore } from './s3-object-store.ts'
import type { S3Settings } from './s3-settings.ts'

interface Seen {
  readonly line: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** Answers one request. The last one of a script answers all further requests too. */
type Answer = (response: ServerResponse, seen: Seen) => void

const ok =
  (body = '', headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(200, { 'content-length': `${Buffer.byteLength(body)}`, ...headers }).end(body)
const error =
  (status: number, code: string): Answer =>
  (response) =>
    response.writeHead(status, { 'content-type': 'application/xml' }).end(`<Error><Code>${code}</Code></Error>`)
const partial =
  (body: string, range: string): Answer =>
  (response) =>
    response.writeHead(206, { 'content-length': `${body.length}`, 'content-range': `bytes ${range}` }).end(body)
const lost: Answer = (response) => response.destroy()
const silence: Answer = () => {}
const slowDown = error(503, 'SlowDown')

interface Against {
  readonly store: S3ObjectStore
  readonly seen: readonly Seen[]
}

interface Options {
  readonly settings?: Partial<S3Settings>
  readonly parameters?: string
}

async function against(script: readonly Answer[], work: (against: Against) => Promise<void>, options: Options = {}) {
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString('latin1')
    const one = { line: `${request.method} ${request.url}`, headers: request.headers, body }
    seen.push(one)
    script[Math.min(seen.length, script.length) - 1]?.(response, one)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const endpoint = `http://127.0.0.1:${address.port}`
  const store = openS3ObjectStore({
    location: parseS3Location(`s3://bucket/pre?endpoint=${endpoint}${options.parameters ?? ''}`),
    clock: systemClock,
    random: systemRandom,
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
    settings: { backoffMs: 1, backoffMsMax: 2, ...options.settings }
  })
  try {
    await work({ store, seen })
  } finally {
    await store.close()
    server.closeAllConnections()
    server.close()
  }
}

async function rejects(kind: FaultKind, work: Promise<unknown>, message = /./): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isFault(error, kind), `expected a Fault of kind ${kind}, got ${error}`)
    assert.match(error.message, message)
    return true
  })
}

it('a range is one request, for exactly its bytes', () =>
  against([partial('3456', '3-6/10')], async ({ store, seen }) => {
    assert.equal((await store.get('a/b', { start: 3, end: 7 })).toString(), '3456')
    assert.deepEqual(
      seen.map(({ line, headers }) => [line, headers.range]),
      [['GET /bucket/pre/a/b?x-id=GetObject', 'bytes=3-6']]
    )
  }))

it('a body goes out with its CRC-32C and without a hash of it', () =>
  against([ok()], async ({ store, seen }) => {
    await store.put('a', [Buffer.from('some '), Buffer.from('bytes')])
    const [{ headers, body } = assert.fail('nothing was sent')] = seen
    const checksum = Buffer.alloc(4)
    checksum.writeUInt32BE(crc32c('some bytes'))
    assert.equal(body, 'some bytes')
    assert.equal(headers['x-amz-checksum-crc32c'], checksum.toString('base64'))
    assert.equal(headers['x-amz-content-sha256'], 'UNSIGNED-PAYLOAD')
    assert.equal(headers.expect, undefined)
    assert.match(headers.authorization ?? '', /SignedHeaders=[^,]*x-amz-checksum-crc32c/)
  }))

it('a body of many buffers goes out whole in every attempt', () =>
  against([slowDown, lost, ok()], async ({ store, seen }) => {
    const sizes = [70_000, 1, 0, 5, ...Array.from({ length: 500 }, (_, index) => index), 200_000]
    const parts = sizes.map((size, index) => Buffer.alloc(size, index % 251))
    await store.put('a', parts)
    const whole = Buffer.concat(parts)
    const checksum = Buffer.alloc(4)
    checksum.writeUInt32BE(crc32c(whole))
    assert.equal(seen.length, 3)
    for (const { body, headers } of seen) {
      assert.ok(Buffer.from(body, 'latin1').equals(whole))
      assert.equal(headers['content-length'], `${whole.length}`)
      assert.equal(headers['x-amz-checksum-crc32c'], checksum.toString('base64'))
      assert.equal(headers['x-amz-content-sha256'], 'UNSIGNED-PAYLOAD')
    }
  }))

it('without checksums, a body that no TLS protects is hashed', () =>
  against(
    [ok()],
    async ({ store, seen }) => {
      await store.put('a', [Buffer.from('bytes')])
      assert.equal(seen[0]?.headers['x-amz-checksum-crc32c'], undefined)
      assert.match(seen[0]?.headers['x-amz-content-sha256']?.toString() ?? '', /^[0-9a-f]{64}$/)
    },
    { parameters: '&checksum=none' }
  ))

it('what may be repeated is tried again until the store answers', () =>
  against([slowDown, error(500, 'InternalError'), lost, ok('found')], async ({ store, seen }) => {
    assert.equal((await store.get('a')).toString(), 'found')
    assert.equal(seen.length, 4)
    const { get, repeated, throttled } = store.requestCounts
    assert.deepEqual({ get, repeated, throttled }, { get: 4, repeated: 3, throttled: 1 })
  }))

it('a store that goes on failing is unavailable after a bounded number of attempts', () =>
  against(
    [slowDown],
    async ({ store, seen }) => {
      await rejects('unavailable', store.head('a'), /head of object a in bucket bucket/)
      assert.equal(seen.length, 3)
    },
    { settings: { attempts: 3 } }
  ))

it('many requests that pause at once are nothing to warn of', async () => {
  const warnings: Error[] = []
  const collect = (warning: Error) => warnings.push(warning)
  process.on('warning', collect)
  try {
    await against(
      [slowDown],
      ({ store }) =>
        Promise.all(Array.from({ length: 20 }, (_, index) => rejects('unavailable', store.head(`k${index}`)))).then(
          () => {}
        ),
      { settings: { attempts: 2, backoffMs: 100, backoffMsMax: 100 } }
    )
    await new Promise((resolve) => setImmediate(resolve))
  } finally {
    process.off('warning', collect)
  }
  assert.deepEqual(
    warnings.filter(({ name }) => name === 'MaxListenersExceededWarning'),
    []
  )
})

it('a conditional put is sent once, whatever happens to its answer', async () => {
  for (const answer of [lost, slowDown, error(500, 'InternalError'), error(409, 'ConditionalRequestConflict')]) {
    await against([answer, ok()], async ({ store, seen }) => {
      await rejects('unavailable', store.put('a', [Buffer.from('x')], { ifAbsent: true }))
      assert.equal(seen.length, 1)
      assert.equal(seen[0]?.headers['if-none-match'], '*')
    })
  }
  await against([lost, ok()], async ({ store, seen }) => {
    await store.put('a', [Buffer.from('x')])
    assert.deepEqual([seen.length, seen[1]?.body, seen[1]?.headers['if-none-match']], [2, 'x', undefined])
  })
})

it('answers that settle the matter are not asked for again, and say what to change', async () => {
  for (const [status, code, kind, message] of [
    [412, 'PreconditionFailed', 'conflict', /put object a/],
    [404, 'NoSuchBucket', 'invalid', /create the bucket/],
    [403, 'AccessDenied', 'invalid', /allow s3:GetObject/],
    [403, 'SignatureDoesNotMatch', 'invalid', /AWS_SECRET_ACCESS_KEY/],
    [400, 'AuthorizationHeaderMalformed', 'invalid', /parameter region/],
    [501, 'NotImplemented', 'invalid', /NotImplemented/]
  ] as const) {
    await against([error(status, code)], async ({ store, seen }) => {
      await rejects(kind, store.put('a', [Buffer.from('x')]), message)
      assert.equal(seen.length, 1, code)
    })
  }
})

it('an answer that breaks off is never taken for the object', () =>
  against(
    [
      (response) => {
        response.writeHead(200, { 'content-length': '10' }).write('01234')
        setTimeout(() => response.destroy(), 20)
      },
      ok('0123456789')
    ],
    async ({ store, seen }) => {
      assert.equal((await store.get('a')).toString(), '0123456789')
      assert.equal(seen.length, 2)
    }
  ))

it('a server that ignores the range, or brings less than it, is not believed', async () => {
  await against(
    [ok('0123456789')],
    ({ store }) => rejects('unavailable', store.get('a', { start: 2, end: 4 }), /asked for 2 bytes, got 10/),
    { settings: { attempts: 2 } }
  )
  await against([partial('89', '8-9/10')], async ({ store, seen }) => {
    await rejects('invalid', store.get('a', { start: 8, end: 12 }), /beyond its 10 bytes/)
    assert.equal(seen.length, 1)
  })
})

it('a server that never answers is given up after the time for the request', () =>
  against(
    [silence],
    async ({ store, seen }) => {
      await rejects('unavailable', store.get('a', { start: 0, end: 10 }), /not done within 1001 ms/)
      assert.equal(seen.length, 2)
    },
    { settings: { requestTimeoutMs: 1000, bytesPerSecondMin: 10_000, attempts: 2 } }
  ))

it('a server that cannot be reached is unavailable', async () => {
  // Nothing else does between attempts: the clock's timers keep no process alive.
  const keepAlive = setInterval(() => {}, 1000)
  const store = openS3ObjectStore({
    location: parseS3Location('s3://bucket?endpoint=http://127.0.0.1:1'),
    clock: systemClock,
    random: systemRandom,
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
    settings: { attempts: 2, backoffMs: 1 }
  })
  try {
    await rejects('unavailable', store.head('a'), /ECONNREFUSED/)
  } finally {
    clearInterval(keepAlive)
    await store.close()
  }
})

it('closing cuts off what is under way', () =>
  against([silence], async ({ store, seen }) => {
    const waiting = rejects('closed', store.get('a'))
    while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve))
    await store.close()
    await waiting
  }))

it('a list goes on page by page and shows only what lies below the prefix and could be ours', () => {
  const page = (keys: readonly string[], next: string) =>
    ok(
      `<ListBucketResult>${keys.map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`).join('')}` +
        `<IsTruncated>${next !== ''}</IsTruncated><NextContinuationToken>${next}</NextContinuationToken></ListBucketResult>`
    )
  return against([page(['pre/a', 'pre/folder/'], 'more+1'), page(['pre/b&amp;c'], '')], async ({ store, seen }) => {
    assert.deepEqual(await listed(store, ''), [
      { key: 'a', size: 1 },
      { key: 'b&c', size: 1 }
    ])
    assert.equal(seen.length, 2)
    assert.match(seen[1]?.line ?? '', /continuation-token=more%2B1.*prefix=pre%2F/)
  })
})

it('a batch delete asks again only for the keys that failed, and tells what cannot be deleted', async () => {
  const failed = (keys: readonly string[], code: string) =>
    ok(
      `<DeleteResult>${keys.map((key) => `<Error><Key>pre/${key}</Key><Code>${code}</Code></Error>`).join('')}</DeleteResult>`
    )
  const keys = Array.from({ length: 1003 }, (_, index) => `k${index}`)
  await against([failed(['k3', 'k7'], 'InternalError'), ok('<DeleteResult/>')], async ({ store, seen }) => {
    await store.delete(keys)
    const asked = seen.map(({ body }) => [...body.matchAll(/<Key>pre\/(k\d+)<\/Key>/g)].map(([, key]) => key))
    assert.deepEqual(asked, [keys.slice(0, 1000), ['k3', 'k7'], keys.slice(1000)])
  })
  await against([failed(['k1'], 'AccessDenied')], ({ store }) => rejects('invalid', store.delete(['k1']), /pre\/k1/))
})

/** 17 MiB are three parts. */
const IN_PARTS = { multipartBytes: 16 * 1024 * 1024, partBytes: 8 * 1024 * 1024 }

it('an upload in parts whose part fails for good is aborted', () =>
  against(
    [
      ok('<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>'),
      (response, { line }) =>
        (line.startsWith('DELETE')
          ? ok()
          : line.includes('partNumber=2')
            ? error(403, 'AccessDenied')
            : ok('', { etag: '"e"' }))(response, { line, headers: {}, body: '' })
    ],
    async ({ store, seen }) => {
      const body = [Buffer.alloc(17 * 1024 * 1024)]
      await rejects('invalid', store.put('a', body), /allow s3:GetObject/)
      const last = seen.at(-1)?.line ?? ''
      assert.match(last, /^DELETE .*uploadId=u1/)
      assert.equal(seen.filter(({ line }) => line.startsWith('PUT')).length, 3)
      assert.equal(seen.filter(({ line }) => line.startsWith('POST')).length, 1)
    },
    { settings: IN_PARTS }
  ))

it('an upload in parts states its size and its condition when it completes, and completes once', () =>
  against(
    [
      (response, { line }) => {
        if (line.includes('uploads')) ok('<R><UploadId>u1</UploadId></R>')(response, { line, headers: {}, body: '' })
        else if (line.startsWith('PUT')) response.writeHead(200, { etag: '"e"' }).end()
        else if (line.startsWith('POST')) response.destroy()
        else response.writeHead(204).end()
      }
    ],
    async ({ store, seen }) => {
      await rejects('unavailable', store.put('a', [Buffer.alloc(17 * 1024 * 1024)], { ifAbsent: true }))
      const completions = seen.filter(({ line }) => line.startsWith('POST') && !line.includes('uploads'))
      assert.equal(completions.length, 1)
      assert.equal(completions[0]?.headers['if-none-match'], '*')
      assert.equal(completions[0]?.headers['x-amz-mp-object-size'], `${17 * 1024 * 1024}`)
    },
    { settings: IN_PARTS }
  ))
