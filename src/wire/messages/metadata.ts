import { request, response } from '../message.ts'
import { array, bool, type Infer, int16, int32, string, struct, uuid } from '../schema.ts'

/**
 * Metadata (key 3), request: asks for brokers, topics and partitions. From v1 null means all topics and an empty
 * list none.
 */
export const MetadataRequest = request(
  { name: 'Metadata', apiKey: 3, versions: [0, 13], flexibleFrom: 9 },
  {
    topics: array(struct({ topicId: uuid.in('10+').ignorable(), name: string.nullable('10+') })).nullable('1+'),
    allowAutoTopicCreation: bool.in('4+').or(true),
    includeClusterAuthorizedOperations: bool.in('8-10'),
    includeTopicAuthorizedOperations: bool.in('8+')
  }
)
export type MetadataRequest = Infer<typeof MetadataRequest>

/** Metadata (key 3), response: brokers, topics with ids (KIP-516) and leaders with epochs (KIP-320). */
export const MetadataResponse = response(
  { name: 'Metadata', apiKey: 3, versions: [0, 13], flexibleFrom: 9 },
  {
    throttleTimeMs: int32.in('3+').ignorable(),
    brokers: array(
      struct({
        nodeId: int32,
        host: string,
        port: int32,
        rack: string.nullable().in('1+').or(null).ignorable()
      })
    ),
    clusterId: string.nullable().in('2+').or(null).ignorable(),
    controllerId: int32.in('1+').or(-1).ignorable(),
    topics: array(
      struct({
        errorCode: int16,
        name: string.nullable('12+'),
        topicId: uuid.in('10+').ignorable(),
        isInternal: bool.in('1+').ignorable(),
        partitions: array(
          struct({
            errorCode: int16,
            partitionIndex: int32,
            leaderId: int32,
            leaderEpoch: int32.in('7+').or(-1).ignorable(),
            replicaNodes: array(int32),
            isrNodes: array(int32),
            offlineReplicas: array(int32).in('5+').ignorable()
          })
        ),
        topicAuthorizedOperations: int32.in('8+').or(-0x8000_0000)
      })
    ),
    clusterAuthorizedOperations: int32.in('8-10').or(-0x8000_0000),
    errorCode: int16.in('13+').ignorable()
  }
)
export type MetadataResponse = Infer<typeof MetadataResponse>
