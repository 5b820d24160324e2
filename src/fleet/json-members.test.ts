import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { memberTexts } from './json-members.ts'

test('values come back exactly as written', () => {
  const text = ' { "a" : 1.10 , "b":[1E400,{"a":"}]\\""}],"c\\u0064":"x\\\\","d":{}\n,"e":-0,"f":null }'
  assert.deepEqual(
    [...memberTexts(text)],
    [
      ['a', '1.10'],
      ['b', '[1E400,{"a":"}]\\""}]'],
      ['cd', '"x\\\\"'],
      ['d', '{}'],
      ['e', '-0'],
      ['f', 'null']
    ]
  )
})

test('an empty object has no members', () => assert.equal(memberTexts('{ }').size, 0))

test('of two members with one name the last counts, as in JSON.parse', () => {
  assert.equal(memberTexts('{"a":1,"a":2}').get('a'), '2')
})

test('every member of any object is found with its text', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(0, 1, 3), (object, indent) => {
      const members = memberTexts(JSON.stringify(object, null, indent))
      const plain = JSON.parse(JSON.stringify(object))
      assert.deepEqual(new Set(members.keys()), new Set(Object.keys(plain)))
      for (const [name, text] of members) assert.deepEqual(JSON.parse(text), plain[name])
    })
  )
})
