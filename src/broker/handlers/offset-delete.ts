/** OffsetDelete v0: refuses topics that the group still subscribes to. */
import type { OffsetDeleteRequest, OffsetDeleteResponse } from '../../wire/messages/offset-delete.ts'
import type { GroupCoordinator } from '../groups/group-coordinator.ts'
import type { Handler } from '../handler.ts'

export function offsetDeleteHandler(coordinator: GroupCoordinator): Handler<OffsetDeleteRequest, OffsetDeleteResponse> {
  return (request) => coordinator.offsetDelete(request)
}
