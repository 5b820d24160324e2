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
import type { StreamsGroups } from '../groups/streams/streams-groups.ts'
import { streamsGroupDescribeHandler } from '../handlers/streams-group-describe.ts'
import { streamsGroupHeartbeatHandler } from '../handlers/streams-group-heartbeat.ts'

export function streamsGroupApis(parts: BrokerParts, groups: StreamsGroups): Api[] {
  return [
    api(StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse, streamsGroupHeartbeatHandler(parts, groups)),
    api(StreamsGroupDescribeRequest, StreamsGroupDescribeResponse, streamsGroupDescribeHandler(groups))
  ]
}
