/**
 * The states of share partitions, wherever they are kept: by this broker, or by the one that leads their partition of
 * `__share_group_state` (KIP-932's persister). What is asked of a broker about a group in the same moment goes in one request.
 *
 * A coordinator that is away or moves is asked again for a while, as Kafka's persister does: what is asked may have been done
 * already, and is done once more without harm.
 */
import { type Clock, sleep } from '../../runtime/clock.ts'
import { Fault, isFault } from '../../runtime/fault.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import {
  DeleteShareGroupStateRequest,
  DeleteShareGroupStateResponse
} from '../../wire/messages/delete-share-group-state.ts'
import {
  InitializeShareGroupStateRequest,
  InitializeShareGroupStateResponse
} from '../../wire/messages/initialize-share-group-state.ts'
import { ReadShareGroupStateRequest, ReadShareGroupStateResponse } from '../../wire/messages/read-share-group-state.ts'
import {
  ReadShareGroupStateSummaryRequest,
  ReadShareGroupStateSummaryResponse
} from '../../wire/messages/read-share-group-state-summary.ts'
import {
  WriteShareGroupStateRequest,
  WriteShareGroupStateResponse
} from '../../wire/messages/write-share-group-state.ts'
import type { CoordinatorPlaces } from '../coordinator-places.ts'
import { BatchedCalls } from '../nodes/batched-calls.ts'
import type { NodeApi, NodeCalls } from '../nodes/node-calls.ts'
import type {
  ReadState,
  ShareStateKey,
  ShareStateStore,
  StateChange,
  StateOutcome,
  StateSummary
} from './share-state.ts'

export interface RoutedShareStatesParts {
  readonly clock: Clock
  readonly nodeId: number
  /** Of what this broker leads. */
  readonly local: ShareStateStore
  readonly places: CoordinatorPlaces
  readonly nodes: NodeCalls
  /** Undefined when there is no topic of that id. */
  readonly partitionCount: (topicId: string) => number | undefined
}

const RETRY_MS_MIN = 50
const RETRY_MS_MAX = 1_000
const RETRY_FOR_MS = 5_000
const PASSING: ReadonlySet<number> = new Set([
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NOT_COORDINATOR
])

/** What a request says of one partition. */
interface WireTopic<Fields> {
  readonly topicId: string
  readonly partitions: (Fields & { readonly partition: number })[]
}

/** What an answer says of each. */
interface Results<Answer> {
  readonly results: readonly {
    readonly topicId: string
    readonly partitions: readonly (Answer & { readonly partition: number })[]
  }[]
}

interface Asked<Fields> {
  readonly key: ShareStateKey
  readonly fields: Fields
}

type Calls<Fields, Answer> = BatchedCalls<Asked<Fields>, Answer>
type Start = { readonly stateEpoch: number; readonly startOffset: number }

export class RoutedShareStates implements ShareStateStore {
  readonly #parts: RoutedShareStatesParts
  readonly #closing = new AbortController()
  readonly #initialize: Calls<Start, StateOutcome>
  readonly #read: Calls<{ leaderEpoch: number }, ReadState>
  readonly #write: Calls<StateChange, StateOutcome>
  readonly #delete: Calls<object, StateOutcome>
  readonly #readSummary: Calls<{ leaderEpoch: number }, StateSummary>

  constructor(parts: RoutedShareStatesParts) {
    this.#parts = parts
    const { nodes } = parts
    this.#initialize = calls(nodes, INITIALIZE, 0, (groupId, topics) => ({ groupId, topics }))
    this.#read = calls(nodes, READ, 0, (groupId, topics) => ({ groupId, topics }))
    this.#write = calls(nodes, WRITE, 1, (groupId, topics) => ({ groupId, topics }))
    this.#delete = calls(nodes, DELETE, 0, (groupId, topics) => ({ groupId, topics }))
    this.#readSummary = calls(nodes, READ_SUMMARY, 1, (groupId, topics) => ({ groupId, topics }))
  }

  initialize(key: ShareStateKey, start: Start): Promise<StateOutcome> {
    const { local } = this.#parts
    return this.#ask(key, this.#initialize, start, () => local.initialize(key, start), NOTHING)
  }

  read(key: ShareStateKey, leaderEpoch: number): Promise<ReadState> {
    const { local } = this.#parts
    return this.#ask(key, this.#read, { leaderEpoch }, () => local.read(key, leaderEpoch), NO_STATE)
  }

  write(key: ShareStateKey, change: StateChange): Promise<StateOutcome> {
    const { local } = this.#parts
    return this.#ask(key, this.#write, change, () => local.write(key, change), NOTHING)
  }

  delete(key: ShareStateKey): Promise<StateOutcome> {
    const { local } = this.#parts
    return this.#ask(key, this.#delete, {}, () => local.delete(key), NOTHING)
  }

  readSummary(key: ShareStateKey): Promise<StateSummary> {
    const { local } = this.#parts
    return this.#ask(key, this.#readSummary, { leaderEpoch: -1 }, () => local.readSummary(key), NO_SUMMARY)
  }

  /** Nothing is asked again from now on. */
  close(): void {
    this.#closing.abort()
  }

  /** `none`: what an answer says besides its error. */
  async #ask<Fields, Answer extends StateOutcome>(
    key: ShareStateKey,
    remote: Calls<Fields, Answer>,
    fields: Fields,
    local: () => Promise<Answer>,
    none: Omit<Answer, keyof StateOutcome>
  ): Promise<Answer> {
    const { clock } = this.#parts
    const giveUpMs = clock.monotonic() + RETRY_FOR_MS
    for (let delayMs = RETRY_MS_MIN; ; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
      const answer = await this.#askOnce(key, remote, fields, local, none)
      const isOver = clock.monotonic() + delayMs > giveUpMs
      if (isOver || !this.#passes(key, answer.errorCode)) return answer
      await sleep(clock, delayMs, this.#closing.signal)
      if (this.#closing.signal.aborted) return answer
    }
  }

  /** Whoever keeps the state may not have heard yet of a topic that is new. */
  #passes({ topicId, partition }: ShareStateKey, errorCode: number): boolean {
    if (errorCode !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) return PASSING.has(errorCode)
    return partition >= 0 && partition < (this.#parts.partitionCount(topicId) ?? 0)
  }

  async #askOnce<Fields, Answer extends StateOutcome>(
    key: ShareStateKey,
    remote: Calls<Fields, Answer>,
    fields: Fields,
    local: () => Promise<Answer>,
    none: Omit<Answer, keyof StateOutcome>
  ): Promise<Answer> {
    const { places, nodeId } = this.#parts
    const away = (errorMessage: string) =>
      ({ ...none, errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE, errorMessage }) as Answer
    try {
      const { groupId, topicId, partition } = key
      const place = await places.find(`${groupId}:${topicId}:${partition}`)
      if (place === undefined) return away('the broker that keeps the share state is away')
      return await (place.nodeId === nodeId ? local() : remote.ask(place.nodeId, { key, fields }, groupId))
    } catch (error) {
      if (!isFault(error)) throw error
      return away(error.message)
    }
  }
}

const INITIALIZE = { request: InitializeShareGroupStateRequest, response: InitializeShareGroupStateResponse }
const READ = { request: ReadShareGroupStateRequest, response: ReadShareGroupStateResponse }
const WRITE = { request: WriteShareGroupStateRequest, response: WriteShareGroupStateResponse }
const DELETE = { request: DeleteShareGroupStateRequest, response: DeleteShareGroupStateResponse }
const READ_SUMMARY = { request: ReadShareGroupStateSummaryRequest, response: ReadShareGroupStateSummaryResponse }

const NOTHING = {}
const NO_STATE = { stateEpoch: -1, startOffset: -1, stateBatches: [] }
const NO_SUMMARY = { stateEpoch: 0, leaderEpoch: 0, startOffset: -1, deliveryCompleteCount: -1 }

/** Each partition under a topic of its own, so that the answers come in the order of what was asked. */
function calls<Fields extends object, Answer, Req>(
  nodes: NodeCalls,
  api: NodeApi<Req, Results<Answer>>,
  version: number,
  request: (groupId: string, topics: WireTopic<Fields>[]) => Req
): Calls<Fields, Answer> {
  return new BatchedCalls(async (nodeId, asked) => {
    const topics = asked.map(({ key, fields }) => ({
      topicId: key.topicId,
      partitions: [{ ...fields, partition: key.partition }]
    }))
    const groupId = asked[0]?.key.groupId ?? ''
    const { results } = await nodes.send(nodeId, api, version, request(groupId, topics))
    return asked.map(({ key }, place) => {
      const result = results[place]
      const answer = result?.partitions[0]
      if (answer === undefined || result?.topicId !== key.topicId || answer.partition !== key.partition) {
        throw new Fault('unavailable', `broker ${nodeId} answered for another share partition`)
      }
      return answer
    })
  })
}
