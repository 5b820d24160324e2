/**
 * Consumer groups (KIP-848) between the wire and their rules: ConsumerGroupHeartbeat and ConsumerGroupDescribe, and what
 * members of the classic protocol ask of such groups. One method per API, with all errors inside the response.
 */
import { type Random, uuid } from '../../../runtime/random.ts'
import { ErrorCode } from '../../../wire/error-codes.ts'
import type {
  ConsumerGroupDescribeRequest,
  ConsumerGroupDescribeResponse
} from '../../../wire/messages/consumer-group-describe.ts'
import type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse
} from '../../../wire/messages/consumer-group-heartbeat.ts'
import type { GroupSettingsOf } from '../../group-settings.ts'
import type { GroupContext } from '../group-membership.ts'
import { GroupShard } from '../group-shard.ts'
import type { GroupShards } from '../group-shards.ts'
import type { TopicDirectory } from '../topic-directory.ts'
import type { Assignment } from './assignment.ts'
import type { ConsumerEnvironment } from './consumer-environment.ts'
import { describeConsumerGroup, failedDescription } from './consumer-group-description.ts'
import { decideHeartbeat, type Heartbeat } from './consumer-heartbeat.ts'
import type { ConsumerRules } from './consumer-rules.ts'
import { heartbeatProblem } from './heartbeat-request.ts'
import type { TopicPatterns } from './topic-patterns.ts'

export interface ConsumerGroupsOptions {
  readonly random: Random
  readonly shards: GroupShards
  readonly topics: TopicDirectory
  readonly settingsOf: GroupSettingsOf
  readonly rules: ConsumerRules
  readonly env: ConsumerEnvironment
  readonly patterns: TopicPatterns
}

export class ConsumerGroups {
  readonly #options: ConsumerGroupsOptions

  constructor(options: ConsumerGroupsOptions) {
    this.#options = options
  }

  async heartbeat(
    request: ConsumerGroupHeartbeatRequest,
    context: GroupContext
  ): Promise<ConsumerGroupHeartbeatResponse> {
    const { shards, rules, env } = this.#options
    const problem = heartbeatProblem(request, context.apiVersion)
    if (problem !== undefined) return refused(problem.error, problem.message)
    const { groupId } = request
    const shard = await shards.route(groupId)
    if (!(shard instanceof GroupShard)) return refused(shard, null)
    const beat = this.#heartbeatOf(request, context)
    await this.#refreshPatterns(shard, groupId, beat.topicRegex)
    const changed = await shard.change(rules, groupId, (state, now) => decideHeartbeat(env, state, beat, now))
    if (changed.error !== 'NONE') {
      const message = changed.error === 'GROUP_ID_NOT_FOUND' ? `Group ${groupId} is not a consumer group.` : null
      return refused(changed.error, message)
    }
    const { answer } = changed
    if (answer.error !== 'NONE') return refused(answer.error, answer.message)
    const { memberId, memberEpoch, assignment } = answer
    return {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      errorMessage: null,
      memberId,
      memberEpoch,
      heartbeatIntervalMs: memberEpoch < 0 ? 0 : this.#options.settingsOf(groupId).consumerHeartbeatIntervalMs,
      assignment: assignment && { topicPartitions: listed(assignment) }
    }
  }

  async describe(request: ConsumerGroupDescribeRequest): Promise<ConsumerGroupDescribeResponse> {
    const { shards, rules, topics } = this.#options
    const describe = async (groupId: string) => {
      if (groupId === '') return failedDescription(groupId, 'INVALID_GROUP_ID', null)
      const shard = await shards.route(groupId)
      const error = shard instanceof GroupShard ? await shard.settled() : shard
      if (error !== 'NONE' || !(shard instanceof GroupShard)) return failedDescription(groupId, error, null)
      const state = shard.state(rules, groupId)
      if (state !== undefined) return describeConsumerGroup(state, topics, request.includeAuthorizedOperations)
      const isKnown = shard.find(groupId) !== undefined
      const message = isKnown ? `Group ${groupId} is not a consumer group.` : `Group ${groupId} not found.`
      return failedDescription(groupId, 'GROUP_ID_NOT_FOUND', message)
    }
    return { throttleTimeMs: 0, groups: await Promise.all(request.groupIds.map(describe)) }
  }

  #heartbeatOf(request: ConsumerGroupHeartbeatRequest, context: GroupContext): Heartbeat {
    return {
      groupId: request.groupId,
      memberId: request.memberId === '' ? uuid(this.#options.random) : request.memberId,
      memberEpoch: request.memberEpoch,
      instanceId: request.instanceId,
      rackId: request.rackId,
      clientId: context.clientId ?? '',
      clientHost: context.clientHost,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs,
      topicNames: request.subscribedTopicNames && [...new Set(request.subscribedTopicNames)],
      topicRegex: request.subscribedTopicRegex,
      assignor: request.serverAssignor,
      owned:
        request.topicPartitions &&
        new Map(request.topicPartitions.map(({ topicId, partitions }) => [topicId, new Set(partitions)]))
    }
  }

  /** Matched before the group decides, because that may take a while. */
  async #refreshPatterns(shard: GroupShard, groupId: string, regex: string | null): Promise<void> {
    const { rules, patterns } = this.#options
    const regexes = new Set(shard.state(rules, groupId)?.regexes.keys())
    if (regex !== null && regex !== '') regexes.add(regex)
    for (const one of regexes) if (!patterns.isCurrent(one)) await patterns.refresh(one)
  }
}

function refused(error: keyof typeof ErrorCode, errorMessage: string | null): ConsumerGroupHeartbeatResponse {
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode[error],
    errorMessage,
    memberId: null,
    memberEpoch: 0,
    heartbeatIntervalMs: 0,
    assignment: null
  }
}

function listed(assignment: Assignment) {
  return [...assignment].map(([topicId, partitions]) => ({
    topicId,
    partitions: [...partitions].sort((a, b) => a - b)
  }))
}
