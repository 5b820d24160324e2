/**
 * The syntax of the regular expressions that consumers subscribe with: that of RE2, which Kafka uses, as far as it can
 * tell topic names apart. There are no back references and no look-around, so that a match takes linear time.
 *
 * Parses into a tree; `topic-pattern.ts` runs it. Captures and the greediness of repetitions mean nothing for a match of
 * the whole name and are passed over.
 */
import { Fault } from '../../../runtime/fault.ts'

export type Assertion = 'begin' | 'end' | 'beginLine' | 'endLine' | 'wordBoundary' | 'noWordBoundary'
/** Whether a code point matches. */
export type CharacterTest = (codePoint: number) => boolean

export type PatternNode =
  | { readonly kind: 'character'; readonly test: CharacterTest }
  | { readonly kind: 'assertion'; readonly assertion: Assertion }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly PatternNode[] }
  /** `max` is null without a limit. */
  | { readonly kind: 'repetition'; readonly part: PatternNode; readonly min: number; readonly max: number | null }

interface Flags {
  readonly ignoreCase: boolean
  readonly multiLine: boolean
  readonly dotAll: boolean
}

/** RE2's own limit of a counted repetition, and of repetitions in one another. */
const REPEAT_MAX = 1_000
const DEPTH_MAX = 200

const isDigit: CharacterTest = (c) => c >= 48 && c <= 57
export const isWord: CharacterTest = (c) => isDigit(c) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || c === 95
const isSpace: CharacterTest = (c) => c === 32 || c === 9 || c === 10 || c === 12 || c === 13
const not =
  (test: CharacterTest): CharacterTest =>
  (c) =>
    !test(c)
const between =
  (first: number, last: number): CharacterTest =>
  (c) =>
    c >= first && c <= last
const anyOf =
  (tests: readonly CharacterTest[]): CharacterTest =>
  (c) =>
    tests.some((test) => test(c))

const perlClasses: Readonly<Record<string, CharacterTest>> = {
  d: isDigit,
  D: not(isDigit),
  s: isSpace,
  S: not(isSpace),
  w: isWord,
  W: not(isWord)
}
const controls: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 }
const assertions: Readonly<Record<string, Assertion>> = {
  A: 'begin',
  z: 'end',
  b: 'wordBoundary',
  B: 'noWordBoundary'
}
const isUpper = between(65, 90)
const isLower = between(97, 122)
const posixClasses: Readonly<Record<string, CharacterTest>> = {
  alnum: anyOf([isDigit, isUpper, isLower]),
  alpha: anyOf([isUpper, isLower]),
  ascii: between(0, 127),
  blank: (c) => c === 9 || c === 32,
  cntrl: anyOf([between(0, 31), between(127, 127)]),
  digit: isDigit,
  graph: between(33, 126),
  lower: isLower,
  print: between(32, 126),
  punct: anyOf([between(33, 47), between(58, 64), between(91, 96), between(123, 126)]),
  space: (c) => isSpace(c) || c === 11,
  upper: isUpper,
  word: isWord,
  xdigit: anyOf([isDigit, between(65, 70), between(97, 102)])
}

/** Throws Fault `invalid`, which says what is wrong and where. */
export function parsePattern(pattern: string): PatternNode {
  return new PatternParser(pattern).parse()
}

class PatternParser {
  readonly #pattern: string
  /** By code point. */
  readonly #characters: readonly string[]
  #position = 0
  #depth = 0
  #flags: Flags = { ignoreCase: false, multiLine: false, dotAll: false }

  constructor(pattern: string) {
    this.#pattern = pattern
    this.#characters = [...pattern]
  }

  parse(): PatternNode {
    const node = this.#choice()
    if (this.#peek() !== undefined) this.#fail('has a ) without its (')
    return node
  }

  #choice(): PatternNode {
    if (++this.#depth > DEPTH_MAX) this.#fail(`nests more than ${DEPTH_MAX} groups`)
    const parts = [this.#sequence()]
    while (this.#take('|')) parts.push(this.#sequence())
    this.#depth--
    return { kind: 'choice', parts }
  }

  #sequence(): PatternNode {
    const parts: PatternNode[] = []
    for (;;) {
      const next = this.#peek()
      if (next === undefined || next === '|' || next === ')') return { kind: 'sequence', parts }
      if (this.#takeText('\\Q')) parts.push(...this.#quoted())
      else parts.push(this.#repeated(this.#atom()))
    }
  }

  #quoted(): PatternNode[] {
    const parts: PatternNode[] = []
    while (this.#peek() !== undefined && !this.#takeText('\\E')) parts.push(this.#literal(this.#next()))
    // What follows repeats the last character only.
    const last = parts.pop()
    return last === undefined ? [] : [...parts, this.#repeated(last)]
  }

  #repeated(part: PatternNode): PatternNode {
    const bounds = this.#bounds()
    if (bounds === undefined) return part
    this.#take('?')
    const { min, max } = bounds
    if (repeats(part) * Math.max(min, max ?? 0, 1) > REPEAT_MAX) this.#fail(`repeats more than ${REPEAT_MAX} times`)
    if (this.#bounds() !== undefined) this.#fail('repeats a repetition; put it into (?:…)')
    return { kind: 'repetition', part, min, max }
  }

  #bounds(): { min: number; max: number | null } | undefined {
    if (this.#take('*')) return { min: 0, max: null }
    if (this.#take('+')) return { min: 1, max: null }
    if (this.#take('?')) return { min: 0, max: 1 }
    const counted = /^\{(\d+)(,(\d*))?\}/.exec(this.#characters.slice(this.#position, this.#position + 24).join(''))
    // Anything else in braces stands for itself.
    if (counted === null) return undefined
    const [text, from, hasComma, to] = counted
    this.#position += text.length
    const min = Number(from)
    const max = hasComma === undefined ? min : to === undefined || to === '' ? null : Number(to)
    if (min > REPEAT_MAX || (max ?? 0) > REPEAT_MAX) this.#fail(`repeats more than ${REPEAT_MAX} times`)
    if (max !== null && max < min) this.#fail('repeats at least more often than at most')
    return { min, max }
  }

  #atom(): PatternNode {
    const character = this.#next()
    switch (character) {
      case '(':
        return this.#group()
      case '[':
        return this.#class()
      case '.':
        return { kind: 'character', test: this.#flags.dotAll ? () => true : (c) => c !== 10 }
      case '^':
        return { kind: 'assertion', assertion: this.#flags.multiLine ? 'beginLine' : 'begin' }
      case '$':
        return { kind: 'assertion', assertion: this.#flags.multiLine ? 'endLine' : 'end' }
      case '*':
      case '+':
      case '?':
        return this.#fail(`has a ${character} with nothing to repeat`)
      case '\\':
        return this.#escaped()
      default:
        return this.#literal(character)
    }
  }

  #group(): PatternNode {
    const outside = this.#flags
    if (this.#take('?')) {
      const named = /^P?<[A-Za-z_][A-Za-z0-9_]*>/.exec(this.#characters.slice(this.#position).join(''))
      if (named !== null) this.#position += named[0].length
      // Flags alone hold until the group around them ends.
      else if (this.#groupFlags() === ')') return { kind: 'sequence', parts: [] }
    }
    const node = this.#choice()
    if (!this.#take(')')) this.#fail('has a ( without its )')
    this.#flags = outside
    return node
  }

  /** `i`, `m`, `s`, `U`, and after `-` those to switch off; what ends them is `:` or `)`. */
  #groupFlags(): ':' | ')' {
    let on = true
    for (;;) {
      const flag = this.#peek() === undefined ? this.#fail('has a ( without its )') : this.#next()
      if (flag === ':' || flag === ')') return flag
      if (flag === 'i') this.#flags = { ...this.#flags, ignoreCase: on }
      else if (flag === 'm') this.#flags = { ...this.#flags, multiLine: on }
      else if (flag === 's') this.#flags = { ...this.#flags, dotAll: on }
      else if (flag === '-' && on) on = false
      else if (flag !== 'U') this.#fail(`has a group (?${flag}, which is not supported`)
    }
  }

  #escaped(): PatternNode {
    const assertion = assertions[this.#peek() ?? '']
    if (assertion !== undefined) {
      this.#next()
      return { kind: 'assertion', assertion }
    }
    const found = this.#escape()
    return typeof found === 'number' ? this.#literal(String.fromCodePoint(found)) : { kind: 'character', test: found }
  }

  /** What follows a backslash: a class, or a single code point. */
  #escape(): CharacterTest | number {
    const character = this.#peek() === undefined ? this.#fail('ends with a backslash') : this.#next()
    const perl = perlClasses[character]
    if (perl !== undefined) return perl
    const control = controls[character]
    if (control !== undefined) return control
    if (character === 'p' || character === 'P') return this.#unicodeClass(character === 'P')
    if (character === 'x') return this.#hexadecimal()
    const code = character.codePointAt(0) ?? 0
    if (character === '0') {
      const octal = /^[0-7]{0,2}/.exec(this.#characters.slice(this.#position, this.#position + 2).join(''))?.[0] ?? ''
      this.#position += octal.length
      return Number.parseInt(octal === '' ? '0' : octal, 8)
    }
    if (isWord(code)) this.#fail(`has an escape \\${character}, which is not supported`)
    return code
  }

  #hexadecimal(): number {
    const text = this.#characters.slice(this.#position, this.#position + 10).join('')
    const found = /^(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))/.exec(text)
    const code = Number.parseInt(found?.[1] ?? found?.[2] ?? '', 16)
    if (found === null || code > 0x10_ffff) return this.#fail('has an escape \\x without hexadecimal digits')
    this.#position += found[0].length
    return code
  }

  /** `\pL`, `\p{Greek}`, `\p{^L}`: general categories and scripts. */
  #unicodeClass(negated: boolean): CharacterTest {
    const found = /^(?:\{(\^?)([A-Za-z_]+)\}|([A-Z]))/.exec(
      this.#characters.slice(this.#position, this.#position + 64).join('')
    )
    if (found === null) return this.#fail('has an escape \\p without the name of a class')
    this.#position += found[0].length
    const name = found[2] ?? found[3] ?? ''
    if (name === 'Any') return negated ? () => false : () => true
    const expression = unicodeExpression(name) ?? this.#fail(`has an unknown class \\p{${name}}`)
    const inverted = negated !== (found[1] === '^')
    return (c) => expression.test(String.fromCodePoint(c)) !== inverted
  }

  #class(): PatternNode {
    const negated = this.#take('^')
    const tests: CharacterTest[] = []
    // A ] that comes first stands for itself.
    do tests.push(this.#classMember())
    while (this.#peek() !== ']')
    this.#next()
    const test = this.#folded(anyOf(tests))
    return { kind: 'character', test: negated ? not(test) : test }
  }

  #classMember(): CharacterTest {
    const posix = /^\[:(\^?)([a-z]+):\]/.exec(this.#characters.slice(this.#position, this.#position + 16).join(''))
    if (posix !== null) {
      const test = posixClasses[posix[2] ?? ''] ?? this.#fail(`has an unknown class ${posix[0]}`)
      this.#position += posix[0].length
      return posix[1] === '^' ? not(test) : test
    }
    const first = this.#classEnd()
    if (typeof first !== 'number') return first
    const isRange = this.#peek() === '-' && this.#characters[this.#position + 1] !== ']'
    if (!isRange) return (c) => c === first
    this.#next()
    const last = this.#classEnd()
    if (typeof last !== 'number' || last < first) return this.#fail('has a range in […] that ends before it begins')
    return between(first, last)
  }

  #classEnd(): CharacterTest | number {
    const character = this.#peek() === undefined ? this.#fail('has a [ without its ]') : this.#next()
    return character === '\\' ? this.#escape() : (character.codePointAt(0) ?? 0)
  }

  #literal(character: string): PatternNode {
    const code = character.codePointAt(0)
    return { kind: 'character', test: this.#folded((c) => c === code) }
  }

  #folded(test: CharacterTest): CharacterTest {
    if (!this.#flags.ignoreCase) return test
    return (c) => {
      const character = String.fromCodePoint(c)
      return [character, character.toLowerCase(), character.toUpperCase()].some((one) => test(one.codePointAt(0) ?? 0))
    }
  }

  #peek(): string | undefined {
    return this.#characters[this.#position]
  }

  #next(): string {
    return this.#characters[this.#position++] ?? this.#fail('ends too early')
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false
    this.#position++
    return true
  }

  #takeText(text: string): boolean {
    for (let i = 0; i < text.length; i++) if (this.#characters[this.#position + i] !== text[i]) return false
    this.#position += text.length
    return true
  }

  #fail(what: string): never {
    throw new Fault('invalid', `Regular expression ${this.#pattern} ${what} (at character ${this.#position}).`)
  }
}

/** How often repetitions in one another repeat the innermost, counted ones only. */
function repeats(node: PatternNode): number {
  if (node.kind === 'repetition') return repeats(node.part) * Math.max(node.min, node.max ?? 0, 1)
  if (node.kind !== 'sequence' && node.kind !== 'choice') return 1
  return node.parts.reduce((most, part) => Math.max(most, repeats(part)), 1)
}

/** Of one character, so that it takes no time worth mentioning. */
function unicodeExpression(name: string): RegExp | undefined {
  for (const property of [`gc=${name}`, `sc=${name}`]) {
    try {
      return new RegExp(`^\\p{${property}}`, 'u')
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
    }
  }
  return undefined
}
