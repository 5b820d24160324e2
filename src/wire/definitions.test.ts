/**
 * Compares our schemas with Kafka's own message definitions, where these lie beside the repository: same fields, order,
 * types, defaults, nullability, tags and ignorability at every version that both know.
 * `KAFKA_MESSAGES=<folder>` compares with another release.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { ZERO_UUID } from './buffers.ts'
import { everyMessage } from './fixtures/every-message.ts'
import { covers, isNullable, layoutOf, type Version } from './layout.ts'
import { ApiMessage, type Message } from './message.ts'
import type { AnyField, Fields, VersionRange } from './schema.ts'

interface Definition {
  readonly name: string
  readonly apiKey?: number
  /** The key of an internal topic's record; its api key is the version that stands before it. */
  readonly type?: string
  readonly validVersions: string
  readonly flexibleVersions: string
  readonly latestVersionUnstable?: boolean
  readonly fields: readonly DefinedField[]
  readonly commonStructs?: readonly { readonly name: string; readonly fields: readonly DefinedField[] }[]
}

interface DefinedField {
  readonly name: string
  readonly type: string
  readonly versions?: string
  readonly nullableVersions?: string
  readonly taggedVersions?: string
  readonly tag?: number
  readonly ignorable?: boolean
  readonly default?: unknown
  readonly fields?: readonly DefinedField[]
}

const folder = resolve(process.env.KAFKA_MESSAGES ?? '../shared/reference/kafka-messages')
const skip = existsSync(folder) ? false : `no message definitions in ${folder}; run from the repository root`

function load(name: string): Definition | undefined {
  const file = join(folder, `${name}.json`)
  if (!existsSync(file)) return undefined
  const definition: Definition = JSON.parse(readFileSync(file, 'utf8').replaceAll(/^\s*\/\/.*$/gm, ''))
  return definition.type === 'coordinator-key' ? asVersion(definition, String(definition.apiKey)) : definition
}

/** The same fields, at the version that a coordinator writes before them. */
function asVersion(definition: Definition, version: string): Definition {
  const fields = definition.fields.map((field) => ({ ...field, versions: version }))
  return { ...definition, validVersions: version, fields }
}

/** A tagged field need not say its versions a second time. */
const versionsOf = ({ versions, taggedVersions }: DefinedField): string | undefined => versions ?? taggedVersions

const carries = (range: string | undefined, version: number): boolean =>
  range !== undefined && range !== 'none' && covers(range as VersionRange, version)
const lowerFirst = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1)

/** What must be equal, one line per field, in the order of the wire. */
function definedShape(fields: readonly DefinedField[], definition: Definition, version: number): string[] {
  const present = fields.filter((field) => carries(versionsOf(field), version))
  const isTagged = (field: DefinedField) => carries(field.taggedVersions, version)
  const body = present.filter((field) => !isTagged(field))
  const tagged = present.filter(isTagged).toSorted((a, b) => Number(a.tag) - Number(b.tag))
  return [...body, ...tagged].flatMap((field) => {
    const element = field.type.replace('[]', '')
    const inner = field.fields ?? definition.commonStructs?.find(({ name }) => name === element)?.fields
    const type = field.type.startsWith('[]') ? '[]' : inner === undefined ? element : 'struct'
    const facts = [
      lowerFirst(field.name),
      type,
      isTagged(field) ? `tag ${field.tag}` : '',
      carries(field.nullableVersions, version) ? 'nullable' : '',
      `default ${definedDefault(field, type)}`
    ]
    const nested = inner === undefined ? [element] : definedShape(inner, definition, version)
    return [facts.join(' '), ...(type === element ? [] : nested.map((line) => `  ${line}`))]
  })
}

function definedDefault(field: DefinedField, type: string): string {
  const written = field.default === undefined ? undefined : String(field.default)
  if (written === 'null' || type === 'records') return 'null'
  if (type === '[]' || type === 'struct' || type === 'bytes') return ''
  if (type === 'uuid') return ZERO_UUID
  if (type === 'string') return written ?? ''
  if (type === 'bool') return written ?? 'false'
  return String(Math.min(Number(written ?? 0), Number.MAX_SAFE_INTEGER))
}

function ourShape(fields: Fields, version: Version): string[] {
  const { body, tagged } = layoutOf(fields, version)
  return [...body, ...tagged].flatMap((member) => {
    const { type, fallback } = member.field.spec
    const name = typeName(member.field)
    const facts = [
      member.name,
      name,
      'tag' in member ? `tag ${member.tag}` : '',
      isNullable(member.field, version) ? 'nullable' : '',
      `default ${fallback !== null && typeof fallback === 'object' ? '' : fallback}`
    ]
    const inner = type.kind === 'array' ? type.element : member.field
    const innerType = inner.spec.type
    const nested = innerType.kind === 'struct' ? ourShape(innerType.fields, version) : [typeName(inner)]
    return [
      facts.join(' '),
      ...(innerType.kind === 'struct' || inner !== member.field ? nested : []).map((l) => `  ${l}`)
    ]
  })
}

function typeName({ spec: { type } }: AnyField): string {
  if (type.kind === 'array') return '[]'
  if (type.kind === 'struct') return 'struct'
  return type.method === 'int64Saturated' ? 'int64' : type.method
}

/** Fields both know, absent at a version: is dropping their value silent on both sides? */
function assertSameIgnorable(fields: Fields, defined: readonly DefinedField[], version: number, path: string): void {
  for (const field of defined) {
    const ours = fields[lowerFirst(field.name)]
    if (ours === undefined) continue
    const where = `${path}.${field.name} at v${version}`
    if (!carries(versionsOf(field), version)) assert.equal(ours.spec.ignorable, field.ignorable ?? false, where)
    const { type } = ours.spec.type.kind === 'array' ? ours.spec.type.element.spec : ours.spec
    if (type.kind === 'struct' && field.fields !== undefined && carries(versionsOf(field), version)) {
      assertSameIgnorable(type.fields, field.fields, version, where)
    }
  }
}

/** A version that its release may still change; the request says it for the response too. */
function isUnstable(name: string, version: number): boolean {
  const definition = load(name.replace(/Response$/, 'Request'))
  return definition?.latestVersionUnstable === true && !carries(definition.validVersions, version + 1)
}

/** Versions older than what Kafka still defines (`produce-legacy.ts`), or newer than this release's, have nothing to compare with. */
function isOfAnotherTime(message: Message<unknown, unknown>, { validVersions }: Definition): boolean {
  for (let version = message.minVersion; version <= message.maxVersion; version++) {
    if (carries(validVersions, version) && !isUnstable(`${message.name}${message.kind}`, version)) return false
  }
  return true
}

for (const message of everyMessage) {
  const name = `${message.name}${message.kind}`
  const definition = load(name)
  if (definition !== undefined && isOfAnotherTime(message, definition)) continue
  const missing = definition === undefined ? `no definition of ${name} in ${folder}` : false
  test(`${name} is what Kafka defines`, { skip: skip || missing }, () => {
    assert.ok(definition)
    if (message instanceof ApiMessage) assert.equal(message.apiKey, definition.apiKey)
    for (let version = message.minVersion; version <= message.maxVersion; version++) {
      if (!carries(definition.validVersions, version) || isUnstable(name, version)) continue
      const flexible = carries(definition.flexibleVersions, version)
      assert.equal(message.isFlexible(version), flexible, `flexible at v${version}`)
      const ours = ourShape(message.fields, { number: version, flexible })
      assert.deepEqual(ours, definedShape(definition.fields, definition, version), `${name} v${version}`)
      assertSameIgnorable(message.fields, definition.fields, version, name)
    }
  })
}
