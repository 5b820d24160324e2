/**
 * Which keys objects may have. One rule for every store, so that what works on a laptop works on S3 and the other
 * way round: `/`-separated segments of ASCII letters, digits and `! _ . * ' ( ) = , : @ & + $ -`, none of them
 * empty, `.` or `..`. A segment is at most 255 bytes (file systems), a key at most 1024 (S3).
 * `~` is never legal: stores may use it for names of their own.
 */
import { Fault } from '../runtime/fault.ts'
import type { ByteRange } from './object-store.ts'

const KEY_BYTES_MAX = 1024
const SEGMENT_BYTES_MAX = 255
const SEGMENT = /^[A-Za-z0-9!_.*'()=,:@&+$-]+$/

export function requireKey(key: string): void {
  const problem = problemOfKey(key)
  if (problem !== undefined) throw new Fault('invalid', `object key ${JSON.stringify(key.slice(0, 200))}: ${problem}`)
}

/** For listings of places that others may write to. */
export function isKey(key: string): boolean {
  return problemOfKey(key) === undefined
}

/** A prefix may end anywhere inside a key; what it must not do is leave the store. */
export function requirePrefix(prefix: string): void {
  const segments = prefix.split('/')
  const last = segments.pop() ?? ''
  const problem = problemOf(segments) ?? (last === '' || SEGMENT.test(last) ? undefined : 'illegal character')
  if (problem !== undefined) throw new Fault('invalid', `key prefix ${JSON.stringify(prefix)}: ${problem}`)
}

/** Ranges that can be asked of any object: whole numbers, not empty (HTTP cannot express an empty range). */
export function requireRange(key: string, range: ByteRange): void {
  const { start, end } = range
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start < end) return
  throw new Fault('invalid', `range [${start}, ${end}) of object ${key}: needs whole numbers with 0 <= start < end`)
}

export function rangeBeyondEnd(key: string, range: ByteRange, size: number): Fault {
  return new Fault('invalid', `range [${range.start}, ${range.end}) of object ${key} ends beyond its ${size} bytes`)
}

function problemOfKey(key: string): string | undefined {
  return key.length > KEY_BYTES_MAX ? `longer than ${KEY_BYTES_MAX} bytes` : problemOf(key.split('/'))
}

function problemOf(segments: readonly string[]): string | undefined {
  for (const segment of segments) {
    if (segment === '') return 'empty segment: remove the leading, trailing or doubled "/"'
    if (segment === '.' || segment === '..') return `segment "${segment}" is not allowed`
    if (segment.length > SEGMENT_BYTES_MAX) return `segment longer than ${SEGMENT_BYTES_MAX} bytes`
    if (!SEGMENT.test(segment)) return `illegal character: use letters, digits and ! _ . * ' ( ) = , : @ & + $ -`
  }
  return undefined
}
