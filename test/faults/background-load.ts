/**
 * Small steady load beside the producers of a kill run: commits of groups without members, and topics that come and go.
 * Each remembers what was acknowledged and checks it after a restart.
 */
import type { Random } from '../../src/runtime/random.ts'
import { ErrorCode, errorName } from '../../src/wire/error-codes.ts'
import { pause } from '../conformance/waiting.ts'
import { apis } from './apis.ts'
import type { Ledger } from './ledger.ts'
import { RawConnection } from './raw-client.ts'

export interface LoadParts {
  readonly address: { readonly host: string; readonly port: number }
  readonly topic: string
  readonly partitions: number
  readonly random: Random
  readonly ledger: Ledger
}

const PACE_MS = 40
const RECONNECT_MS = 30
const READY_MS = 20_000

const COORDINATOR_NOT_READY: ReadonlySet<number> = new Set([
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NOT_COORDINATOR
])

/** Repeats `step` on a connection that is opened again whenever it is lost. */
async function repeat(parts: LoadParts, stop: AbortSignal, step: (connection: RawConnection) => Promise<void>) {
  while (!stop.aborted) {
    const connection = await RawConnection.open(parts.address, 2000).catch(() => undefined)
    while (connection !== undefined && !connection.over && !stop.aborted) {
      await step(connection).catch(() => connection.close())
      await pause(parts.random.int(PACE_MS))
    }
    connection?.close()
    await pause(RECONNECT_MS)
  }
}

/** Commits rising offsets for one group, as a consumer that assigns its partitions itself does. */
export class OffsetCommitter {
  readonly #parts: LoadParts
  readonly #group: string
  readonly #attempted: number[]
  readonly #acknowledged: number[]
  acknowledged = 0

  constructor(parts: LoadParts, group: string) {
    this.#parts = parts
    this.#group = group
    this.#attempted = Array.from({ length: parts.partitions }, () => -1)
    this.#acknowledged = [...this.#attempted]
  }

  run(stop: AbortSignal): Promise<void> {
    return repeat(this.#parts, stop, (connection) => this.#commit(connection))
  }

  async #commit(connection: RawConnection): Promise<void> {
    const { topic, partitions, random, ledger } = this.#parts
    const partitionIndex = random.int(partitions)
    const committedOffset = (this.#attempted[partitionIndex] ?? 0) + 1 + random.int(5)
    this.#attempted[partitionIndex] = committedOffset
    const commit = { partitionIndex, committedOffset, committedMetadata: '' }
    const request = { groupId: this.#group, topics: [{ name: topic, partitions: [commit] }] }
    const response = await connection.send(apis.offsetCommit, 8, request)
    const errorCode = response.topics[0]?.partitions[0]?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
    if (COORDINATOR_NOT_READY.has(errorCode)) return
    if (errorCode !== ErrorCode.NONE) {
      ledger.violate(`a commit of ${this.#group} was refused: ${errorName(errorCode)}`)
      return
    }
    this.#acknowledged[partitionIndex] = committedOffset
    this.acknowledged++
  }

  async check(connection: RawConnection): Promise<void> {
    // Taken first: the load goes on while the answer is on its way.
    const promised = [...this.#acknowledged]
    const committed = await committedOffsets(connection, this.#group, this.#parts)
    promised.forEach((acknowledged, partition) => {
      const found = committed.get(partition) ?? -1
      const most = this.#attempted[partition] ?? -1
      if (found < acknowledged || found > most) {
        const told = `acknowledged up to ${acknowledged}, asked for up to ${most}`
        this.#parts.ledger.violate(`${this.#group} partition ${partition} is committed at ${found}: ${told}`)
      }
    })
  }
}

/** What the broker holds for a group, by partition; waits while its coordinator is being loaded. */
export async function committedOffsets(
  connection: RawConnection,
  groupId: string,
  { topic, partitions }: { readonly topic: string; readonly partitions: number }
): Promise<Map<number, number>> {
  const deadline = Date.now() + READY_MS
  const topics = [{ name: topic, partitionIndexes: [...Array(partitions).keys()] }]
  for (;;) {
    const response = await connection.send(apis.offsetFetch, 7, { groupId, topics, groups: [], requireStable: false })
    if (!COORDINATOR_NOT_READY.has(response.errorCode)) {
      if (response.errorCode !== 0) throw new Error(`OffsetFetch of ${groupId}: ${errorName(response.errorCode)}`)
      const found = response.topics[0]?.partitions ?? []
      return new Map(found.map(({ partitionIndex, committedOffset }) => [partitionIndex, committedOffset]))
    }
    if (Date.now() > deadline)
      throw new Error(`OffsetFetch of ${groupId}: ${errorName(response.errorCode)} for too long`)
    await pause(50)
  }
}

interface Expected {
  readonly exists: boolean
  readonly partitions: number
}

/** Creates and deletes small topics. */
export class TopicChurn {
  readonly #parts: LoadParts
  /** By name: whether it must exist; topics whose last change was not acknowledged are not in it. */
  readonly #expected = new Map<string, Expected>()
  #created = 0
  acknowledged = 0

  constructor(parts: LoadParts) {
    this.#parts = parts
  }

  run(stop: AbortSignal): Promise<void> {
    return repeat(this.#parts, stop, async (connection) => {
      await (this.#parts.random.float() < 0.6 ? this.#create(connection) : this.#delete(connection))
      await pause(this.#parts.random.int(100))
    })
  }

  async #create(connection: RawConnection): Promise<void> {
    const partitions = 1 + this.#parts.random.int(3)
    const topic = { name: `churn-${this.#created++}`, numPartitions: partitions, replicationFactor: 1 }
    const topics = [{ ...topic, assignments: [], configs: [] }]
    const response = await connection.send(apis.createTopics, 7, { topics })
    const errorCode = response.topics[0]?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
    if (errorCode !== ErrorCode.NONE) throw new Error(errorName(errorCode))
    this.#expected.set(topic.name, { exists: true, partitions })
    this.acknowledged++
  }

  async #delete(connection: RawConnection): Promise<void> {
    const existing = [...this.#expected].filter(([, { exists }]) => exists).map(([name]) => name)
    const name = existing[this.#parts.random.int(existing.length)]
    if (name === undefined) return
    // From here on, until the answer comes, it may exist or not.
    this.#expected.delete(name)
    const response = await connection.send(apis.deleteTopics, 5, { topicNames: [name], topics: [], timeoutMs: 10_000 })
    const errorCode = response.responses[0]?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
    if (errorCode !== ErrorCode.NONE) throw new Error(errorName(errorCode))
    this.#expected.set(name, { exists: false, partitions: 0 })
    this.acknowledged++
  }

  /** `lagMs`: how long after its start the broker may not know of topics yet. */
  async check(connection: RawConnection, lagMs: number): Promise<void> {
    const deadline = Date.now() + lagMs
    const expected = new Map(this.#expected)
    let wrong = await this.#compare(connection, expected)
    while (wrong.length > 0 && Date.now() < deadline) {
      await pause(100)
      wrong = await this.#compare(connection, expected)
    }
    for (const sentence of wrong) this.#parts.ledger.violate(sentence)
  }

  async #compare(connection: RawConnection, expected: ReadonlyMap<string, Expected>): Promise<string[]> {
    const response = await connection.send(apis.metadata, 9, { topics: null, includeTopicAuthorizedOperations: false })
    const found = new Map(response.topics.map(({ name, partitions }) => [name, partitions.length]))
    const wrong: string[] = []
    for (const [name, { exists, partitions }] of expected) {
      // The load goes on: what was to be there may be on its way out by now.
      const stillExpected = this.#expected.get(name)?.exists === true
      if (exists && stillExpected && found.get(name) !== partitions) {
        wrong.push(`${name} was created with ${partitions} partitions and has ${found.get(name) ?? 'none'}`)
      }
      if (!exists && found.has(name)) wrong.push(`${name} was deleted and is there`)
    }
    return wrong
  }
}
