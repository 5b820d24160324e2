/**
 * APIs of a feature that may be switched off for the cluster (KIP-584): they are refused as if their version were not
 * served, each in the form of its answer.
 */
import { ErrorCode } from '../wire/error-codes.ts'
import type { Features } from './features.ts'
import type { Handler } from './handler.ts'

type Gate = 'group.version' | 'share.version' | 'streams.version'

export function gated<Request, Response, Refused>(
  features: Pick<Features, 'level'>,
  gate: Gate,
  handler: Handler<Request, Response>,
  refuse: (request: Request, refusal: Refusal) => Refused
): Handler<Request, Response | Refused> {
  return (request, context) => {
    if (features.level(gate) > 0) return handler(request, context)
    const errorMessage = `the cluster has ${gate} at level 0: raise it with kafka-features`
    return refuse(request, { errorCode: ErrorCode.UNSUPPORTED_VERSION, errorMessage })
  }
}

export interface Refusal {
  readonly errorCode: number
  readonly errorMessage: string
}

/** Of a heartbeat. */
export function refusedHeartbeat(_request: unknown, refusal: Refusal) {
  return { throttleTimeMs: 0, ...refusal, memberEpoch: 0, heartbeatIntervalMs: 0 }
}

/** Of a request that has one answer for all it asks. */
export function refusedWhole(_request: unknown, refusal: Refusal) {
  return { throttleTimeMs: 0, ...refusal, responses: [] }
}

/** Of a description of groups, each of which has an error of its own. */
export function refusedGroups({ groupIds }: { readonly groupIds: readonly string[] }, refusal: Refusal) {
  const nothing = { groupState: '', groupEpoch: 0, assignmentEpoch: 0, assignorName: '', members: [] }
  return { throttleTimeMs: 0, groups: groupIds.map((groupId) => ({ groupId, ...refusal, ...nothing })) }
}
