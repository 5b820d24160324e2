/** What a transactional producer does, step by step, at any version of each API; the answers are the caller's to judge. */
import { apis } from '../../faults/apis.ts'
import { eventually } from '../waiting.ts'
import { batchOf, type Fixture, type Peer } from './peer.ts'

const CONCURRENT_TRANSACTIONS = 51
/** From this version of Produce on, a batch enters the transaction by itself (KIP-890). */
const PRODUCE_OF_TRANSACTIONS_V2 = 12
const LAST_EPOCH_FREE_END = 4

export interface Producer {
  readonly transactionalId: string
  readonly producerId: number
  readonly producerEpoch: number
}

export type Change = (producer: Producer) => Producer

export const same: Change = (producer) => producer
export const olderEpoch: Change = (producer) => ({ ...producer, producerEpoch: producer.producerEpoch - 1 })
export const newerEpoch: Change = (producer) => ({ ...producer, producerEpoch: producer.producerEpoch + 5 })
export const otherId: Change = (producer) => ({ ...producer, producerId: producer.producerId + 100_000 })
export const unknownName: Change = (producer) => ({ ...producer, transactionalId: `${producer.transactionalId}-none` })
export const noName: Change = (producer) => ({ ...producer, transactionalId: '' })

/** The ways in which a producer can be the wrong one. */
export const changes = [
  ['an older epoch', olderEpoch],
  ['a newer epoch', newerEpoch],
  ['another producer id', otherId],
  ['a transactional id that is none', unknownName],
  ['an empty transactional id', noName]
] as const

interface InitOptions {
  readonly transactionTimeoutMs?: number
  readonly producerId?: number
  readonly producerEpoch?: number
}

export const init = (peer: Peer, version: number, transactionalId: string | null, options: InitOptions = {}) =>
  peer.send(apis.initProducerId, version, { transactionalId, transactionTimeoutMs: 60_000, ...options })

/** Asks until no earlier transaction is in the way. */
export async function settled<Answer extends { readonly errorCode: number }>(ask: () => Promise<Answer>) {
  let answer = await ask()
  await eventually('the earlier transaction ended', async () => {
    if (answer.errorCode === CONCURRENT_TRANSACTIONS) answer = await ask()
    return answer.errorCode !== CONCURRENT_TRANSACTIONS
  })
  return answer
}

/** A producer whose epoch is not the first, so that there is an older one. */
export async function producer(peer: Peer, label = 'txn', options: InitOptions = {}): Promise<Producer> {
  const transactionalId = peer.scoped(label)
  await settled(() => init(peer, 4, transactionalId, options))
  const { errorCode, producerId, producerEpoch } = await settled(() => init(peer, 4, transactionalId, options))
  if (errorCode !== 0) throw new Error(`InitProducerId answered ${errorCode}`)
  return { transactionalId, producerId, producerEpoch }
}

type Topics = readonly (readonly [name: string, partitions: readonly number[]])[]

export function addPartitions(peer: Peer, version: number, by: Producer, wanted: Topics, verifyOnly = false) {
  const topics = wanted.map(([name, partitions]) => ({ name, partitions: [...partitions] }))
  return peer.send(
    apis.addPartitionsToTxn,
    version,
    version < 4
      ? {
          transactions: [],
          v3AndBelowTransactionalId: by.transactionalId,
          v3AndBelowProducerId: by.producerId,
          v3AndBelowProducerEpoch: by.producerEpoch,
          v3AndBelowTopics: topics
        }
      : {
          transactions: [{ ...by, verifyOnly, topics }],
          v3AndBelowTransactionalId: '',
          v3AndBelowProducerId: 0,
          v3AndBelowProducerEpoch: 0,
          v3AndBelowTopics: []
        }
  )
}

/** Adds one partition, asking again while an earlier transaction is in the way. */
export async function added(peer: Peer, by: Producer, name: string, partition = 0): Promise<void> {
  await settled(async () => {
    const answer = await addPartitions(peer, 3, by, [[name, [partition]]])
    return { errorCode: answer.resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode ?? -1 }
  })
}

interface Writing {
  readonly sequence?: number
  readonly records?: number
  readonly partition?: number
  /** What the request says; the batch says what `by` is. */
  readonly transactionalId?: string | null
  readonly transactional?: boolean
}

export function write(peer: Peer, version: number, by: Producer, topic: Fixture, writing: Writing = {}) {
  const { sequence = 0, records = 2, partition = 0, transactional = true } = writing
  const { transactionalId = by.transactionalId } = writing
  const { producerId, producerEpoch } = by
  const batch = batchOf(records, 0, { producerId, producerEpoch, baseSequence: sequence, transactional })
  const partitionData = [{ index: partition, records: [batch] }]
  const topicData = [{ name: topic.name, topicId: topic.id, partitionData }]
  return peer.send(apis.produce, version, { transactionalId, acks: -1, timeoutMs: 5000, topicData })
}

/** Writes to a partition that enters the transaction by it, or was added before. */
export async function written(peer: Peer, by: Producer, topic: Fixture, writing: Writing = {}): Promise<void> {
  let answer = await write(peer, PRODUCE_OF_TRANSACTIONS_V2, by, topic, writing)
  const errorCode = () => answer.responses[0]?.partitionResponses[0]?.errorCode ?? -1
  await eventually('the earlier transaction ended', async () => {
    if (errorCode() === CONCURRENT_TRANSACTIONS)
      answer = await write(peer, PRODUCE_OF_TRANSACTIONS_V2, by, topic, writing)
    return errorCode() !== CONCURRENT_TRANSACTIONS
  })
  if (errorCode() !== 0) throw new Error(`Produce in a transaction answered ${errorCode()}`)
}

export const end = (peer: Peer, version: number, by: Producer, committed: boolean) =>
  peer.send(apis.endTxn, version, { ...by, committed })

/** Ends the transaction and waits until its ends are in its partitions; the producer stays what it is. */
export async function ended(peer: Peer, by: Producer, committed: boolean): Promise<void> {
  const answer = await settled(() => end(peer, LAST_EPOCH_FREE_END, by, committed))
  if (answer.errorCode !== 0) throw new Error(`EndTxn answered ${answer.errorCode}`)
  await complete(peer, by)
}

export async function complete(peer: Peer, by: Producer): Promise<void> {
  const request = { transactionalIds: [by.transactionalId] }
  await eventually('the transaction is complete', async () => {
    const { transactionStates } = await peer.send(apis.describeTransactions, 0, request)
    return !(transactionStates[0]?.transactionState.startsWith('Prepare') ?? true)
  })
}
