/** Rows of share groups (KIP-932): the groups, what they read, and the states of what they read. */
import {
  AlterShareGroupOffsetsRequest,
  AlterShareGroupOffsetsResponse
} from '../../wire/messages/alter-share-group-offsets.ts'
import {
  DeleteShareGroupOffsetsRequest,
  DeleteShareGroupOffsetsResponse
} from '../../wire/messages/delete-share-group-offsets.ts'
import {
  DeleteShareGroupStateRequest,
  DeleteShareGroupStateResponse
} from '../../wire/messages/delete-share-group-state.ts'
import {
  DescribeShareGroupOffsetsRequest,
  DescribeShareGroupOffsetsResponse
} from '../../wire/messages/describe-share-group-offsets.ts'
import {
  InitializeShareGroupStateRequest,
  InitializeShareGroupStateResponse
} from '../../wire/messages/initialize-share-group-state.ts'
import { ReadShareGroupStateRequest, ReadShareGroupStateResponse } from '../../wire/messages/read-share-group-state.ts'
import {
  ReadShareGroupStateSummaryRequest,
  ReadShareGroupStateSummaryResponse
} from '../../wire/messages/read-share-group-state-summary.ts'
import { ShareAcknowledgeRequest, ShareAcknowledgeResponse } from '../../wire/messages/share-acknowledge.ts'
import { ShareFetchRequest, ShareFetchResponse } from '../../wire/messages/share-fetch.ts'
import { ShareGroupDescribeRequest, ShareGroupDescribeResponse } from '../../wire/messages/share-group-describe.ts'
import { ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse } from '../../wire/messages/share-group-heartbeat.ts'
import {
  WriteShareGroupStateRequest,
  WriteShareGroupStateResponse
} from '../../wire/messages/write-share-group-state.ts'
import { type Api, api } from '../api.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { gated, type Refusal, refusedGroups, refusedHeartbeat, refusedWhole } from '../feature-gate.ts'
import type { ShareCoordinators } from '../groups/share/share-composition.ts'
import { shareGroupDescribeHandler, shareGroupHeartbeatHandler } from '../groups/share/share-group-handlers.ts'
import { alterShareOffsets, deleteShareOffsets, describeShareOffsets } from '../groups/share/share-offsets.ts'
import type { Handler } from '../handler.ts'
import { nodesOnly } from '../security/node-security.ts'
import { shareAcknowledgeHandler } from '../shares/share-acknowledge.ts'
import { shareFetchHandler } from '../shares/share-fetch.ts'
import {
  deleteStateHandler,
  initializeStateHandler,
  readStateHandler,
  readStateSummaryHandler,
  refuseState,
  type StateRequest,
  writeStateHandler
} from '../shares/state-requests.ts'

export function shareApis(
  parts: BrokerParts,
  { shares, states, groups, offsets, groupSettings }: ShareCoordinators
): Api[] {
  const { clock, cluster, topics, unsent } = parts
  const fetching = { clock, cluster, topics, unsent, shares, groupSettings }
  const gate = <Request, Response, Refused>(
    handler: Handler<Request, Response>,
    refuse: (request: Request, refusal: Refusal) => Refused
  ) => gated(parts.features, 'share.version', handler, refuse)
  const ofNodes = <Request extends StateRequest, Response>(handler: Handler<Request, Response>) =>
    nodesOnly(parts.security, handler, refuseState)
  return [
    api(
      ShareGroupHeartbeatRequest,
      ShareGroupHeartbeatResponse,
      gate(shareGroupHeartbeatHandler(groups), refusedHeartbeat)
    ),
    api(ShareGroupDescribeRequest, ShareGroupDescribeResponse, gate(shareGroupDescribeHandler(groups), refusedGroups)),
    api(ShareFetchRequest, ShareFetchResponse, gate(shareFetchHandler(fetching), refusedFetch)),
    api(ShareAcknowledgeRequest, ShareAcknowledgeResponse, gate(shareAcknowledgeHandler(fetching), refusedFetch)),
    api(InitializeShareGroupStateRequest, InitializeShareGroupStateResponse, ofNodes(initializeStateHandler(states))),
    api(ReadShareGroupStateRequest, ReadShareGroupStateResponse, ofNodes(readStateHandler(states))),
    api(WriteShareGroupStateRequest, WriteShareGroupStateResponse, ofNodes(writeStateHandler(states))),
    api(DeleteShareGroupStateRequest, DeleteShareGroupStateResponse, ofNodes(deleteStateHandler(states))),
    api(
      ReadShareGroupStateSummaryRequest,
      ReadShareGroupStateSummaryResponse,
      ofNodes(readStateSummaryHandler(states))
    ),
    api(
      DescribeShareGroupOffsetsRequest,
      DescribeShareGroupOffsetsResponse,
      gate((request: DescribeShareGroupOffsetsRequest) => describeShareOffsets(offsets, request), refusedOffsets)
    ),
    api(
      AlterShareGroupOffsetsRequest,
      AlterShareGroupOffsetsResponse,
      gate((request: AlterShareGroupOffsetsRequest) => alterShareOffsets(offsets, request), refusedWhole)
    ),
    api(
      DeleteShareGroupOffsetsRequest,
      DeleteShareGroupOffsetsResponse,
      gate((request: DeleteShareGroupOffsetsRequest) => deleteShareOffsets(offsets, request), refusedWhole)
    )
  ]
}

function refusedFetch(request: unknown, refusal: Refusal) {
  return { ...refusedWhole(request, refusal), acquisitionLockTimeoutMs: 0, nodeEndpoints: [] }
}

function refusedOffsets({ groups }: DescribeShareGroupOffsetsRequest, refusal: Refusal) {
  return { throttleTimeMs: 0, groups: groups.map(({ groupId }) => ({ groupId, topics: [], ...refusal })) }
}
