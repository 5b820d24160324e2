/**
 * Records of `__share_group_state` (KIP-932). A key is told by its version.
 */
import { data } from '../message.ts'
import { array, type Infer, int8, int16, int32, int64Saturated, string, struct, uuid } from '../schema.ts'

/** Key of the whole state of a share partition. */
export const ShareSnapshotKey = data(
  { name: 'ShareSnapshotKey', versions: [0, 0] },
  { groupId: string, topicId: uuid, partition: int32 }
)
export type ShareSnapshotKey = Infer<typeof ShareSnapshotKey>

/** The whole state of a share partition. */
export const ShareSnapshotValue = data(
  { name: 'ShareSnapshotValue', versions: [0, 0], flexibleFrom: 0 },
  {
    snapshotEpoch: int32,
    stateEpoch: int32,
    leaderEpoch: int32,
    startOffset: int64Saturated,
    deliveryCompleteCount: int32.tag(0, '0+').or(-1),
    createTimestamp: int64Saturated,
    writeTimestamp: int64Saturated,
    stateBatches: array(
      struct({ firstOffset: int64Saturated, lastOffset: int64Saturated, deliveryState: int8, deliveryCount: int16 })
    )
  }
)
export type ShareSnapshotValue = Infer<typeof ShareSnapshotValue>

/** Key of a change of the state of a share partition. */
export const ShareUpdateKey = data(
  { name: 'ShareUpdateKey', versions: [1, 1] },
  { groupId: string, topicId: uuid, partition: int32 }
)
export type ShareUpdateKey = Infer<typeof ShareUpdateKey>

/** What changed in a share partition since its last snapshot. */
export const ShareUpdateValue = data(
  { name: 'ShareUpdateValue', versions: [0, 0], flexibleFrom: 0 },
  {
    snapshotEpoch: int32,
    leaderEpoch: int32,
    startOffset: int64Saturated,
    deliveryCompleteCount: int32.tag(0, '0+').or(-1),
    stateBatches: array(
      struct({ firstOffset: int64Saturated, lastOffset: int64Saturated, deliveryState: int8, deliveryCount: int16 })
    )
  }
)
export type ShareUpdateValue = Infer<typeof ShareUpdateValue>
