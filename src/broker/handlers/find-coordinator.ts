/**
 * FindCoordinator v0 to v6 (KIP-699, KIP-932): the leader of the internal partition that holds a group, a transactional id
 * or the state of a share partition, which on one node is always this one.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { FindCoordinatorRequest, FindCoordinatorResponse } from '../../wire/messages/find-coordinator.ts'
import type { InferInput } from '../../wire/schema.ts'
import { thisBroker } from '../advertised.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Handler } from '../handler.ts'

type Answer = InferInput<typeof FindCoordinatorResponse>
type Coordinator = NonNullable<Answer['coordinators']>[number]

const KEY_TYPE = { group: 0, transaction: 1, share: 2 } as const
/** The first version that asks for several keys at once. */
const BATCHED_VERSION = 4
/** The first version that may ask for a share coordinator. */
const SHARE_VERSION = 6
/** Group, topic id, partition. */
const SHARE_KEY = /^.+:[A-Za-z0-9_-]{22}:\d+$/

export function findCoordinatorHandler(parts: BrokerParts): Handler<FindCoordinatorRequest, Answer> {
  return ({ keyType, key, coordinatorKeys }, { apiVersion }) => {
    const find = (wanted: string): Coordinator => {
      const problem = keyProblem(keyType, wanted, apiVersion)
      if (problem === undefined) {
        const { nodeId, host, port } = thisBroker(parts)
        return { key: wanted, nodeId, host, port, errorCode: ErrorCode.NONE, errorMessage: null }
      }
      const errorCode = ErrorCode.INVALID_REQUEST
      return { key: wanted, nodeId: -1, host: '', port: -1, errorCode, errorMessage: problem }
    }
    if (apiVersion >= BATCHED_VERSION) return { coordinators: coordinatorKeys.map(find) }
    const { nodeId, host, port, errorCode, errorMessage } = find(key)
    return { nodeId, host, port, errorCode, errorMessage: errorMessage ?? null }
  }
}

function keyProblem(keyType: number, key: string, apiVersion: number): string | undefined {
  switch (keyType) {
    case KEY_TYPE.group:
    case KEY_TYPE.transaction:
      return undefined
    case KEY_TYPE.share:
      if (apiVersion < SHARE_VERSION) return `version ${apiVersion} cannot ask for a share coordinator`
      return SHARE_KEY.test(key) ? undefined : `${key} is not a group, topic id and partition with colons between them`
    default:
      return `there is no coordinator of type ${keyType}`
  }
}
