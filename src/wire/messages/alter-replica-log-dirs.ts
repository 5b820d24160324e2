import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, string, struct } from '../schema.ts'

/** AlterReplicaLogDirs (key 34), request: asks for replicas to be moved to a log directory of the broker (KIP-113). */
export const AlterReplicaLogDirsRequest = request(
  { name: 'AlterReplicaLogDirs', apiKey: 34, versions: [1, 2], flexibleFrom: 2 },
  {
    dirs: array(
      struct({
        path: string,
        topics: array(struct({ name: string, partitions: array(int32) }))
      })
    )
  }
)
export type AlterReplicaLogDirsRequest = Infer<typeof AlterReplicaLogDirsRequest>

/** AlterReplicaLogDirs (key 34), response: an error code per partition. */
export const AlterReplicaLogDirsResponse = response(
  { name: 'AlterReplicaLogDirs', apiKey: 34, versions: [1, 2], flexibleFrom: 2 },
  {
    throttleTimeMs: int32,
    results: array(
      struct({
        topicName: string,
        partitions: array(struct({ partitionIndex: int32, errorCode: int16 }))
      })
    )
  }
)
export type AlterReplicaLogDirsResponse = Infer<typeof AlterReplicaLogDirsResponse>
