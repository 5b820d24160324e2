import { request, response } from '../message.ts'
import { type Infer, int16, int32, string } from '../schema.ts'

/** Heartbeat (key 12), request: tells the coordinator that a member lives. Static members from v3 (KIP-345). */
export const HeartbeatRequest = request(
  { name: 'Heartbeat', apiKey: 12, versions: [0, 4], flexibleFrom: 4 },
  {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: string.nullable().in('3+').or(null)
  }
)
export type HeartbeatRequest = Infer<typeof HeartbeatRequest>

/** Heartbeat (key 12), response: the error code says whether to rejoin. */
export const HeartbeatResponse = response(
  { name: 'Heartbeat', apiKey: 12, versions: [0, 4], flexibleFrom: 4 },
  {
    throttleTimeMs: int32.in('1+').ignorable(),
    errorCode: int16
  }
)
export type HeartbeatResponse = Infer<typeof HeartbeatResponse>
