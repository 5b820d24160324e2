/**
 * InitializeShareGroupState v0, ReadShareGroupState v0, WriteShareGroupState v0–1, DeleteShareGroupState v0 and
 * ReadShareGroupStateSummary v0–1 (KIP-932): what the leaders of share partitions ask of the broker that keeps their state.
 * Each partition is answered for itself, a change once it is durable. In a cluster only brokers may ask.
 */

import { ErrorCode } from '../../wire/error-codes.ts'
import type {
  DeleteShareGroupStateRequest,
  DeleteShareGroupStateResponse
} from '../../wire/messages/delete-share-group-state.ts'
import type {
  InitializeShareGroupStateRequest,
  InitializeShareGroupStateResponse
} from '../../wire/messages/initialize-share-group-state.ts'
import type {
  ReadShareGroupStateRequest,
  ReadShareGroupStateResponse
} from '../../wire/messages/read-share-group-state.ts'
import type {
  ReadShareGroupStateSummaryRequest,
  ReadShareGroupStateSummaryResponse
} from '../../wire/messages/read-share-group-state-summary.ts'
import type {
  WriteShareGroupStateRequest,
  WriteShareGroupStateResponse
} from '../../wire/messages/write-share-group-state.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { Handler } from '../handler.ts'
import type { ShareStateKey, ShareStateStore } from './share-state.ts'

export function initializeStateHandler(
  store: ShareStateStore
): Handler<InitializeShareGroupStateRequest, InferInput<typeof InitializeShareGroupStateResponse>> {
  return async ({ groupId, topics }) => ({
    results: await eachPartition(groupId, topics, (key, start) => store.initialize(key, start))
  })
}

export function writeStateHandler(
  store: ShareStateStore
): Handler<WriteShareGroupStateRequest, InferInput<typeof WriteShareGroupStateResponse>> {
  return async ({ groupId, topics }) => ({
    results: await eachPartition(groupId, topics, (key, change) => store.write(key, change))
  })
}

export function deleteStateHandler(
  store: ShareStateStore
): Handler<DeleteShareGroupStateRequest, InferInput<typeof DeleteShareGroupStateResponse>> {
  return async ({ groupId, topics }) => ({ results: await eachPartition(groupId, topics, (key) => store.delete(key)) })
}

export function readStateHandler(
  store: ShareStateStore
): Handler<ReadShareGroupStateRequest, InferInput<typeof ReadShareGroupStateResponse>> {
  return async ({ groupId, topics }) => ({
    results: await eachPartition(groupId, topics, async (key, { leaderEpoch }) => {
      const { stateBatches, ...read } = await store.read(key, leaderEpoch)
      return { ...read, stateBatches: [...stateBatches] }
    })
  })
}

export function readStateSummaryHandler(
  store: ShareStateStore
): Handler<ReadShareGroupStateSummaryRequest, InferInput<typeof ReadShareGroupStateSummaryResponse>> {
  return async ({ groupId, topics }) => ({
    results: await eachPartition(groupId, topics, (key) => store.readSummary(key))
  })
}

async function eachPartition<Wanted extends { readonly partition: number }, Answer extends object>(
  groupId: string,
  topics: readonly { readonly topicId: string; readonly partitions: readonly Wanted[] }[],
  ask: (key: ShareStateKey, wanted: Wanted) => Promise<Answer>
): Promise<{ topicId: string; partitions: (Answer & { partition: number })[] }[]> {
  // As Kafka has it: there is nothing to be said of partitions of no group.
  if (groupId === '') return []
  return Promise.all(
    topics.map(async ({ topicId, partitions }) => ({
      topicId,
      partitions: await Promise.all(
        partitions.map(async (wanted) => {
          const { partition } = wanted
          return { ...(await ask({ groupId, topicId, partition }, wanted)), partition }
        })
      )
    }))
  )
}

/** What all these requests have in common. */
export interface StateRequest {
  readonly topics: readonly {
    readonly topicId: string
    readonly partitions: readonly { readonly partition: number }[]
  }[]
}

/** The answer to whoever may not ask: the same for each partition. */
export function refuseState({ topics }: StateRequest) {
  const refusal = {
    errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    errorMessage: 'Only brokers of the cluster may ask.'
  }
  return {
    results: topics.map(({ topicId, partitions }) => ({
      topicId,
      partitions: partitions.map(({ partition }) => ({ ...NO_STATE, partition, ...refusal }))
    }))
  }
}

const NO_STATE = { stateEpoch: 0, leaderEpoch: 0, startOffset: 0, deliveryCompleteCount: -1, stateBatches: [] }
