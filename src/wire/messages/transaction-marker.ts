/**
 * What a control record that ends a transaction holds (KIP-98), after two bytes of version.
 */
import { data } from '../message.ts'
import { type Infer, int32 } from '../schema.ts'

/** Value: which epoch of the coordinator ended the transaction. The key tells whether it was committed. */
export const EndTxnMarker = data({ name: 'EndTxnMarker', versions: [0, 0] }, { coordinatorEpoch: int32 })
export type EndTxnMarker = Infer<typeof EndTxnMarker>
