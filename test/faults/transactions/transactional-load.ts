/**
 * What runs while brokers are killed: sources that write to `input` in transactions, workers that read committed input
 * and write each record to two partitions of `output` together with their position, and sleepers that outlast their
 * transaction's timeout. All of them die at random in the middle, and some come back as zombies.
 */
import type { Random } from '../../../src/runtime/random.ts'
import { pause } from '../../conformance/waiting.ts'
import { CommittedReader } from './committed-reader.ts'
import type { TransactionLedger } from './transaction-ledger.ts'
import { whatOf } from './transaction-ledger.ts'
import { Killed, Refused, TransactionalClient, type TransactionVersion } from './transactional-client.ts'

export const INPUT = 'input'
export const OUTPUT = 'output'
export const PARTITIONS = 8
export const GROUP = 'workers'

/** Of a hundred transactions. */
const ABORTED = 8
const DIES_BEFORE_END = 3
const DIES_WHILE_ENDING = 3
const BECOMES_ZOMBIE = 2

const TIMEOUT_MS = 60_000
const SLEEPER_TIMEOUT_MS = 1_000
const IDLE_MS = 5

export interface LoadParts {
  readonly address: { readonly host: string; readonly port: number }
  readonly ledger: TransactionLedger
  readonly random: Random
  readonly version: TransactionVersion
  readonly name: string
}

/** What a transactional process does with its next transaction, given a client that is initialised. */
type Transact = (client: TransactionalClient, attempt: number) => Promise<'done' | 'idle'>

/** The two partitions of `output` that an input record goes to. */
export function outputsOf(what: string): readonly [number, number] {
  let hash = 0
  for (let at = 0; at < what.length; at++) hash = (Math.imul(hash, 31) + what.charCodeAt(at)) >>> 0
  return [hash % PARTITIONS, (hash + 1 + (hash % (PARTITIONS - 1))) % PARTITIONS]
}

/** Runs one transactional id: transaction after transaction, life after life. */
class TransactionalProcess {
  readonly #parts: LoadParts
  readonly #transactionTimeoutMs: number
  zombiesRefused = 0

  constructor(parts: LoadParts, transactionTimeoutMs = TIMEOUT_MS) {
    this.#parts = parts
    this.#transactionTimeoutMs = transactionTimeoutMs
  }

  /** `begun` is called at the start of each life, and after each transaction that was undone. */
  async run(stop: AbortSignal, begun: () => Promise<void>, transact: Transact): Promise<void> {
    let zombie: (() => Promise<void>) | undefined
    while (!stop.aborted) {
      const client = this.client()
      try {
        await client.init()
        await zombie?.()
        zombie = undefined
        await begun()
        while (!stop.aborted && zombie === undefined) zombie = await this.#transaction(client, begun, transact)
      } catch (error) {
        if (!(error instanceof Killed || error instanceof Refused)) throw error
      }
      if (zombie === undefined) client.kill()
    }
  }

  client(): TransactionalClient {
    const { address, name, version } = this.#parts
    const transactionTimeoutMs = this.#transactionTimeoutMs
    return new TransactionalClient({ address, transactionalId: name, version, transactionTimeoutMs })
  }

  /** Returns what the producer does when it wakes up as a zombie, if it becomes one. */
  async #transaction(
    client: TransactionalClient,
    begun: () => Promise<void>,
    transact: Transact
  ): Promise<(() => Promise<void>) | undefined> {
    const { ledger, random } = this.#parts
    const attempt = ledger.begin()
    const dice = random.int(100)
    try {
      if ((await transact(client, attempt)) === 'idle') {
        await pause(IDLE_MS)
        return undefined
      }
      if (dice < DIES_BEFORE_END) throw new Killed('before the end')
    } catch (error) {
      ledger.note(attempt, 'aborted')
      throw error
    }
    if (dice < DIES_BEFORE_END + BECOMES_ZOMBIE) {
      ledger.note(attempt, 'aborted')
      return () => this.#wake(client)
    }
    const committed = random.int(100) >= ABORTED
    ledger.note(attempt, committed ? 'committing' : 'aborted')
    const ending = client.end(committed)
    if (dice >= 100 - DIES_WHILE_ENDING) {
      ending.catch(() => undefined)
      await pause(random.int(8))
      client.kill()
    }
    await ending.catch((error: unknown) => {
      // Refused for good, it was not and will not be committed.
      if (error instanceof Refused && !this.#isUnknown(error)) ledger.note(attempt, 'aborted')
      throw error
    })
    if (committed) ledger.note(attempt, 'committed')
    else await begun()
    return undefined
  }

  /** A producer that gave up waiting knows nothing. */
  #isUnknown({ message }: Refused): boolean {
    return message.endsWith('NETWORK_EXCEPTION')
  }

  /** Somebody else has the transactional id by now. */
  async #wake(zombie: TransactionalClient): Promise<void> {
    for (const act of [() => zombie.produce(INPUT, 0, ['zombie -1']), () => zombie.end(true)]) {
      const refused = await act().then(
        () => false,
        (error: unknown) => error instanceof Refused
      )
      if (refused) this.zombiesRefused++
      else this.#parts.ledger.violate(`zombie ${zombie.producer} was not refused`)
    }
    zombie.kill()
  }
}

export class Source {
  readonly #parts: LoadParts
  readonly #process: TransactionalProcess
  #records = 0

  constructor(parts: LoadParts) {
    this.#parts = parts
    this.#process = new TransactionalProcess(parts)
  }

  get zombiesRefused(): number {
    return this.#process.zombiesRefused
  }

  /** `isAhead`: enough input waits already. */
  run(stop: AbortSignal, isAhead: () => boolean): Promise<void> {
    const { random, name, ledger } = this.#parts
    return this.#process.run(
      stop,
      async () => undefined,
      async (client, attempt) => {
        if (isAhead()) return 'idle'
        for (let batches = 1 + random.int(3); batches > 0; batches--) {
          const partition = random.int(PARTITIONS)
          const values = Array.from({ length: 1 + random.int(8) }, () => {
            return ledger.write(attempt, { topic: INPUT, partition, what: `${name}.${this.#records++}` })
          })
          await client.produce(INPUT, partition, values)
        }
        return 'done'
      }
    )
  }
}

/** Reads its partitions of `input`, and hands each record on exactly once. */
export class Worker {
  readonly #parts: LoadParts
  readonly #partitions: readonly number[]
  readonly #reader: CommittedReader
  readonly #process: TransactionalProcess
  readonly #positions = new Map<number, number>()
  processed = 0

  constructor(parts: LoadParts, partitions: readonly number[]) {
    this.#parts = parts
    this.#partitions = partitions
    this.#reader = new CommittedReader(parts.address)
    this.#process = new TransactionalProcess(parts)
  }

  get zombiesRefused(): number {
    return this.#process.zombiesRefused
  }

  async run(stop: AbortSignal): Promise<void> {
    try {
      await this.#process.run(
        stop,
        () => this.#findPositions(stop),
        (client, attempt) => this.#transact(client, attempt)
      )
    } finally {
      this.#reader.close()
    }
  }

  async #findPositions(stop: AbortSignal): Promise<void> {
    for (const partition of this.#partitions) {
      let offset: number | undefined
      while (offset === undefined && !stop.aborted) {
        offset = await this.#reader.groupOffset(GROUP, INPUT, partition)
        if (offset === undefined) await pause(IDLE_MS)
      }
      this.#positions.set(partition, offset ?? 0)
    }
  }

  async #transact(client: TransactionalClient, attempt: number): Promise<'done' | 'idle'> {
    const { random } = this.#parts
    const partition = this.#partitions[random.int(this.#partitions.length)] ?? 0
    const position = this.#positions.get(partition) ?? 0
    const read = await this.#reader.read(INPUT, partition, position, { bytesMax: 2048 })
    const records = read?.records.slice(0, 1 + random.int(4)) ?? []
    const last = records.at(-1)
    if (last === undefined) {
      // Aborted records and markers are passed over, in memory only.
      this.#positions.set(partition, Math.max(position, read?.nextOffset ?? 0))
      return 'idle'
    }
    for (const [outputPartition, values] of this.#outputs(
      attempt,
      records.map(({ value }) => whatOf(value))
    )) {
      await client.produce(OUTPUT, outputPartition, values)
    }
    await client.commitOffsets(GROUP, INPUT, new Map([[partition, last.offset + 1]]))
    this.#positions.set(partition, last.offset + 1)
    this.processed += records.length
    return 'done'
  }

  /** Both copies of each record, by partition. */
  #outputs(attempt: number, whats: readonly string[]): ReadonlyMap<number, string[]> {
    const byPartition = new Map<number, string[]>()
    for (const what of whats) {
      for (const partition of outputsOf(what)) {
        const values = byPartition.get(partition) ?? []
        values.push(this.#parts.ledger.write(attempt, { topic: OUTPUT, partition, what }))
        byPartition.set(partition, values)
      }
    }
    return byPartition
  }
}

/** Begins transactions, and comes back to them when they may have timed out long ago. */
export class Sleeper {
  readonly #parts: LoadParts
  readonly #process: TransactionalProcess
  #records = 0

  constructor(parts: LoadParts) {
    this.#parts = parts
    this.#process = new TransactionalProcess(parts, SLEEPER_TIMEOUT_MS)
  }

  run(stop: AbortSignal): Promise<void> {
    const { ledger, random, name } = this.#parts
    return this.#process.run(
      stop,
      async () => undefined,
      async (client, attempt) => {
        const partition = random.int(PARTITIONS)
        const value = ledger.write(attempt, { topic: INPUT, partition, what: `${name}.${this.#records++}` })
        await client.produce(INPUT, partition, [value])
        const wakeAt = Date.now() + random.int(2 * SLEEPER_TIMEOUT_MS)
        while (Date.now() < wakeAt && !stop.aborted) await pause(50)
        return 'done'
      }
    )
  }
}
