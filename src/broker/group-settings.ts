/**
 * The settings of groups (Kafka's GROUP resource, KIP-848, KIP-932, KIP-1071), ready to use: what was set for the group,
 * else what the broker says for all, kept within the broker's bounds.
 *
 * Names, checks and documentation stand in `settings/group-declarations.ts`. Nothing here is kept: ask again at each use,
 * settings change while a group lives.
 */

export interface GroupSettings {
  readonly consumerSessionTimeoutMs: number
  readonly consumerHeartbeatIntervalMs: number
  readonly consumerAssignmentIntervalMs: number
  readonly shareSessionTimeoutMs: number
  readonly shareHeartbeatIntervalMs: number
  readonly shareRecordLockDurationMs: number
  readonly shareDeliveryCountLimit: number
  readonly sharePartitionMaxRecordLocks: number
  readonly shareAutoOffsetReset: ShareOffsetReset
  readonly shareIsolationLevel: 'read_committed' | 'read_uncommitted'
  readonly shareRenewAcknowledgeEnable: boolean
  readonly shareAssignmentIntervalMs: number
  readonly streamsSessionTimeoutMs: number
  readonly streamsHeartbeatIntervalMs: number
  readonly streamsNumStandbyReplicas: number
  readonly streamsInitialRebalanceDelayMs: number
  readonly streamsAssignmentIntervalMs: number
}

/** Where a share group begins to read a partition. */
export type ShareOffsetReset =
  | { readonly kind: 'earliest' | 'latest' }
  /** At the first record that is at most so old. */
  | { readonly kind: 'by-duration'; readonly durationMs: number }

/** Never fails: a group that nobody has heard of has the broker's settings. */
export type GroupSettingsOf = (groupId: string) => GroupSettings

/** Kafka's defaults of all of them: what a group has on a broker where nothing was set. */
export const DEFAULT_GROUP_SETTINGS: GroupSettings = {
  consumerSessionTimeoutMs: 45_000,
  consumerHeartbeatIntervalMs: 5_000,
  consumerAssignmentIntervalMs: 1_000,
  shareSessionTimeoutMs: 45_000,
  shareHeartbeatIntervalMs: 5_000,
  shareRecordLockDurationMs: 30_000,
  shareDeliveryCountLimit: 5,
  sharePartitionMaxRecordLocks: 2_000,
  shareAutoOffsetReset: { kind: 'latest' },
  shareIsolationLevel: 'read_uncommitted',
  shareRenewAcknowledgeEnable: true,
  shareAssignmentIntervalMs: 1_000,
  streamsSessionTimeoutMs: 45_000,
  streamsHeartbeatIntervalMs: 5_000,
  streamsNumStandbyReplicas: 0,
  streamsInitialRebalanceDelayMs: 3_000,
  streamsAssignmentIntervalMs: 1_000
}
