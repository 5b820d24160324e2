/**
 * What hostile bytes on the Kafka port may do: end their own connection, and nothing else. Every case runs beside a
 * healthy connection that goes on producing, and the memory of our broker stays near where it was before.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Random, seededRandom } from '../../src/runtime/random.ts'
import { Reader } from '../../src/wire/buffers.ts'
import { ApiVersionsResponse } from '../../src/wire/messages/api-versions.ts'
import { buildBatch } from '../../src/wire/records/batch-builder.ts'
import { type BrokerUnderTest, brokerUnderTest } from '../conformance/broker-under-test.ts'
import { eventually, pause, unique, within } from '../conformance/waiting.ts'
import { apis } from './apis.ts'
import { encodeRequest, RawConnection } from './raw-client.ts'
import { residentBytes } from './resident-memory.ts'

const TEST = { timeout: 120_000 }
const CLOSE_MS = 10_000
const MIB = 1024 * 1024
const FRAME_BYTES_MAX = 100 * MIB
const SEED = Number(process.env.LONGHAUL_TEST_SEED ?? Date.now() % 1_000_000)

let broker: BrokerUnderTest
let healthy: HealthyConnection
let random: Random

describe(`garbage on the Kafka port (LONGHAUL_TEST_SEED=${SEED})`, () => {
  before(async () => {
    random = seededRandom(SEED)
    broker = await brokerUnderTest()
    healthy = await HealthyConnection.open(broker)
  })
  after(async () => {
    healthy?.close()
    await broker?.stop()
  })

  it('random bytes end their connection', TEST, async () => {
    for (let round = 0; round < 50; round++) {
      const connection = await RawConnection.open(broker)
      connection.write(random.bytes(1 + random.int(64 * 1024)))
      connection.socket.end()
      await within(`the end of connection ${round}`, connection.ended, CLOSE_MS)
    }
    await healthy.works()
  })

  it('random bytes in a frame of the right length end their connection', TEST, async () => {
    for (let round = 0; round < 100; round++) {
      const body = random.bytes(8 + random.int(4096))
      // No API has a key above 32 000: whatever follows, this is no request.
      body.writeInt16BE(32_000 + random.int(700), 0)
      await endsConnection(framed(body), `random frame ${round}`)
    }
    await healthy.works()
  })

  for (const [name, length] of [
    ['-1', -1],
    ['the smallest int32', -0x8000_0000],
    ['0', 0],
    ['one byte more than 100 MiB', FRAME_BYTES_MAX + 1],
    ['2 GiB less one', 0x7fff_ffff]
  ] as const) {
    it(`a frame length of ${name} ends its connection at once`, TEST, async () => {
      const bytes = Buffer.alloc(64)
      bytes.writeInt32BE(length, 0)
      await endsConnection(bytes, `a length of ${length}`)
      await healthy.works()
    })
  }

  it('a request cut off at any byte, in a frame of matching length, ends its connection', TEST, async () => {
    for (const request of sampleRequests()) {
      const body = request.subarray(4)
      for (let length = 1; length < body.length; length += 1 + random.int(7)) {
        await endsConnection(framed(body.subarray(0, length)), `${length} of ${body.length} bytes`)
      }
    }
    await healthy.works()
  })

  it('a frame whose sender stops and closes leaves nothing behind', TEST, async () => {
    for (const request of sampleRequests()) {
      const connection = await RawConnection.open(broker)
      connection.write(request.subarray(0, 1 + random.int(request.length - 1)))
      connection.socket.end()
      await within('the end of the connection', connection.ended, CLOSE_MS)
    }
    await healthy.works()
  })

  it('an unknown API key ends its connection', TEST, async () => {
    for (const apiKey of [-1, -32768, 4242, 32767]) await endsConnection(header(apiKey, 0), `API key ${apiKey}`)
    await healthy.works()
  })

  it('a version that an API does not have ends its connection', TEST, async () => {
    for (const { request } of Object.values(apis)) {
      if (request.apiKey === apis.apiVersions.request.apiKey) continue
      for (const version of [-1, request.maxVersion + 50, 32767]) {
        await endsConnection(header(request.apiKey, version), `${request.name} version ${version}`)
      }
    }
    await healthy.works()
  })

  it(
    'a version of ApiVersions from the future is answered with UNSUPPORTED_VERSION in the layout of version 0',
    TEST,
    async () => {
      for (const version of [5, 99, 32767]) {
        const connection = await RawConnection.open(broker)
        connection.write(header(18, version))
        const reader = new Reader(await connection.nextFrame(CLOSE_MS))
        assert.equal(reader.int32(), 7, 'correlation id')
        const response = ApiVersionsResponse.decode(reader, 0)
        assert.equal(reader.remaining, 0)
        assert.equal(response.errorCode, 35)
        assert.ok(response.apiKeys.some(({ apiKey, maxVersion }) => apiKey === 18 && maxVersion >= 3))
        // The connection is as good as new: the client asks again with a version it was told.
        const again = await connection.send(apis.apiVersions, 3, {
          clientSoftwareName: 'test',
          clientSoftwareVersion: '1'
        })
        assert.equal(again.errorCode, 0)
        connection.close()
      }
    }
  )

  it('requests with flipped bits are answered or end their connection', TEST, async () => {
    for (let round = 0; round < 300; round++) {
      const samples = sampleRequests()
      const request = Buffer.from(samples[random.int(samples.length)] ?? [])
      for (let flips = 1 + random.int(3); flips > 0; flips--) {
        const at = 4 + random.int(request.length - 4)
        request.writeUInt8(request.readUInt8(at) ^ (1 << random.int(8)), at)
      }
      const connection = await RawConnection.open(broker)
      connection.write(request)
      // Neither may come: a flipped waiting time asks the broker to wait.
      await Promise.race([connection.nextFrame(CLOSE_MS).catch(() => {}), connection.ended, pause(50)])
      connection.close()
    }
    await healthy.works()
  })

  it('a hundred connections that send a byte at a time do not hold up the others', TEST, async () => {
    const [request = Buffer.alloc(0)] = sampleRequests()
    const slow = await Promise.all(Array.from({ length: 100 }, () => RawConnection.open(broker)))
    for (const byte of request.subarray(0, 40)) {
      for (const connection of slow) connection.write(Buffer.of(byte))
      await healthy.works(2000)
    }
    assert.ok(slow.every((connection) => !connection.over))
    for (const connection of slow) connection.close()
  })
})

describe(`memory under garbage (LONGHAUL_TEST_SEED=${SEED})`, { skip: skipMemory() }, () => {
  before(async () => {
    broker = await brokerUnderTest()
    healthy = await HealthyConnection.open(broker)
    for (let i = 0; i < 200; i++) await healthy.works()
  })
  after(async () => {
    healthy?.close()
    await broker?.stop()
  })

  it('announcing 20 GB in half-open frames costs nothing', TEST, async () => {
    await staysWithin(64 * MIB, async () => {
      const open = await Promise.all(Array.from({ length: 200 }, () => RawConnection.open(broker)))
      for (const connection of open) connection.write(Buffer.concat([int32(FRAME_BYTES_MAX), Buffer.alloc(1024)]))
      await pause(500)
      await healthy.works()
      return open
    })
  })

  it('unfinished frames of many connections are held within a bound', TEST, async () => {
    await staysWithin(320 * MIB, async () => {
      const open = await Promise.all(Array.from({ length: 16 }, () => RawConnection.open(broker)))
      const chunk = Buffer.alloc(MIB)
      for (const connection of open) connection.write(int32(FRAME_BYTES_MAX))
      // 960 MiB in all, as far as the broker takes them.
      for (let sent = 0; sent < 60; sent++) {
        for (const connection of open) if (connection.socket.writableLength < 4 * MIB) connection.write(chunk)
        await pause(20)
      }
      await healthy.works()
      return open
    })
  })

  it('a client that never reads its answers is read no further', TEST, async () => {
    await staysWithin(128 * MIB, async () => {
      const connection = await RawConnection.open(broker)
      connection.socket.pause()
      const request = encodeRequest(apis.metadata, 12, { topics: null, includeTopicAuthorizedOperations: false }, 1)
      const requests = Buffer.concat(Array.from({ length: 2000 }, () => request))
      for (let i = 0; i < 100 && connection.socket.writableLength < 8 * MIB; i++) {
        connection.write(requests)
        await pause(10)
      }
      await healthy.works()
      return [connection]
    })
  })

  it('ten thousand bad connections leave nothing behind', TEST, async () => {
    await staysWithin(64 * MIB, async () => {
      for (let round = 0; round < 100; round++) {
        const open = await Promise.all(Array.from({ length: 100 }, () => RawConnection.open(broker)))
        for (const connection of open) connection.write(header(4242, 0))
        await within('the end of all', Promise.all(open.map((connection) => connection.ended)), CLOSE_MS)
      }
      await healthy.works()
      return []
    })
  })
})

/** Produces, and asks for metadata, on a connection that has done nothing wrong. */
class HealthyConnection {
  readonly #connection: RawConnection
  readonly #topic: string
  #produced = 0

  private constructor(connection: RawConnection, topic: string) {
    this.#connection = connection
    this.#topic = topic
  }

  static async open(broker: BrokerUnderTest): Promise<HealthyConnection> {
    const connection = await RawConnection.open(broker)
    const topic = unique('healthy')
    const created = await connection.send(apis.createTopics, 7, {
      topics: [{ name: topic, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }]
    })
    assert.equal(created.topics[0]?.errorCode, 0)
    const healthyConnection = new HealthyConnection(connection, topic)
    await eventually('the new topic has a leader', () => healthyConnection.#hasLeader())
    return healthyConnection
  }

  /** Produces one record: it must be acknowledged in time, at the next offset. */
  async works(timeoutMs = CLOSE_MS): Promise<void> {
    const record = { key: null, value: Buffer.from('healthy'), timestamp: Date.now() }
    const partitionData = [{ index: 0, records: [buildBatch([record])] }]
    const topicData = [{ name: this.#topic, partitionData }]
    const response = await this.#connection.send(apis.produce, 9, { acks: -1, timeoutMs, topicData }, timeoutMs)
    const partition = response.responses[0]?.partitionResponses[0]
    assert.equal(partition?.errorCode, 0)
    assert.equal(partition.baseOffset, this.#produced++)
  }

  close(): void {
    this.#connection.close()
  }

  async #hasLeader(): Promise<boolean> {
    const topics = [{ name: this.#topic }]
    const metadata = await this.#connection.send(apis.metadata, 9, { topics, includeTopicAuthorizedOperations: false })
    return metadata.topics[0]?.errorCode === 0 && (metadata.topics[0].partitions[0]?.leaderId ?? -1) >= 0
  }
}

async function endsConnection(bytes: Buffer, what: string): Promise<void> {
  const connection = await RawConnection.open(broker)
  let answered = false
  connection.socket.once('data', () => {
    answered = true
  })
  connection.write(bytes)
  await within(`the end of the connection after ${what}`, connection.ended, CLOSE_MS)
  assert.ok(!answered, `${what} was answered`)
}

/** Runs an attack and compares the broker's memory before, during and after it, once the connections are closed. */
async function staysWithin(growthBytesMax: number, attack: () => Promise<RawConnection[]>): Promise<void> {
  const pid = broker.process?.pid ?? 0
  const before = residentBytes(pid)
  let most = before
  const sampling = setInterval(() => {
    most = Math.max(most, residentBytes(pid))
  }, 50)
  try {
    const open = await attack()
    most = Math.max(most, residentBytes(pid))
    for (const connection of open) connection.close()
  } finally {
    clearInterval(sampling)
  }
  const growth = Math.round((most - before) / MIB)
  assert.ok(growth * MIB <= growthBytesMax, `memory grew by ${growth} MiB over ${Math.round(before / MIB)} MiB`)
}

function skipMemory(): string | false {
  if (process.env.LONGHAUL_TEST_BOOTSTRAP !== undefined) return 'measures the process of our own broker only'
  return process.platform === 'win32' ? 'needs /proc or ps' : false
}

function framed(body: Buffer): Buffer {
  return Buffer.concat([int32(body.length), body])
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** A request header with correlation id 7, no client id, and an empty section of tags that old versions ignore. */
function header(apiKey: number, version: number): Buffer {
  const body = Buffer.alloc(11)
  body.writeInt16BE(apiKey, 0)
  body.writeInt16BE(version, 2)
  body.writeInt32BE(7, 4)
  body.writeInt16BE(-1, 8)
  return framed(body)
}

function sampleRequests(): Buffer[] {
  const record = { key: Buffer.from('k'), value: Buffer.from('v'), timestamp: 1 }
  const topicData = [{ name: 'garbage', partitionData: [{ index: 0, records: [buildBatch([record])] }] }]
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }]
  const fetch = { maxWaitMs: 0, minBytes: 0, sessionId: 0, topics: [{ topic: 'garbage', partitions }] }
  const protocols = [{ name: 'range', metadata: Buffer.alloc(8) }]
  const join = { groupId: 'garbage', sessionTimeoutMs: 10_000, memberId: '', protocolType: 'consumer', protocols }
  const commit = { partitionIndex: 0, committedOffset: 1, committedMetadata: null }
  const commits = { groupId: 'garbage', topics: [{ name: 'garbage', partitions: [commit] }] }
  return [
    encodeRequest(apis.metadata, 12, { topics: [{ name: 'garbage' }], includeTopicAuthorizedOperations: false }, 7),
    encodeRequest(apis.produce, 9, { acks: -1, timeoutMs: 1000, topicData }, 7),
    encodeRequest(apis.produce, 3, { acks: -1, timeoutMs: 1000, topicData }, 7),
    encodeRequest(apis.fetch, 12, { ...fetch, forgottenTopicsData: [], rackId: '' }, 7),
    encodeRequest(apis.fetch, 4, { ...fetch, forgottenTopicsData: [], rackId: '' }, 7),
    encodeRequest(apis.joinGroup, 9, join, 7),
    encodeRequest(apis.offsetCommit, 8, commits, 7),
    encodeRequest(apis.initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 1000 }, 7)
  ]
}
