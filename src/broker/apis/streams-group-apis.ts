/** Rows of Streams groups (KIP-1071). */
import {
  StreamsGroupDescribeRequest,
  StreamsGroupDescribeResponse
} from '../../wire/messages/streams-group-describe.ts'
import {
  StreamsGroupHeartbeatRequest,
  StreamsGroupHeartbeatResponse
} from '../../wire/messages/streams-group-heartbeat.ts'
import { type Api, api } from '../api.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { gated, refusedGroups, refusedHeartbeat } from '../feature-gate.ts'
import type { StreamsGroups } from '../groups/streams/streams-groups.ts'
import { streamsGroupDescribeHandler } from '../handlers/streams-group-describe.ts'
import { streamsGroupHeartbeatHandler } from '../handlers/streams-group-heartbeat.ts'

/** What a heartbeat that is refused says of the member's tasks. */
const NO_TASKS = {
  memberId: '',
  acceptableRecoveryLag: 0,
  taskOffsetIntervalMs: 0,
  status: null,
  endpointInformationEpoch: 0,
  partitionsByUserEndpoint: null
}

export function streamsGroupApis(parts: BrokerParts, groups: StreamsGroups): Api[] {
  return [
    api(
      StreamsGroupHeartbeatRequest,
      StreamsGroupHeartbeatResponse,
      gated(parts.features, 'streams.version', streamsGroupHeartbeatHandler(parts, groups), (request, refusal) => ({
        ...refusedHeartbeat(request, refusal),
        ...NO_TASKS
      }))
    ),
    api(
      StreamsGroupDescribeRequest,
      StreamsGroupDescribeResponse,
      gated(parts.features, 'streams.version', streamsGroupDescribeHandler(groups), refusedGroups)
    )
  ]
}
