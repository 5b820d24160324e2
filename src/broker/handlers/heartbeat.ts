/** Heartbeat v0–4: keeps a member's session alive and tells it to rejoin. Classic groups only. */
import type { HeartbeatRequest, HeartbeatResponse } from '../../wire/messages/heartbeat.ts'
import type { GroupCoordinator } from '../groups/group-coordinator.ts'
import type { Handler } from '../handler.ts'

export function heartbeatHandler(coordinator: GroupCoordinator): Handler<HeartbeatRequest, HeartbeatResponse> {
  return (request) => coordinator.heartbeat(request)
}
