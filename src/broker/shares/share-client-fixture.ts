/** A member of a share group for tests: its requests over `BrokerFixture`, with the epochs of its session kept. */
import assert from 'node:assert/strict'
import {
  AlterShareGroupOffsetsRequest,
  AlterShareGroupOffsetsResponse
} from '../../wire/messages/alter-share-group-offsets.ts'
import {
  DescribeShareGroupOffsetsRequest,
  DescribeShareGroupOffsetsResponse
} from '../../wire/messages/describe-share-group-offsets.ts'
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse
} from '../../wire/messages/incremental-alter-configs.ts'
import { ShareAcknowledgeRequest, ShareAcknowledgeResponse } from '../../wire/messages/share-acknowledge.ts'
import { ShareFetchRequest, ShareFetchResponse } from '../../wire/messages/share-fetch.ts'
import { ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse } from '../../wire/messages/share-group-heartbeat.ts'
import { readBatches } from '../../wire/records/records.ts'
import type { InferInput } from '../../wire/schema.ts'
import { type BrokerFixture, pair } from '../broker-fixture.ts'
import type { Acknowledgement } from './share-partition-state.ts'

export const SHARE_HEARTBEAT = pair(ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse)
const SHARE_FETCH = pair(ShareFetchRequest, ShareFetchResponse)
const SHARE_ACKNOWLEDGE = pair(ShareAcknowledgeRequest, ShareAcknowledgeResponse)
export const DESCRIBE_SHARE_OFFSETS = pair(DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse)
export const ALTER_SHARE_OFFSETS = pair(AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse)
const ALTER_CONFIGS = pair(IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse)

const GROUP_RESOURCE = 32

type FetchInput = InferInput<typeof ShareFetchRequest>
type FetchOutput = typeof ShareFetchResponse.output

/** What a fetch said of one partition. */
export interface Got {
  readonly errorCode: number
  readonly acknowledgeErrorCode: number
  /** First, last, deliveries. */
  readonly acquired: readonly (readonly [number, number, number])[]
  /** Base offsets. */
  readonly batches: readonly number[]
}

export class ShareClient {
  readonly #fixture: BrokerFixture
  readonly groupId: string
  readonly memberId: string
  memberEpoch = 0
  sessionEpoch = 0

  constructor(fixture: BrokerFixture, groupId: string, memberId: string) {
    this.#fixture = fixture
    this.groupId = groupId
    this.memberId = memberId
  }

  async heartbeat(topics: string[] | null = null) {
    const { groupId, memberId, memberEpoch } = this
    const answer = await this.#fixture.call(SHARE_HEARTBEAT, 1, {
      groupId,
      memberId,
      memberEpoch,
      subscribedTopicNames: topics
    })
    if (answer.errorCode === 0) this.memberEpoch = answer.memberEpoch
    return answer
  }

  /** Joins, and gives the partitions that are to be read: `topic-0`. */
  async join(...topics: string[]): Promise<string[]> {
    this.memberEpoch = 0
    const answer = await this.heartbeat(topics)
    assert.equal(answer.errorCode, 0, answer.errorMessage ?? '')
    const assigned = answer.assignment?.topicPartitions ?? []
    return assigned.flatMap(({ topicId, partitions }) =>
      partitions.map((index) => `${this.#fixture.topics.byId(topicId)?.name}-${index}`)
    )
  }

  leave() {
    this.memberEpoch = -1
    return this.heartbeat()
  }

  /** What a fetch of one topic's partition is answered. */
  async fetch(topic: string, options: Partial<FetchInput> & { acknowledge?: Acknowledgement[]; index?: number } = {}) {
    return this.got(await this.#fixture.run(this.sendFetch(topic, options)), topic, options.index)
  }

  sendFetch(
    topic: string,
    {
      acknowledge = [],
      index = 0,
      ...options
    }: Partial<FetchInput> & { acknowledge?: Acknowledgement[]; index?: number } = {}
  ): Promise<FetchOutput> {
    const acknowledgementBatches = toBatches(acknowledge)
    const request = {
      groupId: this.groupId,
      memberId: this.memberId,
      shareSessionEpoch: this.sessionEpoch,
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1 << 20,
      maxRecords: 500,
      batchSize: 500,
      topics: [{ topicId: this.#topicId(topic), partitions: [{ partitionIndex: index, acknowledgementBatches }] }],
      forgottenTopicsData: [],
      ...options
    }
    if (request.shareSessionEpoch === this.sessionEpoch) this.sessionEpoch++
    return this.#fixture.send(SHARE_FETCH, 2, request)
  }

  got(answer: FetchOutput, topic: string, index = 0): Got {
    assert.equal(answer.errorCode, 0, `${answer.errorCode} ${answer.errorMessage}`)
    const found = answer.responses
      .find(({ topicId }) => topicId === this.#topicId(topic))
      ?.partitions.find(({ partitionIndex }) => partitionIndex === index)
    const bytes = Buffer.concat(found?.records ?? [])
    return {
      errorCode: found?.errorCode ?? 0,
      acknowledgeErrorCode: found?.acknowledgeErrorCode ?? 0,
      acquired: (found?.acquiredRecords ?? []).map((a) => [a.firstOffset, a.lastOffset, a.deliveryCount]),
      batches: [...readBatches(bytes)].map(({ header }) => header.baseOffset)
    }
  }

  /** The error of the partition, or of the request. */
  async acknowledge(topic: string, acknowledgements: Acknowledgement[], isRenewAck = false): Promise<number> {
    const acknowledgementBatches = toBatches(acknowledgements)
    const answer = await this.#fixture.call(SHARE_ACKNOWLEDGE, 2, {
      groupId: this.groupId,
      memberId: this.memberId,
      shareSessionEpoch: this.sessionEpoch,
      isRenewAck,
      topics: [{ topicId: this.#topicId(topic), partitions: [{ partitionIndex: 0, acknowledgementBatches }] }]
    })
    if (answer.errorCode !== 0) return answer.errorCode
    this.sessionEpoch++
    return answer.responses[0]?.partitions[0]?.errorCode ?? 0
  }

  #topicId(topic: string): string {
    const id = this.#fixture.topics.get(topic)?.id
    assert.ok(id !== undefined, `${topic} is there`)
    return id
  }
}

/** Where the group stands in a partition, and how far it is behind. */
export async function standing(fixture: BrokerFixture, groupId: string, topicName: string, index = 0) {
  const { groups } = await fixture.call(DESCRIBE_SHARE_OFFSETS, 1, {
    groups: [{ groupId, topics: [{ topicName, partitions: [index] }] }]
  })
  const { startOffset, lag } = groups[0]?.topics[0]?.partitions[0] ?? { startOffset: -2, lag: -2 }
  return { startOffset, lag }
}

export async function configureGroup(fixture: BrokerFixture, groupId: string, configs: Record<string, string>) {
  const list = Object.entries(configs).map(([name, value]) => ({ name, value, configOperation: 0 }))
  const { responses } = await fixture.call(ALTER_CONFIGS, 1, {
    resources: [{ resourceType: GROUP_RESOURCE, resourceName: groupId, configs: list }],
    validateOnly: false
  })
  assert.equal(responses[0]?.errorCode, 0, responses[0]?.errorMessage ?? '')
}

function toBatches(acknowledgements: readonly Acknowledgement[]) {
  return acknowledgements.map(({ first, last, types }) => ({
    firstOffset: first,
    lastOffset: last,
    acknowledgeTypes: [...types]
  }))
}
