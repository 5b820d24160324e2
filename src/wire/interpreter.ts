/**
 * Reads and writes a struct by walking its schema. Slow and obvious: the reference that the compiled code must agree
 * with byte for byte (`messages.test.ts` holds them together). Not used to serve requests.
 */
import { type Reader, WireFault, Writer } from './buffers.ts'
import { elementBytesMin, isNullable, layoutOf, type Version } from './layout.ts'
import { type AnyField, type Fields, isDefault, type Value } from './schema.ts'

export function readStruct(reader: Reader, fields: Fields, version: Version): Value {
  const { body, tagged, names } = layoutOf(fields, version)
  const found: Record<string, unknown> = {}
  for (const { name, field, nullable } of body) found[name] = readField(reader, field, nullable, version)
  if (version.flexible) {
    for (let left = reader.tagCount(); left > 0; left--) {
      const tag = reader.uvarint()
      const size = reader.uvarint()
      const outer = reader.enter(size)
      const member = tagged.find((candidate) => candidate.tag === tag)
      if (member === undefined) reader.skip(size)
      else found[member.name] = readField(reader, member.field, member.nullable, version)
      reader.leave(outer)
    }
  }
  return Object.fromEntries(names.map((name) => [name, name in found ? found[name] : fields[name]?.spec.fallback]))
}

function readField(reader: Reader, field: AnyField, nullable: boolean, version: Version): unknown {
  const { type } = field.spec
  if (type.kind === 'scalar') return reader[type.method]()
  if (type.kind === 'sized') return reader[type.method](version.flexible, nullable)
  if (type.kind === 'struct') {
    return nullable && !reader.isPresent() ? null : readStruct(reader, type.fields, version)
  }
  const count = reader.count(version.flexible, nullable, elementBytesMin(type.element, version))
  if (count < 0) return null
  const elementNullable = isNullable(type.element, version)
  const elements: unknown[] = []
  for (let i = 0; i < count; i++) elements.push(readField(reader, type.element, elementNullable, version))
  return elements
}

export function writeStruct(writer: Writer, fields: Fields, version: Version, value: Value): void {
  const { body, tagged, absent } = layoutOf(fields, version)
  for (const { name, field } of absent) {
    if (!field.spec.ignorable && !isDefault(field, value[name])) throw absentFault(name)
  }
  for (const { name, field, nullable } of body) writeField(writer, field, nullable, version, value[name])
  if (!version.flexible) return
  const news = tagged.filter(({ name, field }) => !isDefault(field, value[name]))
  writer.uvarint(news.length)
  for (const { name, field, nullable, tag } of news) {
    const inner = new Writer()
    writeField(inner, field, nullable, version, value[name])
    writer.tag(tag, inner)
  }
}

function writeField(writer: Writer, field: AnyField, nullable: boolean, version: Version, given: unknown): void {
  const { type, fallback } = field.spec
  const value = given === undefined ? fallback : given
  if (type.kind === 'scalar') writer[type.method](value as never)
  else if (type.kind === 'sized') writer[type.method](value as never, version.flexible, nullable)
  else if (type.kind === 'array') {
    const elements = value as readonly unknown[] | null
    if (!writer.count(elements, version.flexible, nullable)) return
    const elementNullable = isNullable(type.element, version)
    for (const element of elements) writeField(writer, type.element, elementNullable, version, element)
  } else {
    if (nullable) writer.present(value !== null)
    else if (value === null) throw nullFault()
    if (value !== null) writeStruct(writer, type.fields, version, value as Value)
  }
}

export function absentFault(name: string): WireFault {
  return new WireFault(`${name} is set, but this version does not carry it and it may not be dropped`)
}

export function nullFault(): WireFault {
  return new WireFault('null in a struct that cannot be null at this version')
}
