/**
 * Every API this broker answers, as one table. ApiVersions and docs/protocol.md derive from it, so they cannot claim
 * what is not there.
 */
import type { Reader } from '../wire/buffers.ts'
import type { RequestHeader } from '../wire/headers.ts'
import type { ApiMessage } from '../wire/message.ts'
import { ApiVersionsRequest, ApiVersionsResponse } from '../wire/messages/api-versions.ts'
import { CreatePartitionsRequest, CreatePartitionsResponse } from '../wire/messages/create-partitions.ts'
import { CreateTopicsRequest, CreateTopicsResponse } from '../wire/messages/create-topics.ts'
import { DeleteGroupsRequest, DeleteGroupsResponse } from '../wire/messages/delete-groups.ts'
import { DeleteRecordsRequest, DeleteRecordsResponse } from '../wire/messages/delete-records.ts'
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../wire/messages/delete-topics.ts'
import { DescribeClusterRequest, DescribeClusterResponse } from '../wire/messages/describe-cluster.ts'
import { DescribeConfigsRequest, DescribeConfigsResponse } from '../wire/messages/describe-configs.ts'
import { DescribeGroupsRequest, DescribeGroupsResponse } from '../wire/messages/describe-groups.ts'
import { DescribeLogDirsRequest, DescribeLogDirsResponse } from '../wire/messages/describe-log-dirs.ts'
import {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse
} from '../wire/messages/describe-topic-partitions.ts'
import { FetchRequest, FetchResponse } from '../wire/messages/fetch.ts'
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../wire/messages/find-coordinator.ts'
import { HeartbeatRequest, HeartbeatResponse } from '../wire/messages/heartbeat.ts'
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse
} from '../wire/messages/incremental-alter-configs.ts'
import { InitProducerIdRequest, InitProducerIdResponse } from '../wire/messages/init-producer-id.ts'
import { JoinGroupRequest, JoinGroupResponse } from '../wire/messages/join-group.ts'
import { LeaveGroupRequest, LeaveGroupResponse } from '../wire/messages/leave-group.ts'
import { ListGroupsRequest, ListGroupsResponse } from '../wire/messages/list-groups.ts'
import { ListOffsetsRequest, ListOffsetsResponse } from '../wire/messages/list-offsets.ts'
import { MetadataRequest, MetadataResponse } from '../wire/messages/metadata.ts'
import { OffsetCommitRequest, OffsetCommitResponse } from '../wire/messages/offset-commit.ts'
import { OffsetDeleteRequest, OffsetDeleteResponse } from '../wire/messages/offset-delete.ts'
import { OffsetFetchRequest, OffsetFetchResponse } from '../wire/messages/offset-fetch.ts'
import { OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse } from '../wire/messages/offset-for-leader-epoch.ts'
import { ProduceRequest, ProduceResponse } from '../wire/messages/produce.ts'
import { SyncGroupRequest, SyncGroupResponse } from '../wire/messages/sync-group.ts'
import type { BrokerParts } from './broker-parts.ts'
import type { GroupCoordinator } from './groups/group-coordinator.ts'
import type { AnyMessage, Handler, VersionRefusal } from './handler.ts'
import { type ApiRange, apiVersionsHandler, refuseApiVersions } from './handlers/api-versions.ts'
import { createPartitionsHandler } from './handlers/create-partitions.ts'
import { createTopicsHandler } from './handlers/create-topics.ts'
import { deleteGroupsHandler } from './handlers/delete-groups.ts'
import { deleteRecordsHandler } from './handlers/delete-records.ts'
import { deleteTopicsHandler } from './handlers/delete-topics.ts'
import { describeClusterHandler } from './handlers/describe-cluster.ts'
import { describeConfigsHandler } from './handlers/describe-configs.ts'
import { describeGroupsHandler } from './handlers/describe-groups.ts'
import { describeLogDirsHandler } from './handlers/describe-log-dirs.ts'
import { describeTopicPartitionsHandler } from './handlers/describe-topic-partitions.ts'
import { fetchHandler } from './handlers/fetch.ts'
import { findCoordinatorHandler } from './handlers/find-coordinator.ts'
import { heartbeatHandler } from './handlers/heartbeat.ts'
import { incrementalAlterConfigsHandler } from './handlers/incremental-alter-configs.ts'
import { initProducerIdHandler } from './handlers/init-producer-id.ts'
import { joinGroupHandler } from './handlers/join-group.ts'
import { leaveGroupHandler } from './handlers/leave-group.ts'
import { listGroupsHandler } from './handlers/list-groups.ts'
import { listOffsetsHandler } from './handlers/list-offsets.ts'
import { metadataHandler } from './handlers/metadata.ts'
import { offsetCommitHandler } from './handlers/offset-commit.ts'
import { offsetDeleteHandler } from './handlers/offset-delete.ts'
import { offsetFetchHandler } from './handlers/offset-fetch.ts'
import { offsetForLeaderEpochHandler } from './handlers/offset-for-leader-epoch.ts'
import { produceHandler } from './handlers/produce.ts'
import { refuseLegacyProduce } from './handlers/produce-legacy.ts'
import { syncGroupHandler } from './handlers/sync-group.ts'

export interface Api {
  readonly request: AnyMessage
  readonly response: AnyMessage
  readonly handler: Handler<unknown, unknown>
  /** The connection's next request is taken up before this one is answered. */
  readonly pipelined: boolean
  /** First version to advertise; lower than the first that is served where clients draw conclusions from it. */
  readonly advertisedFrom: number
  /** Answers versions that are not served; `undefined` closes the connection, as Kafka does. */
  readonly refuse: (header: RequestHeader, reader: Reader) => VersionRefusal | undefined
}

/** By api key. */
export type ApiTable = ReadonlyMap<number, Api>

interface Options {
  readonly pipelined?: boolean
  readonly advertisedFrom?: number
  readonly refuse?: Api['refuse']
}

/** One row: the types of schema and handler are checked against each other here and forgotten afterwards. */
function api<Request, RequestInput, ResponseOutput, Response>(
  request: ApiMessage<Request, RequestInput>,
  response: ApiMessage<ResponseOutput, Response>,
  handler: Handler<Request, Response | undefined>,
  options: Options = {}
): Api {
  return {
    request: request as AnyMessage,
    response: response as AnyMessage,
    handler: handler as Handler<unknown, unknown>,
    pipelined: options.pipelined ?? false,
    advertisedFrom: options.advertisedFrom ?? request.minVersion,
    refuse: options.refuse ?? (() => undefined)
  }
}

export function apiTable(parts: BrokerParts, groups: GroupCoordinator): ApiTable {
  const ranges: ApiRange[] = []
  const apis = [
    api(ProduceRequest, ProduceResponse, produceHandler(parts), {
      pipelined: true,
      advertisedFrom: 0,
      refuse: refuseLegacyProduce
    }),
    api(FetchRequest, FetchResponse, fetchHandler(parts)),
    api(ListOffsetsRequest, ListOffsetsResponse, listOffsetsHandler(parts)),
    api(MetadataRequest, MetadataResponse, metadataHandler(parts)),
    api(OffsetCommitRequest, OffsetCommitResponse, offsetCommitHandler(groups)),
    api(OffsetFetchRequest, OffsetFetchResponse, offsetFetchHandler(groups)),
    api(FindCoordinatorRequest, FindCoordinatorResponse, findCoordinatorHandler(parts)),
    api(JoinGroupRequest, JoinGroupResponse, joinGroupHandler(groups)),
    api(HeartbeatRequest, HeartbeatResponse, heartbeatHandler(groups)),
    api(LeaveGroupRequest, LeaveGroupResponse, leaveGroupHandler(groups)),
    api(SyncGroupRequest, SyncGroupResponse, syncGroupHandler(groups)),
    api(DescribeGroupsRequest, DescribeGroupsResponse, describeGroupsHandler(groups)),
    api(ListGroupsRequest, ListGroupsResponse, listGroupsHandler(groups)),
    api(ApiVersionsRequest, ApiVersionsResponse, apiVersionsHandler(ranges), { refuse: refuseApiVersions(ranges) }),
    api(CreateTopicsRequest, CreateTopicsResponse, createTopicsHandler(parts)),
    api(DeleteTopicsRequest, DeleteTopicsResponse, deleteTopicsHandler(parts, groups)),
    api(DeleteRecordsRequest, DeleteRecordsResponse, deleteRecordsHandler(parts)),
    api(InitProducerIdRequest, InitProducerIdResponse, initProducerIdHandler(parts)),
    api(OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, offsetForLeaderEpochHandler(parts)),
    api(DescribeConfigsRequest, DescribeConfigsResponse, describeConfigsHandler(parts)),
    api(IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, incrementalAlterConfigsHandler(parts)),
    api(DescribeLogDirsRequest, DescribeLogDirsResponse, describeLogDirsHandler(parts)),
    api(CreatePartitionsRequest, CreatePartitionsResponse, createPartitionsHandler(parts)),
    api(DeleteGroupsRequest, DeleteGroupsResponse, deleteGroupsHandler(groups)),
    api(OffsetDeleteRequest, OffsetDeleteResponse, offsetDeleteHandler(groups)),
    api(DescribeClusterRequest, DescribeClusterResponse, describeClusterHandler(parts)),
    api(DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, describeTopicPartitionsHandler(parts))
  ]
  for (const { request, advertisedFrom } of apis) {
    ranges.push({ apiKey: request.apiKey, minVersion: advertisedFrom, maxVersion: request.maxVersion })
  }
  return new Map(apis.map((entry) => [entry.request.apiKey, entry]))
}
