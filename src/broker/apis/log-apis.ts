/** Rows of records: produce, fetch, and where in a log one stands. */

import { DeleteRecordsRequest, DeleteRecordsResponse } from '../../wire/messages/delete-records.ts'
import { FetchRequest, FetchResponse } from '../../wire/messages/fetch.ts'
import { ListOffsetsRequest, ListOffsetsResponse } from '../../wire/messages/list-offsets.ts'
import {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse
} from '../../wire/messages/offset-for-leader-epoch.ts'
import { ProduceRequest, ProduceResponse } from '../../wire/messages/produce.ts'
import { type Api, api } from '../api.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Coordinators } from '../coordinators.ts'
import { deleteRecordsHandler } from '../handlers/delete-records.ts'
import { fetchHandler } from '../handlers/fetch.ts'
import { listOffsetsHandler } from '../handlers/list-offsets.ts'
import { offsetForLeaderEpochHandler } from '../handlers/offset-for-leader-epoch.ts'
import { produceHandler } from '../handlers/produce.ts'
import { refuseLegacyProduce } from '../handlers/produce-legacy.ts'

export function logApis(parts: BrokerParts, { transactionVerification }: Coordinators): Api[] {
  return [
    api(ProduceRequest, ProduceResponse, produceHandler(parts, transactionVerification), {
      pipelined: true,
      advertisedFrom: 0,
      refuse: refuseLegacyProduce
    }),
    api(FetchRequest, FetchResponse, fetchHandler(parts)),
    api(ListOffsetsRequest, ListOffsetsResponse, listOffsetsHandler(parts)),
    api(OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, offsetForLeaderEpochHandler(parts)),
    api(DeleteRecordsRequest, DeleteRecordsResponse, deleteRecordsHandler(parts))
  ]
}
