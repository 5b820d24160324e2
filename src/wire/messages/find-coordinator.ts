import { request, response } from '../message.ts'
import { array, type Infer, int8, int16, int32, string, struct } from '../schema.ts'

/**
 * FindCoordinator (key 10), request: asks who coordinates a group (0), transactional id (1) or share group (2).
 * Several keys from v4 (KIP-699).
 */
export const FindCoordinatorRequest = request(
  { name: 'FindCoordinator', apiKey: 10, versions: [0, 6], flexibleFrom: 3 },
  {
    key: string.in('0-3'),
    keyType: int8.in('1+'),
    coordinatorKeys: array(string).in('4+')
  }
)
export type FindCoordinatorRequest = Infer<typeof FindCoordinatorRequest>

/** FindCoordinator (key 10), response: the coordinator: one up to v3, one per key from v4. */
export const FindCoordinatorResponse = response(
  { name: 'FindCoordinator', apiKey: 10, versions: [0, 6], flexibleFrom: 3 },
  {
    throttleTimeMs: int32.in('1+').ignorable(),
    errorCode: int16.in('0-3'),
    errorMessage: string.nullable().in('1-3').ignorable(),
    nodeId: int32.in('0-3'),
    host: string.in('0-3'),
    port: int32.in('0-3'),
    coordinators: array(
      struct({
        key: string,
        nodeId: int32,
        host: string,
        port: int32,
        errorCode: int16,
        errorMessage: string.nullable().or('')
      })
    ).in('4+')
  }
)
export type FindCoordinatorResponse = Infer<typeof FindCoordinatorResponse>
