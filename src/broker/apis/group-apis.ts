/** Rows of groups and the offsets they commit. */

import {
  ConsumerGroupDescribeRequest,
  ConsumerGroupDescribeResponse
} from '../../wire/messages/consumer-group-describe.ts'
import {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse
} from '../../wire/messages/consumer-group-heartbeat.ts'
import { DeleteGroupsRequest, DeleteGroupsResponse } from '../../wire/messages/delete-groups.ts'
import { DescribeGroupsRequest, DescribeGroupsResponse } from '../../wire/messages/describe-groups.ts'
import { HeartbeatRequest, HeartbeatResponse } from '../../wire/messages/heartbeat.ts'
import { JoinGroupRequest, JoinGroupResponse } from '../../wire/messages/join-group.ts'
import { LeaveGroupRequest, LeaveGroupResponse } from '../../wire/messages/leave-group.ts'
import { ListGroupsRequest, ListGroupsResponse } from '../../wire/messages/list-groups.ts'
import { OffsetCommitRequest, OffsetCommitResponse } from '../../wire/messages/offset-commit.ts'
import { OffsetDeleteRequest, OffsetDeleteResponse } from '../../wire/messages/offset-delete.ts'
import { OffsetFetchRequest, OffsetFetchResponse } from '../../wire/messages/offset-fetch.ts'
import { SyncGroupRequest, SyncGroupResponse } from '../../wire/messages/sync-group.ts'
import { TxnOffsetCommitRequest, TxnOffsetCommitResponse } from '../../wire/messages/txn-offset-commit.ts'
import { type Api, api } from '../api.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Coordinators } from '../coordinators.ts'
import { gated, refusedGroups, refusedHeartbeat } from '../feature-gate.ts'
import { consumerGroupDescribeHandler } from '../handlers/consumer-group-describe.ts'
import { consumerGroupHeartbeatHandler } from '../handlers/consumer-group-heartbeat.ts'
import { deleteGroupsHandler } from '../handlers/delete-groups.ts'
import { describeGroupsHandler } from '../handlers/describe-groups.ts'
import { heartbeatHandler } from '../handlers/heartbeat.ts'
import { joinGroupHandler } from '../handlers/join-group.ts'
import { leaveGroupHandler } from '../handlers/leave-group.ts'
import { listGroupsHandler } from '../handlers/list-groups.ts'
import { offsetCommitHandler } from '../handlers/offset-commit.ts'
import { offsetDeleteHandler } from '../handlers/offset-delete.ts'
import { offsetFetchHandler } from '../handlers/offset-fetch.ts'
import { syncGroupHandler } from '../handlers/sync-group.ts'
import { txnOffsetCommitHandler } from '../handlers/txn-offset-commit.ts'

export function groupApis({ features }: BrokerParts, { groups, consumerGroups }: Coordinators): Api[] {
  const heartbeat = gated(features, 'group.version', consumerGroupHeartbeatHandler(consumerGroups), refusedHeartbeat)
  const describe = gated(features, 'group.version', consumerGroupDescribeHandler(consumerGroups), refusedGroups)
  return [
    api(OffsetCommitRequest, OffsetCommitResponse, offsetCommitHandler(groups)),
    api(OffsetFetchRequest, OffsetFetchResponse, offsetFetchHandler(groups)),
    api(JoinGroupRequest, JoinGroupResponse, joinGroupHandler(groups)),
    api(HeartbeatRequest, HeartbeatResponse, heartbeatHandler(groups)),
    api(LeaveGroupRequest, LeaveGroupResponse, leaveGroupHandler(groups)),
    api(SyncGroupRequest, SyncGroupResponse, syncGroupHandler(groups)),
    api(DescribeGroupsRequest, DescribeGroupsResponse, describeGroupsHandler(groups)),
    api(ListGroupsRequest, ListGroupsResponse, listGroupsHandler(groups)),
    api(DeleteGroupsRequest, DeleteGroupsResponse, deleteGroupsHandler(groups)),
    api(OffsetDeleteRequest, OffsetDeleteResponse, offsetDeleteHandler(groups)),
    api(TxnOffsetCommitRequest, TxnOffsetCommitResponse, txnOffsetCommitHandler(groups)),
    api(ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, heartbeat),
    api(ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, describe)
  ]
}
