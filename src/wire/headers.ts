/**
 * What precedes a message in its frame. Request header v1 (rigid) and v2 (flexible), response header v0 and v1.
 * The version of a header follows from whether its message is flexible; the caller knows that.
 */
import type { Reader, Writer } from './buffers.ts'

export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
}

const API_VERSIONS_KEY = 18

/**
 * A client that does not know the broker yet must be able to read the answer to ApiVersions, so its header is never
 * flexible (KIP-511).
 */
export function hasFlexibleResponseHeader(apiKey: number, messageIsFlexible: boolean): boolean {
  return messageIsFlexible && apiKey !== API_VERSIONS_KEY
}

/** `isFlexible` tells it of a request; for versions it does not know it should answer as for the newest. */
export function decodeRequestHeader(
  reader: Reader,
  isFlexible: (apiKey: number, apiVersion: number) => boolean
): RequestHeader {
  const apiKey = reader.int16()
  const apiVersion = reader.int16()
  const correlationId = reader.int32()
  const clientId = reader.string(false, true) // never compact: brokers older than the request read it too
  if (isFlexible(apiKey, apiVersion)) reader.skipTags()
  return { apiKey, apiVersion, correlationId, clientId }
}

export function encodeRequestHeader(writer: Writer, header: RequestHeader, flexible: boolean): void {
  writer.int16(header.apiKey)
  writer.int16(header.apiVersion)
  writer.int32(header.correlationId)
  writer.string(header.clientId, false, true)
  if (flexible) writer.uvarint(0)
}

/** `flexible` as `hasFlexibleResponseHeader` tells. */
export function encodeResponseHeader(writer: Writer, correlationId: number, flexible: boolean): void {
  writer.int32(correlationId)
  if (flexible) writer.uvarint(0)
}

/** Returns the correlation id. `flexible` as `hasFlexibleResponseHeader` tells. */
export function decodeResponseHeader(reader: Reader, flexible: boolean): number {
  const correlationId = reader.int32()
  if (flexible) reader.skipTags()
  return correlationId
}
