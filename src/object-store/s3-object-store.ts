/**
 * An object store in an S3 bucket, or in one of a compatible store, below the prefix of its location.
 *
 * Invariants: an object that was put is the bytes that were handed in (the server checks a CRC-32C of every body, and a
 * GET that does not bring exactly the bytes asked for is an error); a conditional put is sent once (`s3-requests.ts`).
 * So `put` and `compose` with `ifAbsent` answer `unavailable` when the answer was lost: the object may be there, with
 * these bytes or another writer's. Whoever asked must read it back to know.
 *
 * Loads the AWS SDK (77 ms): import this file only where a store is S3.
 */
import { Readable } from 'node:stream'
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client
} from '@aws-sdk/client-s3'
import type { Clock } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import type { Random } from '../runtime/random.ts'
import { isKey, rangeBeyondEnd, requireKey, requirePrefix, requireRange } from './object-key.ts'
import type { ByteRange, ObjectInfo, ObjectStore, Piece, PutOptions } from './object-store.ts'
import { planParts, type Source } from './part-planner.ts'
import { checksumOf } from './s3-checksum.ts'
import { createS3Client, type S3Credentials } from './s3-client.ts'
import type { S3Location } from './s3-location.ts'
import { S3Multipart } from './s3-multipart.ts'
import { type S3RequestCounts, S3Requests } from './s3-requests.ts'
import { COPY_BYTES_MAX, defaultS3Settings, KEYS_PER_REQUEST, PART_BYTES_MIN, type S3Settings } from './s3-settings.ts'

export interface S3ObjectStoreOptions {
  readonly location: S3Location
  readonly clock: Clock
  readonly random: Random
  /** Undefined: the standard AWS chain. */
  readonly credentials?: S3Credentials | undefined
  readonly settings?: Partial<S3Settings>
}

/** Opens the store without asking it for anything: the first request tells whether bucket and credentials are right. */
export function openS3ObjectStore(options: S3ObjectStoreOptions): S3ObjectStore {
  const settings = { ...defaultS3Settings, ...options.settings }
  return new S3ObjectStore({ ...options, settings }, createS3Client(options.location, settings, options.credentials))
}

export class S3ObjectStore implements ObjectStore {
  readonly #client: S3Client
  readonly #location: S3Location
  readonly #settings: S3Settings
  readonly #requests: S3Requests
  readonly #multipart: S3Multipart

  constructor(options: S3ObjectStoreOptions & { readonly settings: S3Settings }, client: S3Client) {
    this.#client = client
    this.#location = options.location
    this.#settings = options.settings
    this.#requests = new S3Requests(options)
    const gather = (sources: readonly Source[]) => this.#gather(sources)
    this.#multipart = new S3Multipart({ ...options, client, requests: this.#requests, gather })
  }

  /** Requests sent so far. */
  get requestCounts(): Readonly<S3RequestCounts> {
    return this.#requests.counts
  }

  async put(key: string, parts: readonly Buffer[], options: PutOptions = {}): Promise<void> {
    this.#requests.requireOpen()
    requireKey(key)
    const bytes = parts.reduce((sum, part) => sum + part.length, 0)
    if (bytes > this.#settings.multipartBytes) await this.compose(key, one({ parts }), options)
    else await this.#putWhole(key, joined(parts), options)
  }

  async compose(key: string, pieces: AsyncIterable<Piece>, options: PutOptions = {}): Promise<ObjectInfo> {
    this.#requests.requireOpen()
    requireKey(key)
    const planned = planParts(checked(pieces), {
      partBytesMin: PART_BYTES_MIN,
      partBytes: this.#settings.partBytes,
      copyBytesMax: COPY_BYTES_MAX
    })
    try {
      // A single part of bytes needs no multipart upload: whether it is the only one shows when there is no second.
      const ahead = await take(planned, 2)
      const [first, second] = ahead
      if (first?.kind === 'copy' || second !== undefined) {
        const size = await this.#multipart.upload(key, followedBy(ahead, planned), options.ifAbsent ?? false)
        return { key, size }
      }
      const body = await this.#gather(first?.sources ?? [])
      await this.#putWhole(key, body, options)
      return { key, size: body.length }
    } finally {
      await planned.return(undefined)
    }
  }

  async get(key: string, range?: ByteRange): Promise<Buffer> {
    this.#requests.requireOpen()
    requireKey(key)
    if (range !== undefined) requireRange(key, range)
    const command = new GetObjectCommand({
      ...this.#target(key),
      ...(range !== undefined && { Range: `bytes=${range.start}-${range.end - 1}` })
    })
    const bytes = range === undefined ? UNKNOWN_BYTES : range.end - range.start
    return this.#requests.run({ counted: 'get', attempt: `get object ${key}`, bytes }, async (abortSignal) => {
      const answer = await this.#client.send(command, { abortSignal })
      if (!(answer.Body instanceof Readable)) throw new Fault('unavailable', `get object ${key}: no body came`)
      return readBody(answer.Body, expectedBytes(key, range, answer, answer.Body))
    })
  }

  async head(key: string): Promise<ObjectInfo> {
    this.#requests.requireOpen()
    requireKey(key)
    const command = new HeadObjectCommand(this.#target(key))
    const answer = await this.#requests.run(
      { counted: 'head', attempt: `head of object ${key}`, bytes: 0 },
      (abortSignal) => this.#client.send(command, { abortSignal })
    )
    return { key, size: answer.ContentLength ?? 0 }
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    this.#requests.requireOpen()
    requirePrefix(prefix)
    const within = this.#location.prefix
    for (let token: string | undefined, more = true; more; ) {
      const command = new ListObjectsV2Command({
        Bucket: this.#location.bucket,
        Prefix: within + prefix,
        MaxKeys: KEYS_PER_REQUEST,
        ...(token !== undefined && { ContinuationToken: token })
      })
      const page = await this.#requests.run(
        { counted: 'list', attempt: `list objects in ${within}${prefix}`, bytes: 0 },
        (abortSignal) => this.#client.send(command, { abortSignal })
      )
      for (const { Key = '', Size = 0 } of page.Contents ?? []) {
        const key = Key.slice(within.length)
        // Others may keep things in the bucket too: what we could not name, we do not list.
        if (isKey(key)) yield { key, size: Size }
      }
      token = page.NextContinuationToken
      more = page.IsTruncated === true && token !== undefined
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    this.#requests.requireOpen()
    for (const key of keys) requireKey(key)
    for (let first = 0; first < keys.length; first += KEYS_PER_REQUEST) {
      await this.#deleteBatch(keys.slice(first, first + KEYS_PER_REQUEST))
    }
  }

  /** Cuts off what is under way. */
  async close(): Promise<void> {
    this.#requests.close()
    this.#client.destroy()
  }

  async #putWhole(key: string, body: Buffer, options: PutOptions): Promise<void> {
    const once = options.ifAbsent ?? false
    const command = new PutObjectCommand({
      ...this.#target(key),
      ...checksumOf(body, this.#location),
      ...(once && { IfNoneMatch: '*' }),
      Body: body,
      ContentLength: body.length
    })
    await this.#requests.run(
      { counted: 'put', attempt: `put object ${key}`, bytes: body.length, once },
      (abortSignal) => this.#client.send(command, { abortSignal })
    )
  }

  /** All keys in one request; those that the store could not delete just now are tried again, without the others. */
  async #deleteBatch(keys: readonly string[]): Promise<void> {
    const attempt = `delete ${keys.length} objects`
    const { prefix, bucket } = this.#location
    let left = keys
    await this.#requests.run({ counted: 'delete', attempt, bytes: 0 }, async (abortSignal) => {
      const Objects = left.map((key) => ({ Key: prefix + key }))
      const command = new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } })
      const { Errors = [] } = await this.#client.send(command, { abortSignal })
      const failed = Errors.filter(({ Code }) => Code !== 'NoSuchKey')
      if (failed.length === 0) return
      left = failed.flatMap(({ Key }) => (Key === undefined ? [] : [Key.slice(prefix.length)]))
      const { Code = '', Key, Message } = failed[0] ?? {}
      throw Object.assign(new Error(`${failed.length} remain, such as ${Key}: ${Message}`), { name: Code })
    })
  }

  async #gather(sources: readonly Source[]): Promise<Buffer> {
    const read = (source: Source) => (Buffer.isBuffer(source) ? source : this.get(source.key, source.range))
    return joined(await Promise.all(sources.map(read)))
  }

  #target(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#location.bucket, Key: this.#location.prefix + key }
  }
}

/** Time is allowed for this many bytes when the size of an object is not known beforehand. */
const UNKNOWN_BYTES = 64 * 1024 * 1024

/**
 * One buffer, although joining touches fresh memory: handing the SDK a stream of the parts was measured, and took more
 * processor time for all but the largest parts (and a stream cannot be sent a second time).
 */
function joined(parts: readonly Buffer[]): Buffer {
  const [first = Buffer.alloc(0)] = parts
  return parts.length <= 1 ? first : Buffer.concat(parts)
}

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value
}

async function take<T>(from: AsyncIterator<T>, count: number): Promise<T[]> {
  const taken: T[] = []
  while (taken.length < count) {
    const next = await from.next()
    if (next.done) break
    taken.push(next.value)
  }
  return taken
}

/** Ends `rest` when its own reader stops early. */
async function* followedBy<T>(first: readonly T[], rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield* first
  yield* rest
}

async function* checked(pieces: AsyncIterable<Piece>): AsyncGenerator<Piece> {
  for await (const piece of pieces) {
    if ('key' in piece) {
      requireKey(piece.key)
      requireRange(piece.key, piece.range)
    }
    yield piece
  }
}

/** Bytes that the body must bring. A store answers a range beyond the end with the bytes that there are. */
function expectedBytes(
  key: string,
  range: ByteRange | undefined,
  answer: GetObjectCommandOutput,
  body: Readable
): number {
  const { ContentLength, ContentRange } = answer
  const wanted = range === undefined ? ContentLength : range.end - range.start
  const isRange = range === undefined || ContentRange !== undefined || ContentLength === wanted
  if (wanted !== undefined && wanted === ContentLength && isRange) return wanted
  body.destroy()
  if (wanted === undefined) throw new Fault('unavailable', `get object ${key}: the store did not tell its length`)
  const size = Number(/\/(\d+)$/.exec(ContentRange ?? '')?.[1] ?? ContentLength)
  if (range !== undefined && range.end > size) throw rangeBeyondEnd(key, range, size)
  throw new Fault('unavailable', `get object ${key}: asked for ${wanted} bytes, got ${ContentLength}`)
}

/** Into one buffer of the right size, by events: `for await` takes a tenth more processor time. */
function readBody(body: Readable, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length)
  let filled = 0
  return new Promise((resolve, reject) => {
    const broken = () => reject(new Fault('unavailable', `the answer brought ${filled} of ${length} bytes`))
    body.on('data', (chunk: Buffer) => {
      // The HTTP parser holds the body to the length that the answer announced: more cannot come.
      filled += chunk.copy(bytes, filled)
    })
    body.once('end', () => (filled === length ? resolve(bytes) : broken()))
    body.once('error', reject)
    body.once('close', broken)
  })
}
