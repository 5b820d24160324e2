/** Resolves a schema for one version: which fields the body carries, which are tagged, which are absent. */
import { AssertionFault } from '../runtime/fault.ts'
import type { AnyField, Fields, VersionRange } from './schema.ts'

export interface Member {
  readonly name: string
  readonly field: AnyField
  readonly nullable: boolean
}

export interface Layout {
  /** Every field in the order of the schema, so that all versions of a decoded struct share one shape. */
  readonly names: readonly string[]
  readonly body: readonly Member[]
  /** Ascending by tag, as KIP-482 wants them on the wire. */
  readonly tagged: readonly (Member & { readonly tag: number })[]
  readonly absent: readonly Member[]
}

export interface Version {
  readonly number: number
  /** Whether lengths are compact and structs end with tagged fields (KIP-482). */
  readonly flexible: boolean
}

export function covers(range: VersionRange, version: number): boolean {
  const [first = '', last] = range.split('-')
  if (last !== undefined) return version >= Number(first) && version <= Number(last)
  return first.endsWith('+') ? version >= Number(first.slice(0, -1)) : version === Number(first)
}

export function layoutOf(fields: Fields, version: Version): Layout {
  const body: Member[] = []
  const tagged: (Member & { tag: number })[] = []
  const absent: Member[] = []
  for (const [name, field] of Object.entries(fields)) {
    const { versions, tagNumber: tag } = field.spec
    const member = { name, field, nullable: isNullable(field, version) }
    if (!covers(versions, version.number)) absent.push(member)
    else if (tag === undefined) body.push(member)
    else if (version.flexible) tagged.push({ ...member, tag })
    else throw new AssertionFault(`${name} is tagged in version ${version.number}, which is not flexible`)
  }
  tagged.sort((a, b) => a.tag - b.tag)
  return { names: Object.keys(fields), body, tagged, absent }
}

export function isNullable(field: AnyField, version: Version): boolean {
  const { nullableVersions } = field.spec
  return nullableVersions !== undefined && covers(nullableVersions, version.number)
}

/** The fewest bytes an element can take, at least 1: what bounds the length of an array by the rest of its frame. */
export function elementBytesMin(element: AnyField, version: Version): number {
  return Math.max(1, bytesMin(element, version))
}

function bytesMin(field: AnyField, version: Version): number {
  const { type } = field.spec
  if (type.kind === 'scalar') return type.bytes
  if (type.kind === 'struct') {
    if (isNullable(field, version)) return 1
    const body = layoutOf(type.fields, version).body.reduce((sum, member) => sum + bytesMin(member.field, version), 0)
    return body + (version.flexible ? 1 : 0)
  }
  if (version.flexible) return 1
  return type.kind === 'sized' && type.method === 'string' ? 2 : 4
}
