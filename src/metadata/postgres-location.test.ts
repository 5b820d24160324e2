import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFault } from '../runtime/fault.ts'
import { isPostgresUrl, parsePostgresLocation } from './postgres-location.ts'

test('a URL names host, port, database and user, with %-escapes', () => {
  assert.deepEqual(parsePostgresLocation('postgres://us%40er:p%2Fw%25@db.example:6432/long%20haul?sslmode=disable'), {
    host: 'db.example',
    port: 6432,
    database: 'long haul',
    user: 'us@er',
    password: 'p/w%',
    tls: undefined,
    applicationName: 'longhaul',
    name: 'postgres://db.example:6432/long haul'
  })
  const short = parsePostgresLocation('postgresql:///longhaul?application_name=a')
  assert.deepEqual([short.host, short.port, short.user, short.password], ['localhost', 5432, undefined, undefined])
  assert.equal(short.applicationName, 'a')
  assert.equal(parsePostgresLocation('postgres://[::1]:7/x').host, '::1')
  const socket = parsePostgresLocation('postgres:///x?host=/run/postgresql&user=u')
  assert.deepEqual([socket.host, socket.user, socket.tls], ['/run/postgresql', 'u', undefined])
  assert.ok(isPostgresUrl('postgres://x') && isPostgresUrl('postgresql://x') && !isPostgresUrl('sqlite:x'))
})

test('over a network TLS is the default, and sslmode says how much is checked', () => {
  const tls = (rest: string, host = 'db.example') => parsePostgresLocation(`postgres://u@${host}/x${rest}`).tls
  assert.deepEqual(tls(''), { verify: 'nothing', rootCertificates: undefined })
  for (const host of ['localhost', '127.0.0.1', '[::1]']) assert.equal(tls('', host), undefined)
  assert.deepEqual(tls('?sslmode=require', 'localhost'), { verify: 'nothing', rootCertificates: undefined })
  assert.deepEqual(tls('?sslmode=require&sslrootcert=/a.pem'), { verify: 'signer', rootCertificates: '/a.pem' })
  assert.deepEqual(tls('?sslmode=verify-ca'), { verify: 'signer', rootCertificates: undefined })
  const full = { verify: 'signer and host', rootCertificates: '/a.pem' }
  assert.deepEqual(tls('?sslmode=verify-full&sslrootcert=/a.pem'), full)
})

test('what cannot be meant is refused with what to write, and without the password', () => {
  for (const [url, advice] of [
    ['postgres://u:secret@host:port/x', /postgres:\/\/user:password@host:port/],
    ['postgres://u:secret@h', /name one database/],
    ['postgres://u:secret@h/x/y', /name one database/],
    ['postgres://u:secret%@h/x', /%25/],
    ['postgres://u:secret@h/x?ssl=true', /unknown parameter "ssl"; there are host, user, sslmode/],
    ['postgres://u:secret@h/x?sslmode=prefer', /disable, require, verify-ca or verify-full/],
    ['postgres://u:secret@h/x?sslmode=disable&sslrootcert=/a.pem', /sslmode=verify-full/]
  ] as const) {
    assert.throws(
      () => parsePostgresLocation(url),
      (error) => {
        assert.ok(isFault(error, 'invalid'), `${url}: ${error}`)
        assert.match(error.message, advice)
        assert.doesNotMatch(`${error.stack}`, /secret/)
        return true
      },
      url
    )
  }
})
