/** The requests of Streams groups (KIP-1071), put to the groups that this broker coordinates. Decides nothing itself. */
import type { StreamsGroupHeartbeatRequest } from '../../../wire/messages/streams-group-heartbeat.ts'
import { GroupShard, type Route } from '../group-shard.ts'
import type { GroupRules } from '../hosted-group.ts'
import { requestProblem } from './heartbeat-request.ts'
import type { StreamsEnvironment } from './streams-environment.ts'
import { type DescribedGroup, describeStreamsGroup, undescribed } from './streams-group-description.ts'
import type { StreamsGroup } from './streams-group-state.ts'
import { errorResponse, type HeartbeatAnswer, type HeartbeatClient, heartbeat } from './streams-heartbeat.ts'

export interface StreamsGroupsParts {
  readonly route: (groupId: string) => Promise<Route>
  /** The ones the shards know. */
  readonly rules: GroupRules<StreamsGroup>
  readonly environment: StreamsEnvironment
}

export class StreamsGroups {
  readonly #parts: StreamsGroupsParts

  constructor(parts: StreamsGroupsParts) {
    this.#parts = parts
  }

  /** The answer, and the topics that must be created for the group to go on. */
  async heartbeat(request: StreamsGroupHeartbeatRequest, client: HeartbeatClient): Promise<HeartbeatAnswer> {
    const problem = requestProblem(request)
    if (problem !== undefined) return refused(problem.error, problem.message)
    const { rules, environment } = this.#parts
    const shard = await this.#parts.route(request.groupId)
    if (!(shard instanceof GroupShard)) return refused(shard, null)
    const changed = await shard.change(rules, request.groupId, (group, now) =>
      heartbeat(group, request, client, environment, now)
    )
    if (changed.error === 'NONE') return changed.answer
    const otherType = changed.error === 'GROUP_ID_NOT_FOUND'
    return refused(changed.error, otherType ? `Group ${request.groupId} is not a Streams group.` : null)
  }

  /** In the order asked for. */
  describe(groupIds: readonly string[]): Promise<DescribedGroup[]> {
    return Promise.all(groupIds.map((groupId) => this.#describeOne(groupId)))
  }

  async #describeOne(groupId: string): Promise<DescribedGroup> {
    if (groupId === '') return undescribed(groupId, 'INVALID_GROUP_ID', null)
    const shard = await this.#parts.route(groupId)
    if (!(shard instanceof GroupShard)) return undescribed(groupId, shard, null)
    const settled = await shard.settled()
    if (settled !== 'NONE') return undescribed(groupId, settled, null)
    const group = shard.state(this.#parts.rules, groupId)
    if (group === undefined) return undescribed(groupId, 'GROUP_ID_NOT_FOUND', `There is no Streams group ${groupId}.`)
    const { topics } = this.#parts.environment
    return describeStreamsGroup(group, (topic) => topics.partitionCount(topic))
  }
}

function refused(error: Parameters<typeof errorResponse>[0], message: string | null): HeartbeatAnswer {
  return { response: errorResponse(error, message), missing: [] }
}
