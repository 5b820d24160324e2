/**
 * What every Kafka client must be able to do with a broker, written once and run over each client through an adapter:
 * topics, every codec, reading from the beginning and from an offset, idempotent produce, and the life of a group.
 *
 * Every topic and group has a random name, so that suites may share one broker. Every wait has a time limit.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { compressionCodec } from '../../src/wire/records/batch-header.ts'
import { type Codec, codecById } from '../../src/wire/records/compression.ts'
import { readBatches } from '../../src/wire/records/records.ts'
import { apis } from '../faults/apis.ts'
import { RawConnection } from '../faults/raw-client.ts'
import { eventually, pause, unique } from './waiting.ts'

const CODECS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

export interface SentRecord {
  readonly key: string
  readonly value: string
}

export interface ReadRecord extends SentRecord {
  readonly offset: number
  readonly headers: Readonly<Record<string, string>>
}

export interface ProduceOptions {
  readonly codec?: Codec
  readonly idempotent?: boolean
  /** Put on every record. */
  readonly headers?: Readonly<Record<string, string>>
}

/** A consumer that takes part in a group and stays until told to go. */
export interface Member {
  /** The partitions it owns now, in order. */
  partitions(): number[]
  /** How many assignments it was given so far. */
  assignments(): number
  /** Says goodbye to the group and ends. */
  leave(): Promise<void>
  /** Ends without a word, as in a crash; only where the client can. */
  readonly vanish?: () => Promise<void>
}

/** One client library, with one broker behind it. All methods reject when the broker answers with an error. */
export interface Client {
  /** Those it can write and read on this machine. */
  readonly codecs: readonly Codec[]
  createTopic(topic: string, partitions: number): Promise<void>
  partitionCount(topic: string): Promise<number>
  /** To partition 0; resolves when acknowledged by all replicas. */
  produce(topic: string, records: readonly SentRecord[], options?: ProduceOptions): Promise<void>
  /** Exactly `count` records of partition 0 from an offset on. */
  read(topic: string, from: number | 'beginning', count: number): Promise<ReadRecord[]>
  /** Joins, reads `count` records (from the beginning where nothing is committed), commits after the last, leaves. */
  readInGroup(group: string, topic: string, count: number): Promise<ReadRecord[]>
  join(group: string, topic: string, instanceId?: string): Promise<Member>
  close(): Promise<void>
}

const TEST = { timeout: 90_000 }
const PARTITIONS = 4
const FETCH_BYTES_MAX = 4 * 1024 * 1024

/** What a client does not have, each with the reason. */
export interface Gaps {
  /** Topics it creates with one partition get as many as the broker likes. */
  readonly partitions?: string
  readonly staticMembership?: string
}

/** `bootstrap` is where the client that `connect` gives is connected to. */
export function clientContract(name: string, bootstrap: string, connect: () => Promise<Client>, gaps: Gaps = {}): void {
  describe(name, () => {
    let client: Client
    const members: Member[] = []
    const join = async (group: string, topic: string, instanceId?: string): Promise<Member> => {
      const member = await client.join(group, topic, instanceId)
      members.push(member)
      return member
    }
    before(async () => {
      client = await connect()
    })
    after(async () => {
      await Promise.allSettled(members.map((member) => member.leave()))
      await client?.close()
    })

    it('creates a topic and sees its partitions', TEST, async () => {
      const topic = unique('topic')
      await client.createTopic(topic, gaps.partitions === undefined ? 3 : 1)
      const expected = (count: number): boolean => (gaps.partitions === undefined ? count === 3 : count > 0)
      await eventually('the topic has its partitions', async () => expected(await client.partitionCount(topic)))
    })

    for (const codec of CODECS) {
      it(`produces with ${codec} and reads the same records from the beginning and from an offset`, TEST, async (t) => {
        if (!client.codecs.includes(codec)) return t.skip(`the client has no ${codec} on this version of Node.js`)
        await roundTrip(client, bootstrap, codec)
      })
    }

    it('produces idempotently', TEST, async () => {
      const topic = unique('idempotent')
      await client.createTopic(topic, 1)
      const sent = records(20)
      await client.produce(topic, sent.slice(0, 10), { idempotent: true })
      await client.produce(topic, sent.slice(10), { idempotent: true })
      assert.deepEqual(withoutPlace(await client.read(topic, 'beginning', 20)), sent)
    })

    it('commits what a group has read and resumes after it', TEST, async () => {
      const topic = unique('resume')
      const group = unique('group')
      await client.createTopic(topic, 1)
      await client.produce(topic, records(10))
      assert.deepEqual(offsets(await client.readInGroup(group, topic, 4)), [0, 1, 2, 3])
      assert.deepEqual(offsets(await client.readInGroup(group, topic, 6)), [4, 5, 6, 7, 8, 9])
    })

    it('shares a topic with a second member that joins, and takes over when it leaves', TEST, async () => {
      const topic = unique('shared')
      const group = unique('group')
      await client.createTopic(topic, PARTITIONS)
      const first = await join(group, topic)
      await eventually('the first member owns everything', () => first.partitions().length === PARTITIONS)
      const second = await join(group, topic)
      await eventually('both members own half', () => shared(first, second))
      await second.leave()
      await eventually('the first member owns everything again', () => first.partitions().length === PARTITIONS)
      await first.leave()
    })

    it('gives a static member that comes back its partitions, without a rebalance of the others', TEST, async (t) => {
      if (gaps.staticMembership !== undefined) return t.skip(gaps.staticMembership)
      const topic = unique('static')
      const group = unique('group')
      await client.createTopic(topic, PARTITIONS)
      const steady = await join(group, topic, 'steady')
      const first = await join(group, topic, 'returning')
      await eventually('both members own half', () => shared(steady, first))
      const owned = first.partitions()
      const assignments = steady.assignments()
      await first.vanish?.()
      const second = await join(group, topic, 'returning')
      await eventually('the member that came back owns what it had', () => same(second.partitions(), owned))
      // A rebalance would reach the steady member with one of its next heartbeats.
      await pause(4000)
      assert.equal(steady.assignments(), assignments, 'the steady member was rebalanced')
      assert.ok(shared(steady, second), 'the members do not share the partitions')
    })
  })
}

async function roundTrip(client: Client, bootstrap: string, codec: Codec): Promise<void> {
  const topic = unique(codec)
  await client.createTopic(topic, 1)
  const sent = records(50)
  await client.produce(topic, sent, { codec, headers: { origin: 'conformance' } })
  assert.deepEqual(await storedCodecs(bootstrap, topic), [codec], 'the batches are stored as the client packed them')
  const all = await client.read(topic, 'beginning', sent.length)
  assert.deepEqual(withoutPlace(all), sent)
  assert.deepEqual(
    offsets(all),
    sent.map((_, index) => index)
  )
  for (const record of all) assert.deepEqual(record.headers, { origin: 'conformance' })
  const tail = await client.read(topic, 37, 13)
  assert.deepEqual(withoutPlace(tail), sent.slice(37))
  assert.equal(tail[0]?.offset, 37)
}

/** The codecs that the batches of partition 0 name. */
async function storedCodecs(bootstrap: string, topic: string): Promise<Codec[]> {
  const [host = '', port] = bootstrap.split(':')
  const connection = await RawConnection.open({ host, port: Number(port) })
  try {
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: FETCH_BYTES_MAX }]
    const request = { maxWaitMs: 1000, minBytes: 1, topics: [{ topic, partitions }], forgottenTopicsData: [] }
    const response = await connection.send(apis.fetch, 12, request)
    const bytes = Buffer.concat(response.responses[0]?.partitions[0]?.records ?? [])
    return [...new Set([...readBatches(bytes)].map(({ header }) => codecById(compressionCodec(header))))]
  } finally {
    connection.close()
  }
}

/** Compressible, with multi-byte characters, and larger together than one block of any codec. */
function records(count: number): SentRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    key: `vehicle-${index % 7}`,
    value: JSON.stringify({
      index,
      place: 'Zürich 東京',
      speeds: Array.from({ length: 300 }, (_, i) => (i * index) % 90)
    })
  }))
}

function withoutPlace(read: readonly ReadRecord[]): SentRecord[] {
  return read.map(({ key, value }) => ({ key, value }))
}

function offsets(read: readonly ReadRecord[]): number[] {
  return read.map((record) => record.offset)
}

/** Two members own all partitions together, half each, none twice. */
function shared(first: Member, second: Member): boolean {
  const all = [...first.partitions(), ...second.partitions()].sort((a, b) => a - b)
  const half = PARTITIONS / 2
  return (
    same(all, [...Array(PARTITIONS).keys()]) &&
    first.partitions().length === half &&
    second.partitions().length === half
  )
}

function same(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((value, index) => value === right[index])
}
