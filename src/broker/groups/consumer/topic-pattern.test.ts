import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isFault } from '../../../runtime/fault.ts'
import { TopicPattern } from './topic-pattern.ts'

const matches = (pattern: string, name: string) => new TopicPattern(pattern).matches(name)

test('a pattern must match the whole name', () => {
  assert.ok(matches('cars', 'cars'))
  assert.ok(!matches('car', 'cars'))
  assert.ok(!matches('ars', 'cars'))
  assert.ok(matches('cars|boats', 'boats'))
  assert.ok(!matches('cars|boats', 'carsboats'))
  assert.ok(matches('', ''))
  assert.ok(!matches('', 'a'))
})

test('the syntax of RE2 is understood', () => {
  const cases: [pattern: string, yes: string[], no: string[]][] = [
    ['fleet-.*', ['fleet-', 'fleet-cars'], ['fleet', 'xfleet-cars']],
    ['a.c', ['abc', 'a.c'], ['ac', 'a\nc']],
    ['(?s)a.c', ['a\nc'], []],
    ['a\\.c', ['a.c'], ['abc']],
    ['[a-c]+', ['abcabc'], ['abd', '']],
    ['[^a-c]x', ['dx', '-x'], ['ax']],
    ['[]a]', [']', 'a'], ['b']],
    ['[a\\-z]', ['a', '-', 'z'], ['b']],
    ['[a-]', ['a', '-'], ['b']],
    ['[[:digit:]_]{2,3}', ['1_', '123'], ['1', '1234']],
    ['[[:^digit:]]', ['a'], ['1']],
    ['a{2}', ['aa'], ['a', 'aaa']],
    ['a{2,}', ['aa', 'aaaa'], ['a']],
    ['a{,2}', ['a{,2}'], ['aa']],
    ['(ab)?c', ['c', 'abc'], ['ac']],
    ['(?:a|b)*c', ['c', 'ababc'], ['abd']],
    ['(?P<kind>cars|boats)-(?<n>\\d+)', ['cars-12'], ['cars-']],
    ['(?i)Cars', ['cars', 'CARS'], ['car']],
    ['(?i:c)ars', ['Cars'], ['CARS']],
    ['c(?i)ars', ['cARS'], ['Cars']],
    ['(?i-i:c)ars', ['cars'], ['Cars']],
    ['\\Qa.b\\E+', ['a.b', 'a.bb'], ['aab', 'a.b+']],
    ['\\Qa+', ['a+'], ['aa']],
    ['^cars$', ['cars'], ['cars\n']],
    ['\\Acars\\z', ['cars'], []],
    ['\\w+\\W\\w+', ['a-b'], ['a_b']],
    ['\\bcars\\b', ['cars'], []],
    ['ca\\Brs', ['cars'], []],
    ['a.*?b', ['axxb', 'ab'], ['a']],
    ['\\pL+', ['abc'], ['a1']],
    ['\\p{Lu}\\P{Lu}', ['Ab'], ['AB']],
    ['\\p{Greek}', ['α'], ['a']],
    ['\\x41\\x{42}C\\055', ['ABC-'], []],
    ['(a*)*', ['', 'aaaa'], ['b']],
    ['a|', ['a', ''], ['b']]
  ]
  for (const [pattern, yes, no] of cases) {
    for (const name of yes) assert.ok(matches(pattern, name), `${pattern} matches ${JSON.stringify(name)}`)
    for (const name of no) assert.ok(!matches(pattern, name), `${pattern} does not match ${JSON.stringify(name)}`)
  }
})

test('what is no regular expression of RE2 is refused, and the message says why', () => {
  const invalid = ['(', ')', '[', '[a', 'a**', 'a*+', '*', '+a', '\\', '(?=a)', '(?!a)', '(?<=a)b', '(a)\\1', 'a{1001}']
  invalid.push('(a{100}){100}', 'a{3,2}', '[z-a]', '\\p{Nonsense}', '[[:nonsense:]]', '\\xg', '\\Z', '(?P<1>a)')
  for (const pattern of invalid) {
    assert.throws(
      () => new TopicPattern(pattern),
      (error) => isFault(error, 'invalid') && error.message.includes(pattern),
      pattern
    )
  }
  assert.throws(() => new TopicPattern('(a{1000})(b{1000})'.repeat(3)), /too long/)
})

test('expressions on which others backtrack for ever are matched in linear time', () => {
  const name = `${'a'.repeat(248)}!`
  const start = performance.now()
  for (const pattern of ['(a+)+', '(a|aa)+', '(a*)*b', '(.*a){20}', '(a?){200}a{200}', '([a-z]+)*=']) {
    assert.equal(matches(pattern, name), false)
  }
  assert.ok(performance.now() - start < 2_000)
})

test('simple expressions mean the same as to JavaScript', () => {
  const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '(a|b)', '(?:ab)', '\\w', '\\d')
  const piece = fc.tuple(atom, fc.constantFrom('', '*', '+', '?', '{2}', '{1,3}')).map(([a, repeat]) => a + repeat)
  const pattern = fc
    .array(fc.array(piece, { maxLength: 5 }), { minLength: 1, maxLength: 3 })
    .map((alternatives) => alternatives.map((pieces) => pieces.join('')).join('|'))
  const name = fc.array(fc.constantFrom('a', 'b', 'c', '1', '-'), { maxLength: 8 }).map((letters) => letters.join(''))
  const property = fc.property(pattern, name, (source, text) => {
    assert.equal(matches(source, text), new RegExp(`^(?:${source})$`).test(text))
  })
  fc.assert(property, { numRuns: 500 })
})
