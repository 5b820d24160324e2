/** The messages of each API, in pairs, for tests that speak the protocol themselves. */
import { AddOffsetsToTxnRequest, AddOffsetsToTxnResponse } from '../../src/wire/messages/add-offsets-to-txn.ts'
import { AddPartitionsToTxnRequest, AddPartitionsToTxnResponse } from '../../src/wire/messages/add-partitions-to-txn.ts'
import { AlterClientQuotasRequest, AlterClientQuotasResponse } from '../../src/wire/messages/alter-client-quotas.ts'
import { AlterConfigsRequest, AlterConfigsResponse } from '../../src/wire/messages/alter-configs.ts'
import {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse
} from '../../src/wire/messages/alter-partition-reassignments.ts'
import {
  AlterReplicaLogDirsRequest,
  AlterReplicaLogDirsResponse
} from '../../src/wire/messages/alter-replica-log-dirs.ts'
import {
  AlterShareGroupOffsetsRequest,
  AlterShareGroupOffsetsResponse
} from '../../src/wire/messages/alter-share-group-offsets.ts'
import { ApiVersionsRequest, ApiVersionsResponse } from '../../src/wire/messages/api-versions.ts'
import {
  ConsumerGroupDescribeRequest,
  ConsumerGroupDescribeResponse
} from '../../src/wire/messages/consumer-group-describe.ts'
import {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse
} from '../../src/wire/messages/consumer-group-heartbeat.ts'
import { CreatePartitionsRequest, CreatePartitionsResponse } from '../../src/wire/messages/create-partitions.ts'
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/wire/messages/create-topics.ts'
import { DeleteGroupsRequest, DeleteGroupsResponse } from '../../src/wire/messages/delete-groups.ts'
import { DeleteRecordsRequest, DeleteRecordsResponse } from '../../src/wire/messages/delete-records.ts'
import {
  DeleteShareGroupOffsetsRequest,
  DeleteShareGroupOffsetsResponse
} from '../../src/wire/messages/delete-share-group-offsets.ts'
import {
  DeleteShareGroupStateRequest,
  DeleteShareGroupStateResponse
} from '../../src/wire/messages/delete-share-group-state.ts'
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../../src/wire/messages/delete-topics.ts'
import {
  DescribeClientQuotasRequest,
  DescribeClientQuotasResponse
} from '../../src/wire/messages/describe-client-quotas.ts'
import { DescribeClusterRequest, DescribeClusterResponse } from '../../src/wire/messages/describe-cluster.ts'
import { DescribeConfigsRequest, DescribeConfigsResponse } from '../../src/wire/messages/describe-configs.ts'
import { DescribeGroupsRequest, DescribeGroupsResponse } from '../../src/wire/messages/describe-groups.ts'
import { DescribeLogDirsRequest, DescribeLogDirsResponse } from '../../src/wire/messages/describe-log-dirs.ts'
import { DescribeProducersRequest, DescribeProducersResponse } from '../../src/wire/messages/describe-producers.ts'
import { DescribeQuorumRequest, DescribeQuorumResponse } from '../../src/wire/messages/describe-quorum.ts'
import {
  DescribeShareGroupOffsetsRequest,
  DescribeShareGroupOffsetsResponse
} from '../../src/wire/messages/describe-share-group-offsets.ts'
import {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse
} from '../../src/wire/messages/describe-topic-partitions.ts'
import {
  DescribeTransactionsRequest,
  DescribeTransactionsResponse
} from '../../src/wire/messages/describe-transactions.ts'
import { ElectLeadersRequest, ElectLeadersResponse } from '../../src/wire/messages/elect-leaders.ts'
import { EndTxnRequest, EndTxnResponse } from '../../src/wire/messages/end-txn.ts'
import { FetchRequest, FetchResponse } from '../../src/wire/messages/fetch.ts'
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../../src/wire/messages/find-coordinator.ts'
import {
  GetTelemetrySubscriptionsRequest,
  GetTelemetrySubscriptionsResponse
} from '../../src/wire/messages/get-telemetry-subscriptions.ts'
import { HeartbeatRequest, HeartbeatResponse } from '../../src/wire/messages/heartbeat.ts'
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse
} from '../../src/wire/messages/incremental-alter-configs.ts'
import { InitProducerIdRequest, InitProducerIdResponse } from '../../src/wire/messages/init-producer-id.ts'
import {
  InitializeShareGroupStateRequest,
  InitializeShareGroupStateResponse
} from '../../src/wire/messages/initialize-share-group-state.ts'
import { JoinGroupRequest, JoinGroupResponse } from '../../src/wire/messages/join-group.ts'
import { LeaveGroupRequest, LeaveGroupResponse } from '../../src/wire/messages/leave-group.ts'
import {
  ListConfigResourcesRequest,
  ListConfigResourcesResponse
} from '../../src/wire/messages/list-config-resources.ts'
import { ListGroupsRequest, ListGroupsResponse } from '../../src/wire/messages/list-groups.ts'
import { ListOffsetsRequest, ListOffsetsResponse } from '../../src/wire/messages/list-offsets.ts'
import {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse
} from '../../src/wire/messages/list-partition-reassignments.ts'
import { ListTransactionsRequest, ListTransactionsResponse } from '../../src/wire/messages/list-transactions.ts'
import { MetadataRequest, MetadataResponse } from '../../src/wire/messages/metadata.ts'
import { OffsetCommitRequest, OffsetCommitResponse } from '../../src/wire/messages/offset-commit.ts'
import { OffsetDeleteRequest, OffsetDeleteResponse } from '../../src/wire/messages/offset-delete.ts'
import { OffsetFetchRequest, OffsetFetchResponse } from '../../src/wire/messages/offset-fetch.ts'
import {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse
} from '../../src/wire/messages/offset-for-leader-epoch.ts'
import { ProduceRequest, ProduceResponse } from '../../src/wire/messages/produce.ts'
import { PushTelemetryRequest, PushTelemetryResponse } from '../../src/wire/messages/push-telemetry.ts'
import {
  ReadShareGroupStateRequest,
  ReadShareGroupStateResponse
} from '../../src/wire/messages/read-share-group-state.ts'
import {
  ReadShareGroupStateSummaryRequest,
  ReadShareGroupStateSummaryResponse
} from '../../src/wire/messages/read-share-group-state-summary.ts'
import { ShareAcknowledgeRequest, ShareAcknowledgeResponse } from '../../src/wire/messages/share-acknowledge.ts'
import { ShareFetchRequest, ShareFetchResponse } from '../../src/wire/messages/share-fetch.ts'
import { ShareGroupDescribeRequest, ShareGroupDescribeResponse } from '../../src/wire/messages/share-group-describe.ts'
import {
  ShareGroupHeartbeatRequest,
  ShareGroupHeartbeatResponse
} from '../../src/wire/messages/share-group-heartbeat.ts'
import {
  StreamsGroupDescribeRequest,
  StreamsGroupDescribeResponse
} from '../../src/wire/messages/streams-group-describe.ts'
import {
  StreamsGroupHeartbeatRequest,
  StreamsGroupHeartbeatResponse
} from '../../src/wire/messages/streams-group-heartbeat.ts'
import { SyncGroupRequest, SyncGroupResponse } from '../../src/wire/messages/sync-group.ts'
import { TxnOffsetCommitRequest, TxnOffsetCommitResponse } from '../../src/wire/messages/txn-offset-commit.ts'
import { UnregisterBrokerRequest, UnregisterBrokerResponse } from '../../src/wire/messages/unregister-broker.ts'
import { UpdateFeaturesRequest, UpdateFeaturesResponse } from '../../src/wire/messages/update-features.ts'
import {
  WriteShareGroupStateRequest,
  WriteShareGroupStateResponse
} from '../../src/wire/messages/write-share-group-state.ts'
import { WriteTxnMarkersRequest, WriteTxnMarkersResponse } from '../../src/wire/messages/write-txn-markers.ts'

export const apis = {
  addOffsetsToTxn: { request: AddOffsetsToTxnRequest, response: AddOffsetsToTxnResponse },
  addPartitionsToTxn: { request: AddPartitionsToTxnRequest, response: AddPartitionsToTxnResponse },
  alterClientQuotas: { request: AlterClientQuotasRequest, response: AlterClientQuotasResponse },
  alterConfigs: { request: AlterConfigsRequest, response: AlterConfigsResponse },
  alterPartitionReassignments: {
    request: AlterPartitionReassignmentsRequest,
    response: AlterPartitionReassignmentsResponse
  },
  alterShareGroupOffsets: { request: AlterShareGroupOffsetsRequest, response: AlterShareGroupOffsetsResponse },
  apiVersions: { request: ApiVersionsRequest, response: ApiVersionsResponse },
  consumerGroupDescribe: { request: ConsumerGroupDescribeRequest, response: ConsumerGroupDescribeResponse },
  consumerGroupHeartbeat: { request: ConsumerGroupHeartbeatRequest, response: ConsumerGroupHeartbeatResponse },
  createPartitions: { request: CreatePartitionsRequest, response: CreatePartitionsResponse },
  createTopics: { request: CreateTopicsRequest, response: CreateTopicsResponse },
  deleteGroups: { request: DeleteGroupsRequest, response: DeleteGroupsResponse },
  deleteRecords: { request: DeleteRecordsRequest, response: DeleteRecordsResponse },
  deleteShareGroupOffsets: { request: DeleteShareGroupOffsetsRequest, response: DeleteShareGroupOffsetsResponse },
  deleteShareGroupState: { request: DeleteShareGroupStateRequest, response: DeleteShareGroupStateResponse },
  deleteTopics: { request: DeleteTopicsRequest, response: DeleteTopicsResponse },
  describeClientQuotas: { request: DescribeClientQuotasRequest, response: DescribeClientQuotasResponse },
  describeCluster: { request: DescribeClusterRequest, response: DescribeClusterResponse },
  describeConfigs: { request: DescribeConfigsRequest, response: DescribeConfigsResponse },
  describeGroups: { request: DescribeGroupsRequest, response: DescribeGroupsResponse },
  alterReplicaLogDirs: { request: AlterReplicaLogDirsRequest, response: AlterReplicaLogDirsResponse },
  describeLogDirs: { request: DescribeLogDirsRequest, response: DescribeLogDirsResponse },
  describeProducers: { request: DescribeProducersRequest, response: DescribeProducersResponse },
  describeQuorum: { request: DescribeQuorumRequest, response: DescribeQuorumResponse },
  describeShareGroupOffsets: { request: DescribeShareGroupOffsetsRequest, response: DescribeShareGroupOffsetsResponse },
  describeTopicPartitions: { request: DescribeTopicPartitionsRequest, response: DescribeTopicPartitionsResponse },
  describeTransactions: { request: DescribeTransactionsRequest, response: DescribeTransactionsResponse },
  electLeaders: { request: ElectLeadersRequest, response: ElectLeadersResponse },
  endTxn: { request: EndTxnRequest, response: EndTxnResponse },
  fetch: { request: FetchRequest, response: FetchResponse },
  findCoordinator: { request: FindCoordinatorRequest, response: FindCoordinatorResponse },
  getTelemetrySubscriptions: { request: GetTelemetrySubscriptionsRequest, response: GetTelemetrySubscriptionsResponse },
  heartbeat: { request: HeartbeatRequest, response: HeartbeatResponse },
  incrementalAlterConfigs: { request: IncrementalAlterConfigsRequest, response: IncrementalAlterConfigsResponse },
  initProducerId: { request: InitProducerIdRequest, response: InitProducerIdResponse },
  initializeShareGroupState: { request: InitializeShareGroupStateRequest, response: InitializeShareGroupStateResponse },
  joinGroup: { request: JoinGroupRequest, response: JoinGroupResponse },
  leaveGroup: { request: LeaveGroupRequest, response: LeaveGroupResponse },
  listConfigResources: { request: ListConfigResourcesRequest, response: ListConfigResourcesResponse },
  listGroups: { request: ListGroupsRequest, response: ListGroupsResponse },
  listOffsets: { request: ListOffsetsRequest, response: ListOffsetsResponse },
  listPartitionReassignments: {
    request: ListPartitionReassignmentsRequest,
    response: ListPartitionReassignmentsResponse
  },
  listTransactions: { request: ListTransactionsRequest, response: ListTransactionsResponse },
  metadata: { request: MetadataRequest, response: MetadataResponse },
  offsetCommit: { request: OffsetCommitRequest, response: OffsetCommitResponse },
  offsetDelete: { request: OffsetDeleteRequest, response: OffsetDeleteResponse },
  offsetFetch: { request: OffsetFetchRequest, response: OffsetFetchResponse },
  offsetForLeaderEpoch: { request: OffsetForLeaderEpochRequest, response: OffsetForLeaderEpochResponse },
  produce: { request: ProduceRequest, response: ProduceResponse },
  pushTelemetry: { request: PushTelemetryRequest, response: PushTelemetryResponse },
  readShareGroupState: { request: ReadShareGroupStateRequest, response: ReadShareGroupStateResponse },
  readShareGroupStateSummary: {
    request: ReadShareGroupStateSummaryRequest,
    response: ReadShareGroupStateSummaryResponse
  },
  shareAcknowledge: { request: ShareAcknowledgeRequest, response: ShareAcknowledgeResponse },
  shareFetch: { request: ShareFetchRequest, response: ShareFetchResponse },
  shareGroupDescribe: { request: ShareGroupDescribeRequest, response: ShareGroupDescribeResponse },
  shareGroupHeartbeat: { request: ShareGroupHeartbeatRequest, response: ShareGroupHeartbeatResponse },
  streamsGroupDescribe: { request: StreamsGroupDescribeRequest, response: StreamsGroupDescribeResponse },
  streamsGroupHeartbeat: { request: StreamsGroupHeartbeatRequest, response: StreamsGroupHeartbeatResponse },
  syncGroup: { request: SyncGroupRequest, response: SyncGroupResponse },
  txnOffsetCommit: { request: TxnOffsetCommitRequest, response: TxnOffsetCommitResponse },
  unregisterBroker: { request: UnregisterBrokerRequest, response: UnregisterBrokerResponse },
  updateFeatures: { request: UpdateFeaturesRequest, response: UpdateFeaturesResponse },
  writeShareGroupState: { request: WriteShareGroupStateRequest, response: WriteShareGroupStateResponse },
  writeTxnMarkers: { request: WriteTxnMarkersRequest, response: WriteTxnMarkersResponse }
} as const
