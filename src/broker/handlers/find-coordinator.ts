/**
 * FindCoordinator v0 to v6 (KIP-699, KIP-932): the leader of the internal partition that holds a group, a transactional id
 * or the state of a share partition. Unlike Kafka, which answers COORDINATOR_NOT_AVAILABLE first, the answer to the first one
 * of all waits until the internal topic is there.
 */
import { isFault } from '../../runtime/fault.ts'
import type { Log } from '../../runtime/log.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { FindCoordinatorRequest, FindCoordinatorResponse } from '../../wire/messages/find-coordinator.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerPlace } from '../cluster-view.ts'
import type { CoordinatorPlaces } from '../coordinator-places.ts'
import type { Coordinators } from '../coordinators.ts'
import type { Handler } from '../handler.ts'
import type { NodeSecurity } from '../security/node-security.ts'

type Answer = InferInput<typeof FindCoordinatorResponse>
type Coordinator = NonNullable<Answer['coordinators']>[number]

type CoordinatorType = keyof Coordinators['places']

const KEY_TYPE = { group: 0, transaction: 1, share: 2 } as const
/** By their codes. */
const TYPES: readonly CoordinatorType[] = ['group', 'transaction', 'share']
/** The first version that asks for several keys at once. */
const BATCHED_VERSION = 4
/** The first version that may ask for a share coordinator. */
const SHARE_VERSION = 6
/** Group, topic id, partition. */
const SHARE_KEY = /^.+:[A-Za-z0-9_-]{22}:\d+$/

/** `places`: by type. What only brokers ask is who keeps the state of a share partition. */
export function findCoordinatorHandler(
  places: Coordinators['places'],
  log: Log,
  security?: NodeSecurity
): Handler<FindCoordinatorRequest, Answer> {
  return async ({ keyType, key, coordinatorKeys }, { apiVersion, peer }) => {
    const find = async (wanted: string): Promise<Coordinator> => {
      const problem = keyProblem(keyType, wanted, apiVersion)
      if (problem !== undefined) return refused(wanted, ErrorCode.INVALID_REQUEST, problem)
      const type = TYPES[keyType] as CoordinatorType
      if (type === 'share' && security?.requireNodeAuthentication === true && !peer.isNode) {
        return refused(wanted, ErrorCode.CLUSTER_AUTHORIZATION_FAILED, 'only brokers ask for share coordinators')
      }
      const place = await findPlace(places[type], wanted, log)
      if (place === undefined) return refused(wanted, ErrorCode.COORDINATOR_NOT_AVAILABLE, AWAY)
      const { nodeId, host, port } = place
      return { key: wanted, nodeId, host, port, errorCode: ErrorCode.NONE, errorMessage: null }
    }
    if (apiVersion >= BATCHED_VERSION) return { coordinators: await Promise.all(coordinatorKeys.map(find)) }
    const { nodeId, host, port, errorCode, errorMessage } = await find(key)
    return { nodeId, host, port, errorCode, errorMessage: errorMessage ?? null }
  }
}

const AWAY = 'the coordinator is away: ask again'

async function findPlace(places: CoordinatorPlaces, key: string, log: Log): Promise<BrokerPlace | undefined> {
  try {
    return await places.find(key)
  } catch (error) {
    if (!isFault(error)) throw error
    log.warn({ key, error: error.message }, 'the topic of a coordinator cannot be made')
    return undefined
  }
}

function refused(key: string, errorCode: number, errorMessage: string): Coordinator {
  return { key, nodeId: -1, host: '', port: -1, errorCode, errorMessage }
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
