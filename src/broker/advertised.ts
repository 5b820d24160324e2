/** What clients are told of what they may do. */

/** Kafka's bits for what a caller may do: all of it, as long as there are no ACLs (`AclOperation` codes as bits). */
export const ALL_TOPIC_OPERATIONS = 0b1101_1111_1000
export const ALL_CLUSTER_OPERATIONS = 0b1_1111_1010_0000
/** Said when nobody asked. */
export const OPERATIONS_OMITTED = -0x8000_0000
