import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isUnreadable, parseDeviceRecord } from './device-record.ts'

const parse = (text: string) => parseDeviceRecord(Buffer.from(text))

function reasonOf(payload: Uint8Array): string {
  const record = parseDeviceRecord(payload)
  assert.ok(isUnreadable(record))
  return record.reason
}

test('a full record is read field by field and its data kept as written', () => {
  const text =
    ' {"epoch":3,"seq":42,"time":"2024-05-01T12:00:00Z","sent":1714564801000,"firmware":"2.1","replay":true,"data": {"v": 1.10 , "n":12345678901234567890} } '
  assert.deepEqual(parse(text), {
    epoch: 3,
    seq: 42,
    eventTime: Date.UTC(2024, 4, 1, 12),
    sentTime: 1714564801000,
    firmware: '2.1',
    replay: true,
    data: '{"v": 1.10 , "n":12345678901234567890}'
  })
})

test('a bare JSON value is data by itself', () => {
  for (const text of ['1e400', '"x"', 'null', '[1, 2]', '{"seq":1,"speed":2.50}']) {
    const record = parse(` ${text}\n`)
    assert.ok(!isUnreadable(record))
    assert.equal(record.data, text)
    assert.equal(record.seq, null)
  }
})

test('null stands for a field that is not given', () => {
  const record = parse('{"epoch":null,"seq":null,"time":null,"sent":null,"firmware":null,"replay":null,"data":null}')
  assert.deepEqual(record, parse('{"data":null}'))
})

test('wrong types and unknown members have their own reason', () => {
  const invalid = ['"seq":-1', '"seq":1.5', '"seq":"1"', '"epoch":9007199254740992', '"time":"today"', '"sent":{}']
  for (const member of [...invalid, '"firmware":""', '"firmware":7', '"replay":1']) {
    assert.equal(reasonOf(Buffer.from(`{"data":1,${member}}`)), 'invalid-field', member)
  }
  assert.equal(reasonOf(Buffer.from('{"data":1,"sequence":1}')), 'unknown-field')
})

test('broken bytes are told apart from broken JSON', () => {
  assert.equal(reasonOf(Buffer.from([0x22, 0xff, 0x22])), 'not-utf8')
  assert.equal(reasonOf(Buffer.from('{"data":')), 'not-json')
  assert.equal(reasonOf(Buffer.alloc(0)), 'not-json')
  assert.equal(reasonOf(Buffer.from('\ufeff{}')), 'not-json')
})

test('any bytes give a record or a reason, never an exception', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => void parseDeviceRecord(bytes)))
})

test('the data of any record keeps its text', () => {
  fc.assert(
    fc.property(fc.json({ noUnicodeString: false }), fc.nat(), (data, seq) => {
      const record = parse(`{"seq":${seq},"data":${data}}`)
      assert.ok(!isUnreadable(record))
      assert.equal(record.data, data)
      assert.equal(record.seq, seq)
    })
  )
})
