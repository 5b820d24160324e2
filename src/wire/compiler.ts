/**
 * Turns a schema at one version into straight-line JavaScript: one reading and one writing function per struct, each
 * decoded object built by a single literal, each primitive a direct call on `Reader` or `Writer`.
 * A partition of a Fetch response v15 takes some 150 ns of CPU to decode, also when all other messages are in use.
 * `interpreter.ts`, which resolves the schema anew for each struct and takes about fifty times as long, defines
 * what the code must do.
 *
 * Only names and numbers of our own schemas enter the source, never anything from the network.
 */
import { assert } from '../runtime/fault.ts'
import { type Reader, Writer } from './buffers.ts'
import { absentFault, nullFault } from './interpreter.ts'
import { elementBytesMin, isNullable, layoutOf, type Member, type Version } from './layout.ts'
import { type AnyField, type Fields, isDefault, type Value } from './schema.ts'

export interface Codec {
  read(reader: Reader): Value
  write(writer: Writer, value: Value): void
}

/** Names the generated code sees besides its own: fields, their defaults, and what it cannot do alone. */
const RUNTIME = { Writer, isDefault, absentFault, nullFault }

export function compile(fields: Fields, version: Version): Codec {
  const program = new Program(version)
  const read = program.reader(fields)
  const write = program.writer(fields)
  const source = `'use strict';\n${program.functions.join('\n')}\nreturn { read: ${read}, write: ${write} }`
  const names = ['fields', 'defaults', ...Object.keys(RUNTIME)]
  const create = new Function(...names, source)
  return create(
    program.fields,
    program.fields.map((field) => field.spec.fallback),
    ...Object.values(RUNTIME)
  )
}

/** The source under construction. Every method returns an expression or statement; functions collect on the side. */
class Program {
  readonly functions: string[] = []
  readonly fields: AnyField[] = []
  readonly #version: Version

  constructor(version: Version) {
    this.#version = version
  }

  /** Adds a function that reads a struct and returns its name. */
  reader(fields: Fields): string {
    const { body, tagged } = layoutOf(fields, this.#version)
    const lines = body.map((member) => `const ${identifier(member.name)} = ${this.#read(member)}`)
    const tagCases = tagged.map((member) => `case ${member.tag}: $${member.name} = ${this.#read(member)}; break`)
    for (const { name, field } of tagged) lines.push(`let ${identifier(name)} = ${this.#default(field)}`)
    if (this.#version.flexible) lines.push(readTags(tagCases))
    const present = new Set([...body, ...tagged].map((member) => member.name))
    const properties = Object.entries(fields).map(([name, field]) =>
      present.has(name) ? `${name}: $${name}` : `${name}: ${this.#default(field)}`
    )
    return this.#function('read', 'r', [...lines, `return { ${properties.join(', ')} }`])
  }

  /** Adds a function that writes a struct and returns its name. */
  writer(fields: Fields): string {
    const { body, tagged, absent } = layoutOf(fields, this.#version)
    const lines: string[] = []
    for (const { name, field } of absent) {
      if (!field.spec.ignorable) lines.push(`if (${this.#hasNews(field, `v.${name}`)}) throw absentFault('${name}')`)
    }
    for (const member of body) {
      const { name, field } = member
      lines.push(`const ${identifier(name)} = v.${name} === undefined ? ${this.#default(field)} : v.${name}`)
      lines.push(this.#write(member, 'w', `$${name}`))
    }
    if (this.#version.flexible) {
      for (const { name, field } of tagged)
        lines.push(`const ${identifier(name)} = ${this.#hasNews(field, `v.${name}`)}`)
      lines.push(`w.uvarint(${tagged.map(({ name }) => `($${name} ? 1 : 0)`).join(' + ') || '0'})`)
      for (const member of tagged) {
        const value = this.#write(member, 'inner', `v.${member.name}`)
        lines.push(`if ($${member.name}) { const inner = new Writer(); ${value}; w.tag(${member.tag}, inner) }`)
      }
    }
    return this.#function('write', 'w, v', lines)
  }

  #read({ field, nullable }: Pick<Member, 'field' | 'nullable'>): string {
    const { type } = field.spec
    const { flexible } = this.#version
    if (type.kind === 'scalar') return `r.${type.method}()`
    if (type.kind === 'sized') return `r.${type.method}(${flexible}, ${nullable})`
    if (type.kind === 'struct') {
      const read = `${this.reader(type.fields)}(r)`
      return nullable ? `(r.isPresent() ? ${read} : null)` : read
    }
    const element = this.#read({ field: type.element, nullable: isNullable(type.element, this.#version) })
    const array = this.#function('read', 'r', [
      `const count = r.count(${flexible}, ${nullable}, ${elementBytesMin(type.element, this.#version)})`,
      'if (count < 0) return null',
      'const elements = []',
      `for (let i = 0; i < count; i++) elements.push(${element})`,
      'return elements'
    ])
    return `${array}(r)`
  }

  /** `value` is an expression without side effects that is not undefined. */
  #write({ field, nullable }: Pick<Member, 'field' | 'nullable'>, writer: string, value: string): string {
    const { type } = field.spec
    const { flexible } = this.#version
    if (type.kind === 'scalar') return `${writer}.${type.method}(${value})`
    if (type.kind === 'sized') return `${writer}.${type.method}(${value}, ${flexible}, ${nullable})`
    if (type.kind === 'struct') {
      const write = `${this.writer(type.fields)}(${writer}, ${value})`
      if (!nullable) return `if (${value} === null) throw nullFault(); ${write}`
      return `${writer}.present(${value} !== null); if (${value} !== null) ${write}`
    }
    const elementNullable = isNullable(type.element, this.#version)
    const element = this.#write({ field: type.element, nullable: elementNullable }, 'w', 'element')
    const array = this.#function('write', 'w, v', [
      `if (!w.count(v, ${flexible}, ${nullable})) return`,
      `for (const element of v) { ${element} }`
    ])
    return `${array}(${writer}, ${value})`
  }

  #function(verb: string, parameters: string, lines: readonly string[]): string {
    const name = `${verb}${this.functions.length}`
    this.functions.push(`function ${name}(${parameters}) {\n  ${lines.join('\n  ')}\n}`)
    return name
  }

  /** Whether a value differs from the default. The first two comparisons settle it for all that handlers send. */
  #hasNews(field: AnyField, value: string): string {
    const index = this.#keep(field)
    return `${value} !== undefined && ${value} !== defaults[${index}] && !isDefault(fields[${index}], ${value})`
  }

  #default(field: AnyField): string {
    const { fallback } = field.spec
    if (fallback === null || typeof fallback === 'boolean' || typeof fallback === 'number') return String(fallback)
    return typeof fallback === 'string' ? JSON.stringify(fallback) : `defaults[${this.#keep(field)}]`
  }

  #keep(field: AnyField): number {
    return this.fields.push(field) - 1
  }
}

function readTags(cases: readonly string[]): string {
  if (cases.length === 0) return 'r.skipTags()'
  return `for (let left = r.tagCount(); left > 0; left--) {
    const tag = r.uvarint()
    const size = r.uvarint()
    const outer = r.enter(size)
    switch (tag) { ${cases.join('; ')}; default: r.skip(size) }
    r.leave(outer)
  }`
}

function identifier(name: string): string {
  assert(/^[a-z][A-Za-z0-9]*$/.test(name), `${name} is not a lowerCamelCase name`)
  return `$${name}`
}
