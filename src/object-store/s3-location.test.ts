import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFault } from '../runtime/fault.ts'
import { parseS3Location } from './s3-location.ts'

test('a bucket alone leaves region and endpoint to the AWS settings', () => {
  assert.deepEqual(parseS3Location('s3://fleet-eu'), {
    bucket: 'fleet-eu',
    prefix: '',
    region: undefined,
    endpoint: undefined,
    pathStyle: false,
    checksum: 'crc32c'
  })
})

test('a compatible store is reached by path and needs no region', () => {
  assert.deepEqual(parseS3Location('s3://logs/longhaul/prod/?endpoint=http://127.0.0.1:9000'), {
    bucket: 'logs',
    prefix: 'longhaul/prod/',
    region: 'us-east-1',
    endpoint: 'http://127.0.0.1:9000',
    pathStyle: true,
    checksum: 'crc32c'
  })
})

test('every parameter can be set', () => {
  const url = 's3://b.c-1/p?region=eu-central-1&endpoint=https://s3.example:443&pathStyle=false&checksum=none'
  assert.deepEqual(parseS3Location(url), {
    bucket: 'b.c-1',
    prefix: 'p/',
    region: 'eu-central-1',
    endpoint: 'https://s3.example',
    pathStyle: false,
    checksum: 'none'
  })
})

test('what cannot be meant is refused, with what to write instead', () => {
  for (const [url, problem] of [
    ['file:///data', /expected s3:\/\/bucket/],
    ['s3:///prefix', /bucket "" must be/],
    ['s3://Bucket', /bucket "Bucket" must be 3 to 63/],
    ['s3://ab', /bucket "ab" must be/],
    ['s3://bucket/a//b', /empty segment/],
    ['s3://bucket/a%20b', /illegal character/],
    ['s3://bucket?regoin=x', /unknown parameter "regoin"; there are region, endpoint, pathStyle, checksum/],
    ['s3://bucket?region=a&region=b', /given twice/],
    ['s3://bucket?region=', /region "" is none/],
    ['s3://bucket?pathStyle=yes', /pathStyle must be true or false/],
    ['s3://bucket?pathStyle=toString', /pathStyle must be true or false/],
    ['s3://bucket?checksum=md5', /checksum must be crc32c or none/],
    ['s3://bucket?endpoint=127.0.0.1:9000', /endpoint must be http/],
    ['s3://bucket?endpoint=http://host/path', /without a path/]
  ] as const) {
    assert.throws(
      () => parseS3Location(url),
      (error) => isFault(error, 'invalid') && problem.test(error.message),
      url
    )
  }
})

test('credentials in the URL are refused and not repeated', () => {
  assert.throws(
    () => parseS3Location('s3://key:topsecret@bucket/prefix'),
    (error) => isFault(error, 'invalid') && /AWS_ACCESS_KEY_ID/.test(error.message) && !/topsecret/.test(error.message)
  )
})
