/** Rows of idempotent and transactional producers. */
import { AddOffsetsToTxnRequest, AddOffsetsToTxnResponse } from '../../wire/messages/add-offsets-to-txn.ts'
import { AddPartitionsToTxnRequest, AddPartitionsToTxnResponse } from '../../wire/messages/add-partitions-to-txn.ts'
import { DescribeProducersRequest, DescribeProducersResponse } from '../../wire/messages/describe-producers.ts'
import { DescribeTransactionsRequest, DescribeTransactionsResponse } from '../../wire/messages/describe-transactions.ts'
import { EndTxnRequest, EndTxnResponse } from '../../wire/messages/end-txn.ts'
import { InitProducerIdRequest, InitProducerIdResponse } from '../../wire/messages/init-producer-id.ts'
import { ListTransactionsRequest, ListTransactionsResponse } from '../../wire/messages/list-transactions.ts'
import { WriteTxnMarkersRequest, WriteTxnMarkersResponse } from '../../wire/messages/write-txn-markers.ts'
import { type Api, api } from '../api.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Coordinators } from '../coordinators.ts'
import { addOffsetsToTxnHandler } from '../handlers/add-offsets-to-txn.ts'
import { addPartitionsToTxnHandler } from '../handlers/add-partitions-to-txn.ts'
import { describeProducersHandler } from '../handlers/describe-producers.ts'
import { describeTransactionsHandler } from '../handlers/describe-transactions.ts'
import { endTxnHandler } from '../handlers/end-txn.ts'
import { initProducerIdHandler } from '../handlers/init-producer-id.ts'
import { listTransactionsHandler } from '../handlers/list-transactions.ts'
import { writeTxnMarkersHandler } from '../handlers/write-txn-markers.ts'

export function transactionApis(parts: BrokerParts, coordinators: Coordinators): Api[] {
  const { transactions, transactionEnds, offsetsLogs } = coordinators
  const offsetsPartitions = () => offsetsLogs.partitionCount()
  return [
    api(InitProducerIdRequest, InitProducerIdResponse, initProducerIdHandler(parts, transactions)),
    api(
      AddPartitionsToTxnRequest,
      AddPartitionsToTxnResponse,
      addPartitionsToTxnHandler(parts.topics, transactions, parts.security)
    ),
    api(AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, addOffsetsToTxnHandler(transactions, offsetsPartitions)),
    api(EndTxnRequest, EndTxnResponse, endTxnHandler(transactions)),
    api(WriteTxnMarkersRequest, WriteTxnMarkersResponse, writeTxnMarkersHandler(transactionEnds)),
    api(DescribeProducersRequest, DescribeProducersResponse, describeProducersHandler(parts)),
    api(DescribeTransactionsRequest, DescribeTransactionsResponse, describeTransactionsHandler(transactions)),
    api(ListTransactionsRequest, ListTransactionsResponse, listTransactionsHandler(parts, transactions))
  ]
}
