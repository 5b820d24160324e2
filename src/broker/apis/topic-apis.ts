/** Rows of topics, where their partitions are, and what is told of them. */

import {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse
} from '../../wire/messages/alter-partition-reassignments.ts'
import { AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse } from '../../wire/messages/alter-replica-log-dirs.ts'
import { CreatePartitionsRequest, CreatePartitionsResponse } from '../../wire/messages/create-partitions.ts'
import { CreateTopicsRequest, CreateTopicsResponse } from '../../wire/messages/create-topics.ts'
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../../wire/messages/delete-topics.ts'
import { DescribeLogDirsRequest, DescribeLogDirsResponse } from '../../wire/messages/describe-log-dirs.ts'
import {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse
} from '../../wire/messages/describe-topic-partitions.ts'
import { ElectLeadersRequest, ElectLeadersResponse } from '../../wire/messages/elect-leaders.ts'
import {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse
} from '../../wire/messages/list-partition-reassignments.ts'
import { MetadataRequest, MetadataResponse } from '../../wire/messages/metadata.ts'
import { type Api, api } from '../api.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Coordinators } from '../coordinators.ts'
import { alterPartitionReassignmentsHandler } from '../handlers/alter-partition-reassignments.ts'
import { alterReplicaLogDirsHandler } from '../handlers/alter-replica-log-dirs.ts'
import { createPartitionsHandler } from '../handlers/create-partitions.ts'
import { createTopicsHandler } from '../handlers/create-topics.ts'
import { deleteTopicsHandler } from '../handlers/delete-topics.ts'
import { describeLogDirsHandler } from '../handlers/describe-log-dirs.ts'
import { describeTopicPartitionsHandler } from '../handlers/describe-topic-partitions.ts'
import { electLeadersHandler } from '../handlers/elect-leaders.ts'
import { listPartitionReassignmentsHandler } from '../handlers/list-partition-reassignments.ts'
import { metadataHandler } from '../handlers/metadata.ts'

export function topicApis(parts: BrokerParts, { groups }: Coordinators): Api[] {
  return [
    api(MetadataRequest, MetadataResponse, metadataHandler(parts)),
    api(CreateTopicsRequest, CreateTopicsResponse, createTopicsHandler(parts)),
    api(DeleteTopicsRequest, DeleteTopicsResponse, deleteTopicsHandler(parts, groups)),
    api(CreatePartitionsRequest, CreatePartitionsResponse, createPartitionsHandler(parts)),
    api(DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, describeTopicPartitionsHandler(parts)),
    api(DescribeLogDirsRequest, DescribeLogDirsResponse, describeLogDirsHandler(parts)),
    api(AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, alterReplicaLogDirsHandler(parts)),
    api(ElectLeadersRequest, ElectLeadersResponse, electLeadersHandler(parts)),
    api(
      AlterPartitionReassignmentsRequest,
      AlterPartitionReassignmentsResponse,
      alterPartitionReassignmentsHandler(parts)
    ),
    api(ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, listPartitionReassignmentsHandler(parts))
  ]
}
