/**
 * Records of `__consumer_offsets`. Each message follows two bytes of version, see `versioned.ts`; the version of a key
 * also tells what kind of record it is: 0 and 1 an offset, 2 a classic group. Others belong to newer protocols.
 */
import { data } from '../message.ts'
import { array, bytes, type Infer, int32, int64Saturated, string, struct, uuid } from '../schema.ts'

/** Key of a committed offset; its versions 0 and 1 are the same. */
export const OffsetCommitKey = data(
  { name: 'OffsetCommitKey', versions: [0, 1] },
  {
    group: string,
    topic: string,
    partition: int32
  }
)
export type OffsetCommitKey = Infer<typeof OffsetCommitKey>

/** A committed offset. Expiry only in v1, leader epoch from v3 (KIP-320), topic id from v4 (KIP-848). */
export const OffsetCommitValue = data(
  { name: 'OffsetCommitValue', versions: [0, 4], flexibleFrom: 4 },
  {
    offset: int64Saturated,
    leaderEpoch: int32.in('3+').or(-1).ignorable(),
    metadata: string,
    commitTimestamp: int64Saturated,
    expireTimestamp: int64Saturated.in('1').or(-1).ignorable(),
    topicId: uuid.tag(0, '4+').ignorable()
  }
)
export type OffsetCommitValue = Infer<typeof OffsetCommitValue>

/** Key of a classic group. */
export const GroupMetadataKey = data(
  { name: 'GroupMetadataKey', versions: [2, 2] },
  {
    group: string
  }
)
export type GroupMetadataKey = Infer<typeof GroupMetadataKey>

/** A classic group after a rebalance. Static members from v3 (KIP-345). */
export const GroupMetadataValue = data(
  { name: 'GroupMetadataValue', versions: [0, 4], flexibleFrom: 4 },
  {
    protocolType: string,
    generation: int32,
    protocol: string.nullable(),
    leader: string.nullable(),
    currentStateTimestamp: int64Saturated.in('2+').or(-1).ignorable(),
    members: array(
      struct({
        memberId: string,
        groupInstanceId: string.nullable().in('3+').or(null).ignorable(),
        clientId: string,
        clientHost: string,
        rebalanceTimeout: int32.in('1+').or(-1).ignorable(),
        sessionTimeout: int32,
        subscription: bytes,
        assignment: bytes
      })
    )
  }
)
export type GroupMetadataValue = Infer<typeof GroupMetadataValue>
