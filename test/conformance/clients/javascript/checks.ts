/** Runs the checks of one client library in this process; each is a feature that works, fails, or is not offered. */
import assert from 'node:assert/strict'
import type { Client, Gaps } from '../../client-contract.ts'
import type { Finding } from '../../compatibility.ts'
import { eventually, unique, within } from '../../waiting.ts'

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const CHECK_MS = 90_000

/** What a client does not have; the message says what it lacks. */
export class NotOffered extends Error {}

export type Checks = Readonly<Record<string, () => Promise<void>>>

export async function runChecks(client: string, version: string, checks: Checks): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const [feature, check] of Object.entries(checks)) {
    const finding = await within(feature, check(), CHECK_MS).then(
      () => ({ result: 'works', detail: '' }) as const,
      (error: unknown) => {
        const result = error instanceof NotOffered ? 'not offered' : 'fails'
        return { result, detail: error instanceof Error ? error.message : String(error) } as const
      }
    )
    findings.push({ client, version, feature, ...finding })
  }
  return findings
}

/** The checks that the adapters of the client contract make possible. */
export function contractChecks(client: Client, gaps: Gaps = {}): Checks {
  const codec = (name: (typeof CODECS)[number]) => async () => {
    if (!client.codecs.includes(name)) throw new NotOffered(`no ${name} on this version of Node.js`)
    await roundTrip(client, { codec: name, headers: { origin: 'conformance' } })
  }
  return {
    topics: async () => {
      const topic = unique('topics')
      await client.createTopic(topic, 3)
      await eventually('it has its partitions', async () => (await client.partitionCount(topic)) === 3)
    },
    ...Object.fromEntries(CODECS.map((name) => [`codec ${name}`, codec(name)])),
    'idempotent producer': () => roundTrip(client, { idempotent: true }),
    'classic group': async () => {
      await resume(client)
      await shared(client)
    },
    'static membership': async () => {
      if (gaps.staticMembership !== undefined) throw new NotOffered(gaps.staticMembership)
      await comeBack(client)
    }
  }
}

async function roundTrip(client: Client, options: Parameters<Client['produce']>[2]): Promise<void> {
  const topic = unique('trip')
  await client.createTopic(topic, 1)
  const sent = Array.from({ length: 50 }, (_, i) => ({ key: `${i % 7}`, value: `${i} ${'x'.repeat((i * 37) % 900)}` }))
  await client.produce(topic, sent, options)
  const found = await client.read(topic, 'beginning', sent.length)
  assert.deepEqual(
    found.map(({ key, value }) => ({ key, value })),
    sent
  )
  if (options?.headers !== undefined) assert.deepEqual({ ...found[7]?.headers }, options.headers)
}

async function resume(client: Client): Promise<void> {
  const [topic, group] = [unique('resume'), unique('group')]
  await client.createTopic(topic, 1)
  await client.produce(
    topic,
    Array.from({ length: 10 }, (_, i) => ({ key: '', value: `${i}` }))
  )
  const offsets = async (count: number) => (await client.readInGroup(group, topic, count)).map(({ offset }) => offset)
  assert.deepEqual(await offsets(4), [0, 1, 2, 3])
  assert.deepEqual(await offsets(6), [4, 5, 6, 7, 8, 9])
}

async function shared(client: Client): Promise<void> {
  const [topic, group] = [unique('shared'), unique('group')]
  await client.createTopic(topic, 4)
  const first = await client.join(group, topic)
  try {
    await eventually('the first owns all', () => first.partitions().length === 4)
    const second = await client.join(group, topic)
    await eventually('both own half', () => first.partitions().length === 2 && second.partitions().length === 2)
    await second.leave()
    await eventually('the first owns all again', () => first.partitions().length === 4)
  } finally {
    await first.leave()
  }
}

async function comeBack(client: Client): Promise<void> {
  const [topic, group] = [unique('static'), unique('group')]
  await client.createTopic(topic, 2)
  const first = await client.join(group, topic, 'one')
  await eventually('it owns both', () => first.partitions().length === 2)
  await first.vanish?.()
  const again = await client.join(group, topic, 'one')
  await eventually('the one that came back owns both', () => again.partitions().length === 2)
  await again.leave()
}
