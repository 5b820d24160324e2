/** Produce v0 to v2: advertised, never served (see the schema); each partition is refused with UNSUPPORTED_VERSION. */
import type { Reader } from '../../wire/buffers.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { RequestHeader } from '../../wire/headers.ts'
import { LegacyProduceRequest, LegacyProduceResponse } from '../../wire/messages/produce-legacy.ts'
import type { VersionRefusal } from '../handler.ts'

export function refuseLegacyProduce(header: RequestHeader, reader: Reader): VersionRefusal | undefined {
  const version = header.apiVersion
  if (!LegacyProduceRequest.supports(version)) return undefined
  const request = LegacyProduceRequest.decode(reader, version)
  // Without acknowledgements nobody reads an answer: the connection closes.
  if (request.acks === 0) return undefined
  const errorCode = ErrorCode.UNSUPPORTED_VERSION
  const responses = request.topicData.map(({ name, partitionData }) => ({
    name,
    partitionResponses: partitionData.map(({ index }) => ({ index, errorCode, baseOffset: -1 }))
  }))
  return { message: LegacyProduceResponse, version, response: { responses } }
}
