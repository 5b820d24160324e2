/**
 * Adapter of kcat (librdkafka) to the client contract: every operation is a run of the command.
 * kcat creates topics by asking for them, which gives them the broker's default number of partitions; topics with more
 * are created for it through kafkajs.
 */
import type { Client, Member, ProduceOptions, ReadRecord, SentRecord } from './client-contract.ts'
import { kafkaJs } from './kafkajs.ts'
import { PeerProcess, run } from './peer-process.ts'
import { eventually } from './waiting.ts'

export const KCAT = process.env.KCAT ?? 'kcat'
const RUN_MS = 30_000

export async function kcatClient(bootstrap: string): Promise<Client> {
  const kcat = (args: readonly string[], input?: string): Promise<string> =>
    run(KCAT, ['-b', bootstrap, ...args], { timeoutMs: RUN_MS, ...(input === undefined ? {} : { input }) })
  const partitionCount = async (topic: string): Promise<number> => {
    const metadata = JSON.parse(await kcat(['-L', '-J', '-t', topic])) as { topics: { partitions: unknown[] }[] }
    return metadata.topics[0]?.partitions.length ?? 0
  }
  return {
    codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
    partitionCount,
    async createTopic(topic, partitions) {
      if (partitions > 1) return createThroughKafkaJs(bootstrap, topic, partitions)
      await eventually(`${topic} exists`, async () => (await partitionCount(topic)) > 0)
    },
    async produce(topic, records, options) {
      await kcat(['-P', '-t', topic, ...produceFlags(options)], lines(records))
    },
    async read(topic, from, count) {
      const flags = ['-C', '-t', topic, '-p', '0', '-o', String(from), '-c', String(count), '-J', '-q']
      return parse(await kcat(flags))
    },
    async readInGroup(group, topic, count) {
      const flags = ['-X', 'auto.offset.reset=earliest', '-c', String(count), '-J', '-q', '-G', group, topic]
      return parse(await kcat(flags))
    },
    join: async (group, topic, instanceId) => join(bootstrap, group, topic, instanceId),
    close: async () => {}
  }
}

async function createThroughKafkaJs(bootstrap: string, topic: string, numPartitions: number): Promise<void> {
  const admin = kafkaJs(bootstrap).admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions }] })
  await admin.disconnect()
}

function produceFlags({ codec = 'none', idempotent = false, headers = {} }: ProduceOptions = {}): string[] {
  const flags = ['-p', '0', '-K', '\t', '-X', 'acks=all']
  if (codec !== 'none') flags.push('-z', codec)
  if (idempotent) flags.push('-X', 'enable.idempotence=true')
  for (const [key, value] of Object.entries(headers)) flags.push('-H', `${key}=${value}`)
  return flags
}

function lines(records: readonly SentRecord[]): string {
  return records.map(({ key, value }) => `${key}\t${value}\n`).join('')
}

function parse(output: string): ReadRecord[] {
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const record = JSON.parse(line) as { offset: number; key: string; payload: string; headers?: string[] }
      const headers: Record<string, string> = {}
      for (let i = 0; i + 1 < (record.headers?.length ?? 0); i += 2) {
        headers[String(record.headers?.[i])] = String(record.headers?.[i + 1])
      }
      return { offset: record.offset, key: record.key, value: record.payload, headers }
    })
}

/** kcat tells of each rebalance on its standard error: `% Group g rebalanced (memberid …): assigned: t [0], t [1]`. */
function join(bootstrap: string, group: string, topic: string, instanceId: string | undefined): Member {
  const settings = ['auto.offset.reset=earliest', 'session.timeout.ms=10000', 'heartbeat.interval.ms=500']
  if (instanceId !== undefined) settings.push(`group.instance.id=${instanceId}`)
  const flags = settings.flatMap((setting) => ['-X', setting])
  const peer = new PeerProcess(KCAT, ['-b', bootstrap, ...flags, '-G', group, topic])
  const rebalances = (): string[] =>
    [...peer.stderr.matchAll(/rebalanced \([^)]*\): (.*)/g)].map((match) => match[1] ?? '')
  return {
    partitions: () => {
      const last = rebalances().at(-1) ?? ''
      if (!last.startsWith('assigned')) return []
      return [...last.matchAll(/\[(\d+)\]/g)].map((match) => Number(match[1])).sort((a, b) => a - b)
    },
    assignments: () => rebalances().filter((line) => line.startsWith('assigned')).length,
    leave: () => peer.stop(),
    vanish: () => peer.kill()
  }
}
