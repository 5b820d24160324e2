import { request, response } from '../message.ts'
import { array, bool, type Infer, int16, int32, int64, int64Saturated, string, struct } from '../schema.ts'

/**
 * DescribeLogDirs (key 35), request: asks for the sizes of replicas per log directory (KIP-113). Null topics mean
 * all.
 */
export const DescribeLogDirsRequest = request(
  { name: 'DescribeLogDirs', apiKey: 35, versions: [1, 5], flexibleFrom: 2 },
  {
    topics: array(struct({ topic: string, partitions: array(int32) })).nullable()
  }
)
export type DescribeLogDirsRequest = Infer<typeof DescribeLogDirsRequest>

/** DescribeLogDirs (key 35), response: directories, the replicas in them, and the space of the volume (KIP-827). */
export const DescribeLogDirsResponse = response(
  { name: 'DescribeLogDirs', apiKey: 35, versions: [1, 5], flexibleFrom: 2 },
  {
    throttleTimeMs: int32,
    errorCode: int16.in('3+').ignorable(),
    results: array(
      struct({
        errorCode: int16,
        logDir: string,
        topics: array(
          struct({
            name: string,
            partitions: array(
              struct({
                partitionIndex: int32,
                partitionSize: int64,
                offsetLag: int64,
                isFutureKey: bool
              })
            )
          })
        ),
        totalBytes: int64Saturated.in('4+').or(-1).ignorable(),
        usableBytes: int64Saturated.in('4+').or(-1).ignorable(),
        isCordoned: bool.in('5+').ignorable()
      })
    )
  }
)
export type DescribeLogDirsResponse = Infer<typeof DescribeLogDirsResponse>
