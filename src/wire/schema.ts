/**
 * The language in which Kafka's messages are written down: one schema serves every version of a message.
 *
 *     topic: string.in('0-12').ignorable()
 *
 * Rules, all Kafka's own:
 * - every field has a default; a field that a version does not carry reads as its default;
 * - writing a value other than the default to a version that lacks the field is a fault, unless it is `ignorable`;
 * - a tagged field (KIP-482) reads as its default when absent and is written only when it differs from it.
 *
 * Values: numbers, booleans, strings; uuids as 22 characters of base64url, as Kafka prints them; `bytes` as a
 * Buffer, `records` as a list of Buffers. Defaults that are objects are shared and frozen.
 * This module only describes; `layout.ts` resolves a version, `interpreter.ts` and `compiler.ts` read and write it.
 */
import { ZERO_UUID } from './buffers.ts'

/** Versions that carry a field: `3+`, `2-7` or `1`. */
export type VersionRange = `${number}+` | `${number}-${number}` | `${number}`

type ScalarName = 'bool' | 'int8' | 'int16' | 'uint16' | 'int32' | 'int64' | 'int64Saturated' | 'float64' | 'uuid'

/** How a value looks on the wire. `scalar` and `sized` types are named after the methods of `Reader` and `Writer`. */
export type WireType =
  | { readonly kind: 'scalar'; readonly method: ScalarName; readonly bytes: number }
  | { readonly kind: 'sized'; readonly method: 'string' | 'bytes' | 'records' }
  | { readonly kind: 'array'; readonly element: AnyField }
  | { readonly kind: 'struct'; readonly fields: Fields }

interface FieldSpec {
  readonly type: WireType
  readonly versions: VersionRange
  readonly nullableVersions: VersionRange | undefined
  readonly tagNumber: number | undefined
  readonly ignorable: boolean
  readonly fallback: unknown
}

/**
 * One field. `Output` is what decoding gives, `Input` what encoding takes; an `Optional` field may be left out on
 * encoding and then takes its default. Immutable: each modifier returns a changed copy.
 */
export class Field<Output, Input = Output, Optional extends boolean = false> {
  declare readonly output: Output
  declare readonly input: Input
  declare readonly optional: Optional
  readonly spec: FieldSpec

  constructor(spec: FieldSpec) {
    this.spec = spec
  }

  /** Only these versions carry the field. */
  in(versions: VersionRange): Field<Output, Input, true> {
    return new Field({ ...this.spec, versions })
  }

  nullable(nullableVersions: VersionRange = '0+'): Field<Output | null, Input | null, Optional> {
    return new Field({ ...this.spec, nullableVersions })
  }

  /** Sets the default. */
  or(fallback: Output): Field<Output, Input, true> {
    return new Field({ ...this.spec, fallback })
  }

  /** Versions without the field drop its value silently. */
  ignorable(): Field<Output, Input, true> {
    return new Field({ ...this.spec, ignorable: true })
  }

  tag(tagNumber: number, versions: VersionRange): Field<Output, Input, true> {
    return new Field({ ...this.spec, tagNumber, versions })
  }
}

export type AnyField = Field<unknown, unknown, boolean>
export type Fields = Readonly<Record<string, AnyField>>

type OptionalName<F extends Fields> = { [K in keyof F]: F[K]['optional'] extends true ? K : never }[keyof F]
export type StructOutput<F extends Fields> = { -readonly [K in keyof F]: F[K]['output'] }
export type StructInput<F extends Fields> = {
  readonly [K in Exclude<keyof F, OptionalName<F>>]: F[K]['input']
} & { readonly [K in OptionalName<F>]?: F[K]['input'] | undefined }

/** The value that decoding a field or message gives. */
export type Infer<S extends { readonly output: unknown }> = S['output']
/** The value that encoding a field or message takes. */
export type InferInput<S extends { readonly input: unknown }> = S['input']

function field<Output, Input = Output>(type: WireType, fallback: unknown): Field<Output, Input> {
  return new Field({
    type,
    versions: '0+',
    nullableVersions: undefined,
    tagNumber: undefined,
    ignorable: false,
    fallback
  })
}

const number = (method: ScalarName, bytes: number) => field<number>({ kind: 'scalar', method, bytes }, 0)

export const bool = field<boolean>({ kind: 'scalar', method: 'bool', bytes: 1 }, false)
export const int8 = number('int8', 1)
export const int16 = number('int16', 2)
/** @public for messages to come */
export const uint16 = number('uint16', 2)
export const int32 = number('int32', 4)
/** A safe integer; anything beyond is a fault. For offsets, ids and epochs that a broker hands out. */
export const int64 = number('int64', 8)
/**
 * For what clients choose freely and legally set to Long.MAX_VALUE ("no limit", "the end of time"): beyond the safe
 * integers it reads as the nearest of them, and `Number.MAX_SAFE_INTEGER` is written as Long.MAX_VALUE.
 */
export const int64Saturated = number('int64Saturated', 8)
/** @public for messages to come */
export const float64 = number('float64', 8)
export const uuid = field<string>({ kind: 'scalar', method: 'uuid', bytes: 16 }, ZERO_UUID)
export const string = field<string>({ kind: 'sized', method: 'string' }, '')
export const bytes = field<Buffer>({ kind: 'sized', method: 'bytes' }, Buffer.alloc(0))
/** Record batches, as stored: reading gives one slice of the frame, writing references the buffers. Null by default. */
export const records = field<readonly Buffer[] | null>({ kind: 'sized', method: 'records' }, null).nullable()

export function array<Output, Input>(element: Field<Output, Input, boolean>): Field<Output[], readonly Input[]> {
  return field({ kind: 'array', element }, Object.freeze([]))
}

export function struct<F extends Fields>(fields: F): Field<StructOutput<F>, StructInput<F>> {
  const fallback = Object.fromEntries(Object.entries(fields).map(([name, { spec }]) => [name, spec.fallback]))
  return field({ kind: 'struct', fields }, Object.freeze(fallback))
}

/** Whether a value is what the field reads as when nothing was sent. `undefined` was left out, hence default. */
export function isDefault({ spec }: AnyField, value: unknown): boolean {
  if (value === undefined || value === spec.fallback) return true
  if (value === null || spec.fallback === null) return false
  const { type } = spec
  if (type.kind === 'array') return (value as readonly unknown[]).length === 0
  if (type.kind === 'sized' && type.method === 'bytes') return (value as Buffer).equals(spec.fallback as Buffer)
  if (type.kind !== 'struct') return false
  return Object.entries(type.fields).every(([name, inner]) => isDefault(inner, (value as Value)[name]))
}

/** A struct's value, seen by code that is generic over schemas. */
export type Value = Readonly<Record<string, unknown>>
