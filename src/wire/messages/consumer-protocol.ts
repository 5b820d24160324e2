/** The embedded protocol of consumer groups. Each message follows two bytes of version, see `versioned.ts`. */
import { data } from '../message.ts'
import { array, bytes, type Infer, int32, string, struct } from '../schema.ts'

/**
 * What a consumer tells its group leader through JoinGroup: opaque to the broker. Owned partitions from v1
 * (KIP-429), generation from v2 (KIP-792), rack from v3 (KIP-881).
 */
export const ConsumerProtocolSubscription = data(
  { name: 'ConsumerProtocolSubscription', versions: [0, 3] },
  {
    topics: array(string),
    userData: bytes.nullable().or(null),
    ownedPartitions: array(struct({ topic: string, partitions: array(int32) }))
      .in('1+')
      .ignorable(),
    generationId: int32.in('2+').or(-1).ignorable(),
    rackId: string.nullable().in('3+').or(null).ignorable()
  }
)
export type ConsumerProtocolSubscription = Infer<typeof ConsumerProtocolSubscription>

/** What the group leader assigns to one consumer, carried by SyncGroup. */
export const ConsumerProtocolAssignment = data(
  { name: 'ConsumerProtocolAssignment', versions: [0, 3] },
  {
    assignedPartitions: array(struct({ topic: string, partitions: array(int32) })),
    userData: bytes.nullable().or(null)
  }
)
export type ConsumerProtocolAssignment = Infer<typeof ConsumerProtocolAssignment>
