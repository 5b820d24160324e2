/** Rows of idempotent and transactional producers. */
import { InitProducerIdRequest, InitProducerIdResponse } from '../../wire/messages/init-producer-id.ts'
import { type Api, api } from '../api.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { initProducerIdHandler } from '../handlers/init-producer-id.ts'

export function transactionApis(parts: BrokerParts): Api[] {
  return [api(InitProducerIdRequest, InitProducerIdResponse, initProducerIdHandler(parts))]
}
