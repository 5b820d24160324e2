/** A record as `longhaul consume` prints it. */
import { isUtf8 } from 'node:buffer'
import { json } from './table.ts'

export interface ConsumedRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  /** Milliseconds since the epoch. */
  readonly timestamp: bigint
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly (readonly [name: Buffer | null, value: Buffer | null])[]
}

/**
 * One line of JSON. Keys and values are strings where they are UTF-8, else `{ "base64": "…" }`; headers are an array of
 * pairs, because names may repeat.
 */
export function recordAsJson(record: ConsumedRecord): string {
  const { topic, partition, offset, timestamp, key, value, headers } = record
  const pairs = headers.map(([name, content]) => [asJson(name), asJson(content)])
  return json({ topic, partition, offset, timestamp, key: asJson(key), value: asJson(value), headers: pairs })
}

function asJson(bytes: Buffer | null): unknown {
  if (bytes === null) return null
  return isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString('base64') }
}
