/**
 * A message: a schema with its name, its versions and its codecs. Codecs are compiled when a version is first used.
 * Neither decoding nor encoding looks at the header or at what follows the message in the frame.
 */
import { type Reader, WireFault, type Writer } from './buffers.ts'
import { type Codec, compile } from './compiler.ts'
import { readStruct, writeStruct } from './interpreter.ts'
import type { Fields, StructInput, StructOutput, Value } from './schema.ts'

export interface DataSpec {
  readonly name: string
  /** First and last version, both inclusive. */
  readonly versions: readonly [min: number, max: number]
  /** First version with compact lengths and tagged fields (KIP-482); left out when there is none. */
  readonly flexibleFrom?: number
}

export interface ApiSpec extends DataSpec {
  readonly apiKey: number
}

/** What Kafka appends to the name of a message. */
export type MessageKind = 'Request' | 'Response' | ''

export class Message<Output, Input> {
  declare readonly output: Output
  declare readonly input: Input
  readonly name: string
  readonly kind: MessageKind
  readonly minVersion: number
  readonly maxVersion: number
  readonly fields: Fields
  readonly #flexibleFrom: number
  readonly #codecs: Codec[] = []

  constructor(kind: MessageKind, spec: DataSpec, fields: Fields) {
    this.name = spec.name
    ;[this.minVersion, this.maxVersion] = spec.versions
    this.fields = fields
    this.kind = kind
    this.#flexibleFrom = spec.flexibleFrom ?? Number.POSITIVE_INFINITY
  }

  supports(version: number): boolean {
    return version >= this.minVersion && version <= this.maxVersion && Number.isInteger(version)
  }

  isFlexible(version: number): boolean {
    return version >= this.#flexibleFrom
  }

  /** Reads the message at the reader's position. Throws `WireFault` for bytes that are no such message. */
  decode(reader: Reader, version: number): Output {
    try {
      return this.#codec(version).read(reader) as Output
    } catch (error) {
      throw this.#explained(error, version)
    }
  }

  /** Appends the message. Throws `WireFault` for a value that this version cannot carry. */
  encode(writer: Writer, version: number, value: Input): void {
    try {
      this.#codec(version).write(writer, value as Value)
    } catch (error) {
      throw this.#explained(error, version)
    }
  }

  /** `decode` by the reference interpreter, for tests. */
  decodeInterpreted(reader: Reader, version: number): Output {
    this.#check(version)
    return readStruct(reader, this.fields, { number: version, flexible: this.isFlexible(version) }) as Output
  }

  /** `encode` by the reference interpreter, for tests. */
  encodeInterpreted(writer: Writer, version: number, value: Input): void {
    this.#check(version)
    writeStruct(writer, this.fields, { number: version, flexible: this.isFlexible(version) }, value as Value)
  }

  #codec(version: number): Codec {
    const known = this.#codecs[version]
    if (known !== undefined) return known
    this.#check(version)
    const codec = compile(this.fields, { number: version, flexible: this.isFlexible(version) })
    this.#codecs[version] = codec
    return codec
  }

  #check(version: number): void {
    if (this.supports(version)) return
    throw new WireFault(`version ${version} is not one of ${this.minVersion} to ${this.maxVersion}`)
  }

  #explained(error: unknown, version: number): unknown {
    if (!(error instanceof WireFault)) return error
    return new WireFault(`${this.name}${this.kind} v${version}: ${error.message}`, { cause: error })
  }
}

/** A request or response of a Kafka API. */
export class ApiMessage<Output, Input> extends Message<Output, Input> {
  readonly apiKey: number

  constructor(kind: 'Request' | 'Response', spec: ApiSpec, fields: Fields) {
    super(kind, spec, fields)
    this.apiKey = spec.apiKey
  }
}

export function request<F extends Fields>(spec: ApiSpec, fields: F): ApiMessage<StructOutput<F>, StructInput<F>> {
  return new ApiMessage('Request', spec, fields)
}

export function response<F extends Fields>(spec: ApiSpec, fields: F): ApiMessage<StructOutput<F>, StructInput<F>> {
  return new ApiMessage('Response', spec, fields)
}

/** A message that is no API: what travels inside a field or a record. */
export function data<F extends Fields>(spec: DataSpec, fields: F): Message<StructOutput<F>, StructInput<F>> {
  return new Message('', spec, fields)
}
