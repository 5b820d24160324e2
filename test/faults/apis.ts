/** The messages of each API, in pairs, for tests that speak the protocol themselves. */
import { AddOffsetsToTxnRequest, AddOffsetsToTxnResponse } from '../../src/wire/messages/add-offsets-to-txn.ts'
import { AddPartitionsToTxnRequest, AddPartitionsToTxnResponse } from '../../src/wire/messages/add-partitions-to-txn.ts'
import { ApiVersionsRequest, ApiVersionsResponse } from '../../src/wire/messages/api-versions.ts'
import { CreatePartitionsRequest, CreatePartitionsResponse } from '../../src/wire/messages/create-partitions.ts'
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/wire/messages/create-topics.ts'
import { DeleteGroupsRequest, DeleteGroupsResponse } from '../../src/wire/messages/delete-groups.ts'
import { DeleteRecordsRequest, DeleteRecordsResponse } from '../../src/wire/messages/delete-records.ts'
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../../src/wire/messages/delete-topics.ts'
import { DescribeClusterRequest, DescribeClusterResponse } from '../../src/wire/messages/describe-cluster.ts'
import { DescribeConfigsRequest, DescribeConfigsResponse } from '../../src/wire/messages/describe-configs.ts'
import { DescribeGroupsRequest, DescribeGroupsResponse } from '../../src/wire/messages/describe-groups.ts'
import { DescribeLogDirsRequest, DescribeLogDirsResponse } from '../../src/wire/messages/describe-log-dirs.ts'
import {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse
} from '../../src/wire/messages/describe-topic-partitions.ts'
import { EndTxnRequest, EndTxnResponse } from '../../src/wire/messages/end-txn.ts'
import { FetchRequest, FetchResponse } from '../../src/wire/messages/fetch.ts'
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../../src/wire/messages/find-coordinator.ts'
import { HeartbeatRequest, HeartbeatResponse } from '../../src/wire/messages/heartbeat.ts'
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse
} from '../../src/wire/messages/incremental-alter-configs.ts'
import { InitProducerIdRequest, InitProducerIdResponse } from '../../src/wire/messages/init-producer-id.ts'
import { JoinGroupRequest, JoinGroupResponse } from '../../src/wire/messages/join-group.ts'
import { LeaveGroupRequest, LeaveGroupResponse } from '../../src/wire/messages/leave-group.ts'
import { ListGroupsRequest, ListGroupsResponse } from '../../src/wire/messages/list-groups.ts'
import { ListOffsetsRequest, ListOffsetsResponse } from '../../src/wire/messages/list-offsets.ts'
import { MetadataRequest, MetadataResponse } from '../../src/wire/messages/metadata.ts'
import { OffsetCommitRequest, OffsetCommitResponse } from '../../src/wire/messages/offset-commit.ts'
import { OffsetDeleteRequest, OffsetDeleteResponse } from '../../src/wire/messages/offset-delete.ts'
import { OffsetFetchRequest, OffsetFetchResponse } from '../../src/wire/messages/offset-fetch.ts'
import {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse
} from '../../src/wire/messages/offset-for-leader-epoch.ts'
import { ProduceRequest, ProduceResponse } from '../../src/wire/messages/produce.ts'
import { SyncGroupRequest, SyncGroupResponse } from '../../src/wire/messages/sync-group.ts'
import { TxnOffsetCommitRequest, TxnOffsetCommitResponse } from '../../src/wire/messages/txn-offset-commit.ts'

export const apis = {
  addOffsetsToTxn: { request: AddOffsetsToTxnRequest, response: AddOffsetsToTxnResponse },
  addPartitionsToTxn: { request: AddPartitionsToTxnRequest, response: AddPartitionsToTxnResponse },
  apiVersions: { request: ApiVersionsRequest, response: ApiVersionsResponse },
  createPartitions: { request: CreatePartitionsRequest, response: CreatePartitionsResponse },
  createTopics: { request: CreateTopicsRequest, response: CreateTopicsResponse },
  deleteGroups: { request: DeleteGroupsRequest, response: DeleteGroupsResponse },
  deleteRecords: { request: DeleteRecordsRequest, response: DeleteRecordsResponse },
  deleteTopics: { request: DeleteTopicsRequest, response: DeleteTopicsResponse },
  describeCluster: { request: DescribeClusterRequest, response: DescribeClusterResponse },
  describeConfigs: { request: DescribeConfigsRequest, response: DescribeConfigsResponse },
  describeGroups: { request: DescribeGroupsRequest, response: DescribeGroupsResponse },
  describeLogDirs: { request: DescribeLogDirsRequest, response: DescribeLogDirsResponse },
  describeTopicPartitions: { request: DescribeTopicPartitionsRequest, response: DescribeTopicPartitionsResponse },
  endTxn: { request: EndTxnRequest, response: EndTxnResponse },
  fetch: { request: FetchRequest, response: FetchResponse },
  findCoordinator: { request: FindCoordinatorRequest, response: FindCoordinatorResponse },
  heartbeat: { request: HeartbeatRequest, response: HeartbeatResponse },
  incrementalAlterConfigs: { request: IncrementalAlterConfigsRequest, response: IncrementalAlterConfigsResponse },
  initProducerId: { request: InitProducerIdRequest, response: InitProducerIdResponse },
  joinGroup: { request: JoinGroupRequest, response: JoinGroupResponse },
  leaveGroup: { request: LeaveGroupRequest, response: LeaveGroupResponse },
  listGroups: { request: ListGroupsRequest, response: ListGroupsResponse },
  listOffsets: { request: ListOffsetsRequest, response: ListOffsetsResponse },
  metadata: { request: MetadataRequest, response: MetadataResponse },
  offsetCommit: { request: OffsetCommitRequest, response: OffsetCommitResponse },
  offsetDelete: { request: OffsetDeleteRequest, response: OffsetDeleteResponse },
  offsetFetch: { request: OffsetFetchRequest, response: OffsetFetchResponse },
  offsetForLeaderEpoch: { request: OffsetForLeaderEpochRequest, response: OffsetForLeaderEpochResponse },
  produce: { request: ProduceRequest, response: ProduceResponse },
  syncGroup: { request: SyncGroupRequest, response: SyncGroupResponse },
  txnOffsetCommit: { request: TxnOffsetCommitRequest, response: TxnOffsetCommitResponse }
} as const
