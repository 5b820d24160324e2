import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Reader, WireFault, Writer } from './buffers.ts'
import { data } from './message.ts'
import { FetchResponse } from './messages/fetch.ts'
import {
  array,
  bytes,
  type Infer,
  type InferInput,
  int16,
  int32,
  records,
  string,
  struct,
  type uuid
} from './schema.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const holds = <T extends true>(value: T): T => value

const Example = data(
  { name: 'Example', versions: [0, 3], flexibleFrom: 2 },
  {
    id: int32,
    label: string.in('1+').or('none'),
    note: string.nullable('1+').in('1+').or(null).ignorable(),
    place: struct({ row: int32, column: int32 }).nullable('1+'),
    hint: struct({ row: int32.or(-1) }).tag(3, '2+'),
    names: array(string).tag(1, '2+'),
    blob: bytes.nullable().tag(2, '3+').ignorable()
  }
)
type Example = Infer<typeof Example>

function encoded(version: number, value: InferInput<typeof Example>): Buffer {
  const compiled = new Writer()
  Example.encode(compiled, version, value)
  const interpreted = new Writer()
  Example.encodeInterpreted(interpreted, version, value)
  const frame = Buffer.concat(compiled.finish())
  assert.deepEqual(frame, Buffer.concat(interpreted.finish()))
  return frame
}

const decoded = (version: number, frame: Buffer): Example => Example.decode(new Reader(frame), version)
const place = { row: 1, column: 2 }

test('what is left out takes its default', () => {
  assert.deepEqual(decoded(3, encoded(3, { id: 7, place })), {
    id: 7,
    label: 'none',
    note: null,
    place,
    hint: { row: -1 },
    names: [],
    blob: Buffer.alloc(0)
  })
})

test('a value that the version cannot carry is a fault, unless it is the default or ignorable', () => {
  for (const encode of [
    () => encoded(0, { id: 1, place, label: 'x' }),
    () => encoded(1, { id: 1, place, names: ['x'] }),
    () => encoded(1, { id: 1, place, hint: { row: 0 } })
  ]) {
    assert.throws(encode, WireFault)
  }
  assert.throws(() => encoded(0, { id: 1, place, label: 'x' }), /Example v0: label is set, but this version/)
  const plain = encoded(0, { id: 1, place })
  assert.deepEqual(encoded(0, { id: 1, place, label: 'none', names: [], hint: { row: -1 } }), plain)
  assert.deepEqual(encoded(0, { id: 1, place, note: 'dropped', blob: Buffer.from('dropped') }), plain)
})

test('a nullable struct has a marker only at the versions at which it is nullable', () => {
  assert.equal(encoded(0, { id: 1, place }).toString('hex'), '000000010000000100000002')
  assert.equal(encoded(1, { id: 1, place, label: '' }).toString('hex'), '000000010000ffff010000000100000002')
  assert.equal(encoded(1, { id: 1, place: null, label: '' }).toString('hex'), '000000010000ffffff')
  assert.throws(() => encoded(0, { id: 1, place: null }), WireFault)
  assert.equal(decoded(1, encoded(1, { id: 1, place: null })).place, null)
})

test('tagged fields are written in the order of their tags and only when they carry news', () => {
  const rest = { id: 1, label: '', place: null }
  assert.equal(encoded(3, rest).toString('hex'), '000000010100ff00')
  assert.equal(encoded(3, { ...rest, names: [], hint: { row: -1 } }).toString('hex'), '000000010100ff00')
  const full = encoded(3, { ...rest, names: ['a'], hint: { row: 5 }, blob: null })
  assert.equal(full.toString('hex'), '000000010100ff03' + '0103020261' + '020100' + '03050000000500')
  assert.deepEqual(decoded(3, full).hint, { row: 5 })
})

test('a tagged field that is longer or shorter than its size is a fault', () => {
  const start = '000000010100ff'
  for (const section of ['0101020261', '0101040202610000', '0101ff01026100']) {
    assert.throws(() => decoded(3, Buffer.from(start + section, 'hex')), WireFault)
  }
})

test('defaults are shared, so they are frozen', () => {
  const value = decoded(3, encoded(3, { id: 1, place: null }))
  assert.throws(() => value.names.push('x'), TypeError)
})

test('types follow from the schema', () => {
  type Partition = FetchResponse['responses'][number]['partitions'][number]
  holds<Equal<Partition['abortedTransactions'], { producerId: number; firstOffset: number }[] | null>>(true)
  holds<Equal<Partition['records'], readonly Buffer[] | null>>(true)
  holds<Equal<Partition['divergingEpoch'], { epoch: number; endOffset: number }>>(true)
  holds<Equal<Infer<typeof uuid>, string>>(true)
  holds<Equal<Example['place'], { row: number; column: number } | null>>(true)

  // Never run: what the compiler must accept and refuse.
  const check = (writer: Writer, reader: Reader): void => {
    FetchResponse.encode(writer, 12, { responses: [] })
    FetchResponse.encode(writer, 12, FetchResponse.decode(reader, 12))
    FetchResponse.encode(writer, 12, {
      responses: [{ partitions: [{ partitionIndex: 0, errorCode: 0, highWatermark: 5, records: null }] }]
    })
    // @ts-expect-error a field without default cannot be left out
    FetchResponse.encode(writer, 12, {})
    // @ts-expect-error nor deep inside
    FetchResponse.encode(writer, 12, { responses: [{ partitions: [{ partitionIndex: 0 }] }] })
    // @ts-expect-error a name that the message does not have
    FetchResponse.encode(writer, 12, { responses: [], throttleTime: 1 })
    // @ts-expect-error null where no version allows it
    FetchResponse.encode(writer, 12, { responses: null })
    // @ts-expect-error a number is not a uuid
    FetchResponse.encode(writer, 12, { responses: [{ topicId: 5, partitions: [] }] })
    // @ts-expect-error a range must look like one
    int32.in('7 and later')
    // @ts-expect-error a default of the wrong type
    int16.or('x')
    // @ts-expect-error null is no default of what is not nullable
    string.or(null)
  }
  assert.equal(typeof check, 'function')
  assert.equal(records.spec.fallback, null)
})
