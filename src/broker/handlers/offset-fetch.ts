/** OffsetFetch v1–10: of one group, from v8 on of several; null topics mean all. v10 names topics by id. */
import type { OffsetFetchRequest, OffsetFetchResponse } from '../../wire/messages/offset-fetch.ts'
import type { GroupCoordinator } from '../groups/group-coordinator.ts'
import type { Handler } from '../handler.ts'

export function offsetFetchHandler(coordinator: GroupCoordinator): Handler<OffsetFetchRequest, OffsetFetchResponse> {
  return (request, context) => coordinator.offsetFetch(request, context)
}
