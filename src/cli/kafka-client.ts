/**
 * How commands reach a broker: any broker that speaks the Kafka protocol. Failures of the client library become
 * Faults here, with the advice that a person at a terminal needs; no other file looks into its errors.
 */
import { connect } from 'node:net'
import type { Admin, Consumer, Producer } from '@platformatic/kafka'
import { Option } from 'commander'
import { Fault, type FaultKind } from '../runtime/fault.ts'
import { murmur2 } from '../wire/records/murmur2.ts'

export const defaultBootstrap = '127.0.0.1:9092'
const connectTimeoutMs = 5_000

export const bootstrapOption = (): Option =>
  new Option('-b, --bootstrap <host:port,…>', 'broker to ask first').env('LONGHAUL_BOOTSTRAP').default(defaultBootstrap)

type Address = { host: string; port: number }

const clientOptions = (brokers: Address[]) => ({
  clientId: 'longhaul-cli',
  bootstrapBrokers: brokers,
  connectTimeout: connectTimeoutMs,
  retries: 5,
  retryDelay: 200
})

type ClientLibrary = typeof import('@platformatic/kafka')

export function withAdmin<T>(bootstrap: string, use: (admin: Admin) => Promise<T>): Promise<T> {
  return withClient(bootstrap, ({ Admin }, brokers) => new Admin(clientOptions(brokers)), use)
}

/**
 * A producer whose retries cannot store a record twice. A key goes to the partition that Kafka's own clients choose for
 * it, which is not what the library does by itself; records without key go round.
 */
export function withProducer<T>(bootstrap: string, use: (producer: Producer) => Promise<T>): Promise<T> {
  let turn = 0
  const partitioner = (_: unknown, key?: Buffer): number => (key === undefined ? turn++ : murmur2(key) & 0x7fff_ffff)
  const options = { autocreateTopics: true, idempotent: true, acks: -1, partitioner }
  return withClient(bootstrap, ({ Producer }, brokers) => new Producer({ ...clientOptions(brokers), ...options }), use)
}

export function withConsumer<T>(
  bootstrap: string,
  groupId: string,
  use: (consumer: Consumer) => Promise<T>
): Promise<T> {
  return withClient(bootstrap, ({ Consumer }, brokers) => new Consumer({ ...clientOptions(brokers), groupId }), use)
}

async function withClient<C extends { close: () => Promise<void> }, T>(
  bootstrap: string,
  create: (library: ClientLibrary, brokers: Address[]) => C,
  use: (client: C) => Promise<T>
): Promise<T> {
  const brokers = parseBrokers(bootstrap)
  await requireListener(brokers)
  // Loaded only here: it takes longer to load than everything else, and `start` and `device` do not need it.
  const client = create(await import('@platformatic/kafka'), brokers)
  try {
    return await use(client)
  } catch (error) {
    throw kafkaFault(error, bootstrap)
  } finally {
    await client.close()
  }
}

function parseBrokers(bootstrap: string): Address[] {
  return bootstrap.split(',').map((text) => {
    const match = /^(?:\[([0-9a-fA-F:]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/.exec(text.trim())
    const port = Number(match?.[3] ?? 9092)
    if (match === null || port < 1 || port > 65535) {
      throw new Fault('invalid', `--bootstrap ${text} is not host:port, such as ${defaultBootstrap}`)
    }
    return { host: match[1] ?? match[2] ?? '', port }
  })
}

/** Fault `unavailable` at once when no broker of the list can be reached; a client would retry for seconds. */
export async function requireBroker(bootstrap: string): Promise<void> {
  await requireListener(parseBrokers(bootstrap))
}

async function requireListener(brokers: readonly Address[]): Promise<void> {
  const failures: string[] = []
  for (const broker of brokers) {
    const failure = await tryConnect(broker)
    if (failure === undefined) return
    failures.push(failure)
  }
  throw new Fault(
    'unavailable',
    `${failures.join('; ')}: start a node with \`npm start\`, or name a running one with --bootstrap host:port`
  )
}

function tryConnect({ host, port }: Address): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: connectTimeoutMs })
    const finish = (failure?: string) => {
      socket.destroy()
      resolve(failure)
    }
    socket.once('connect', () => finish())
    socket.once('timeout', () => finish(`${host}:${port} does not answer`))
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const refused = error.code === 'ECONNREFUSED'
      finish(refused ? `nothing listens on ${host}:${port}` : `${host}:${port} cannot be reached (${error.code})`)
    })
  })
}

const kindOfCode: Readonly<Record<string, FaultKind>> = {
  TOPIC_ALREADY_EXISTS: 'conflict',
  UNKNOWN_TOPIC_OR_PARTITION: 'missing',
  UNKNOWN_TOPIC_ID: 'missing',
  GROUP_ID_NOT_FOUND: 'missing',
  NON_EMPTY_GROUP: 'conflict'
}

/** Fault for an error of the client library; anything else comes back as it is, a bug of ours. */
export function kafkaFault(error: unknown, bootstrap: string): unknown {
  const chain = [...unfold(error)]
  if (!chain.some(({ code }) => typeof code === 'string' && code.startsWith('PLT_KFK_'))) return error
  const answer = chain.find(({ apiId }) => typeof apiId === 'string')
  if (answer === undefined) {
    const reason = chain.at(-1)?.message
    const refused = chain.find(({ code }) => typeof code === 'string' && /^PLT_KFK_(USER|UNSUPPORTED)/.test(code))
    if (refused !== undefined) return new Fault('invalid', refused.message, { cause: error })
    return new Fault('unavailable', `no answer from the broker at ${bootstrap}: ${reason}`, { cause: error })
  }
  const code = String(answer.apiId)
  const kind = kindOfCode[code] ?? (answer.canRetry === true ? 'unavailable' : 'invalid')
  const said = answer.serverErrorMessage ?? answer.message
  return new Fault(kind, `the broker at ${bootstrap} answered ${code}: ${said}`, { cause: error })
}

type ClientError = Error & { code?: unknown; apiId?: unknown; canRetry?: unknown; serverErrorMessage?: unknown }

/** An error with everything inside it: the library nests aggregates and causes. */
function* unfold(error: unknown): Generator<ClientError> {
  if (!(error instanceof Error)) return
  yield error
  if (error instanceof AggregateError) for (const inner of error.errors) yield* unfold(inner)
  yield* unfold(error.cause)
}

/** Ids of the topic's partitions, in order; Fault `missing` when there is no such topic. */
export async function partitionsOf(admin: Admin, topic: string): Promise<number[]> {
  const known = await admin.listTopics({ includeInternals: true })
  if (!known.includes(topic)) {
    throw new Fault('missing', `there is no topic ${topic}: create it with \`longhaul topic create ${topic}\``)
  }
  const metadata = await admin.metadata({ topics: [topic], forceUpdate: true })
  return [...(metadata.topics.get(topic)?.partitions.keys() ?? [])]
}

/** First offset (`earliest`) or the one after the last (`latest`) of each partition. */
export async function offsetsOf(
  admin: Admin,
  topic: string,
  partitions: readonly number[],
  end: 'earliest' | 'latest'
): Promise<Map<number, bigint>> {
  const timestamp = end === 'earliest' ? -2n : -1n
  const asked = partitions.map((partitionIndex) => ({ partitionIndex, timestamp }))
  const answer = await admin.listOffsets({ topics: [{ name: topic, partitions: asked }] })
  return new Map(answer.flatMap((one) => one.partitions.map((it) => [it.partitionIndex, it.offset] as const)))
}
