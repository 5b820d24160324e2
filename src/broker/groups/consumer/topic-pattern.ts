/**
 * A regular expression over topic names, run as a set of states that advances character by character (Thompson): a match
 * takes time linear in the name, at most `size` steps for each of its characters, whatever the expression. Nothing a
 * client can send makes it backtrack.
 */
import { Fault } from '../../../runtime/fault.ts'
import { type Assertion, type CharacterTest, isWord, type PatternNode, parsePattern } from './pattern-syntax.ts'

/** What one state waits for, and which states follow. */
type Instruction =
  | { readonly kind: 'character'; readonly test: CharacterTest; readonly next: number }
  | { readonly kind: 'assertion'; readonly assertion: Assertion; readonly next: number }
  | { readonly kind: 'fork'; readonly next: readonly number[] }
  | { readonly kind: 'end' }

/** Far more than any list of topics that a person writes down. */
const INSTRUCTIONS_MAX = 5_000

export class TopicPattern {
  readonly #instructions: readonly Instruction[]
  readonly #start: number

  /** Throws Fault `invalid` when `source` is no regular expression, or too long a one. */
  constructor(source: string) {
    const compiler = new Compiler(source)
    this.#start = compiler.compile(parsePattern(source), compiler.add({ kind: 'end' }))
    this.#instructions = compiler.instructions
  }

  /** Number of its instructions: the most that one character of a name costs. */
  get size(): number {
    return this.#instructions.length
  }

  /** Whether it matches the whole of `name`. */
  matches(name: string): boolean {
    const codes = Array.from(name, (character) => character.codePointAt(0) ?? 0)
    let states = this.#reach([this.#start], codes, 0)
    for (let at = 0; at < codes.length && states.length > 0; at++) {
      const next: number[] = []
      for (const state of states) {
        const instruction = this.#instructions[state]
        if (instruction?.kind === 'character' && instruction.test(codes[at] ?? 0)) next.push(instruction.next)
      }
      states = this.#reach(next, codes, at + 1)
    }
    return states.some((state) => this.#instructions[state]?.kind === 'end')
  }

  /** The states that wait for a character, or are the end, reached from `from` without reading one. */
  #reach(from: readonly number[], codes: readonly number[], at: number): number[] {
    const seen = new Set<number>()
    const waiting: number[] = []
    const stack = [...from]
    for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
      const instruction = this.#instructions[state]
      if (instruction === undefined || seen.has(state)) continue
      seen.add(state)
      if (instruction.kind === 'fork') stack.push(...instruction.next)
      else if (instruction.kind !== 'assertion') waiting.push(state)
      else if (holds(instruction.assertion, codes, at)) stack.push(instruction.next)
    }
    return waiting
  }
}

function holds(assertion: Assertion, codes: readonly number[], at: number): boolean {
  const before = codes[at - 1]
  const after = codes[at]
  switch (assertion) {
    case 'begin':
      return at === 0
    case 'end':
      return at === codes.length
    case 'beginLine':
      return at === 0 || before === 10
    case 'endLine':
      return at === codes.length || after === 10
    default: {
      const isBoundary = (before !== undefined && isWord(before)) !== (after !== undefined && isWord(after))
      return isBoundary === (assertion === 'wordBoundary')
    }
  }
}

/** Builds a program from its end to its start: each part is told where to go on. */
class Compiler {
  readonly instructions: Instruction[] = []
  readonly #source: string

  constructor(source: string) {
    this.#source = source
  }

  add(instruction: Instruction): number {
    if (this.instructions.length >= INSTRUCTIONS_MAX) {
      throw new Fault('invalid', `Regular expression ${this.#source} is too long; make it simpler or split it.`)
    }
    return this.instructions.push(instruction) - 1
  }

  /** Adds a part that goes on at `next`; returns where it begins. */
  compile(node: PatternNode, next: number): number {
    switch (node.kind) {
      case 'character':
        return this.add({ kind: 'character', test: node.test, next })
      case 'assertion':
        return this.add({ kind: 'assertion', assertion: node.assertion, next })
      case 'sequence':
        return node.parts.reduceRight((follows, part) => this.compile(part, follows), next)
      case 'choice':
        return this.#fork(node.parts.map((part) => this.compile(part, next)))
      case 'repetition':
        return this.#repetition(node, next)
    }
  }

  #repetition({ part, min, max }: Extract<PatternNode, { kind: 'repetition' }>, next: number): number {
    let start = next
    if (max === null) start = this.#loop(part, next)
    else for (let i = min; i < max; i++) start = this.#fork([this.compile(part, start), next])
    for (let i = 0; i < min; i++) start = this.compile(part, start)
    return start
  }

  #loop(part: PatternNode, next: number): number {
    const targets: number[] = []
    const again = this.add({ kind: 'fork', next: targets })
    targets.push(this.compile(part, again), next)
    return again
  }

  #fork(next: readonly number[]): number {
    const [only, second] = next
    return only !== undefined && second === undefined ? only : this.add({ kind: 'fork', next })
  }
}
