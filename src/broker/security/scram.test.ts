import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isFault } from '../../runtime/fault.ts'
import { type ScramCredential, type ScramHash, scramCredential } from './scram.ts'
import { ScramClient } from './scram-client.ts'
import { ScramServer } from './scram-server.ts'

interface Vector {
  readonly name: string
  readonly hash: ScramHash
  readonly salt: string
  readonly clientNonce: string
  readonly serverNonce: string
  readonly messages: readonly [string, string, string, string]
}

const VECTORS: readonly Vector[] = [
  {
    name: 'RFC 5802, section 5',
    hash: 'sha1',
    salt: 'QSXCR+Q6sek8bf92',
    clientNonce: 'fyko+d2lbbFgONRv9qkxdawL',
    serverNonce: '3rfcNHYJY1ZVvWVs7j',
    messages: [
      'n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL',
      'r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096',
      'c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=',
      'v=rmF9pqV8S7suAoZWja4dJRkFsKQ='
    ]
  },
  {
    name: 'RFC 7677, section 3',
    hash: 'sha256',
    salt: 'W22ZaJ0SNY7soEsUEjb6gQ==',
    clientNonce: 'rOprNGfwEbeRWgbNEkqO',
    serverNonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
    messages: [
      'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
      'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
      'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='
    ]
  }
]

const SALT = Buffer.from('0123456789abcdef')

function server(credential: ScramCredential, user = 'user', hash: ScramHash = 'sha256', nonce = 'server') {
  return new ScramServer({ hash, nonce, credentials: (name) => (name === user ? credential : undefined) })
}

function client(password: string, user = 'user', hash: ScramHash = 'sha256', nonce = 'client') {
  return new ScramClient({ hash, user, password, nonce })
}

const invalid = (error: unknown) => isFault(error, 'invalid')

describe('SCRAM', () => {
  for (const { name, hash, salt, clientNonce, serverNonce, messages } of VECTORS) {
    it(`both sides say what ${name} has them say`, () => {
      const asking = client('pencil', 'user', hash, clientNonce)
      const credential = scramCredential(hash, 'pencil', Buffer.from(salt, 'base64'))
      const answering = server(credential, 'user', hash, serverNonce)
      const said = [asking.first()]
      const first = answering.reply(asking.first())
      assert.equal(first.user, undefined, 'nothing is proved yet')
      said.push(first.token, asking.final(first.token))
      const last = answering.reply(said[2] as Buffer)
      said.push(last.token)
      asking.finish(last.token)
      assert.equal(last.user, 'user')
      assert.deepEqual(said.map(String), messages)
    })
  }

  it('lets in whoever has the password, whatever the name and the password are', () => {
    const name = fc.string({ minLength: 1, unit: 'grapheme' }).filter((text) => !text.includes('\0'))
    fc.assert(
      fc.property(name, fc.string({ unit: 'grapheme' }), (user, password) => {
        const answering = server(scramCredential('sha256', password, SALT), user)
        const asking = client(password, user)
        const { token } = answering.reply(asking.first())
        const last = answering.reply(asking.final(token))
        asking.finish(last.token)
        assert.equal(last.user, user)
      }),
      { numRuns: 20 }
    )
  })

  it('a wrong password is refused, and nothing more is taken', () => {
    const answering = server(scramCredential('sha256', 'pencil', SALT))
    const asking = client('pen')
    const final = asking.final(answering.reply(asking.first()).token)
    assert.throws(() => answering.reply(final), invalid)
    assert.throws(() => answering.reply(asking.first()), /over/)
  })

  it('an unknown user hears what a wrong password does', () => {
    const credential = scramCredential('sha256', 'pencil', SALT)
    const wrong = server(credential)
    const asking = client('pen')
    const final = asking.final(wrong.reply(asking.first()).token)
    const heard = (call: () => unknown): string => {
      try {
        call()
      } catch (error) {
        if (isFault(error)) return error.message
      }
      return 'let in'
    }
    const unknown = heard(() => server(credential).reply(client('pencil', 'nobody').first()))
    assert.equal(
      unknown,
      heard(() => wrong.reply(final))
    )
    assert.notEqual(unknown, 'let in')
  })

  it('an exchange that is recorded is of no use in the next', () => {
    const credential = scramCredential('sha256', 'pencil', SALT)
    const asking = client('pencil')
    const recorded = asking.final(server(credential, 'user', 'sha256', 'one').reply(asking.first()).token)
    const next = server(credential, 'user', 'sha256', 'two')
    next.reply(asking.first())
    assert.throws(() => next.reply(recorded), invalid)
  })

  it('a server that does not know the password is found out', () => {
    const answering = server(scramCredential('sha256', 'pencil', SALT))
    const asking = client('pencil')
    asking.final(answering.reply(asking.first()).token)
    assert.throws(() => asking.finish(Buffer.from('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')), invalid)
    assert.throws(() => asking.finish(Buffer.from('e=other-error')), invalid)
    assert.throws(() => asking.finish(Buffer.alloc(0)), invalid)
  })

  it('a client answers no server that is not its own, or asks for too little or too much', () => {
    const answers = [
      'r=other,s=AAAA,i=4096',
      'r=client,s=AAAA,i=4096',
      'r=clientserver,s=AAAA,i=4095',
      'r=clientserver,s=AAAA,i=100001',
      'r=clientserver,s=AAAA,i=4294967295',
      'm=ext,r=clientserver,s=AAAA,i=4096',
      'r=clientserver,s=,i=4096',
      ''
    ]
    for (const answer of answers) assert.throws(() => client('pencil').final(Buffer.from(answer)), invalid, answer)
  })

  it('first messages that cannot be meant are refused', () => {
    const credential = scramCredential('sha256', 'pencil', SALT)
    const tokens = [
      '',
      'garbage',
      'p=tls-unique,,n=user,r=x',
      'n,,m=ext,n=user,r=x',
      'n,,n=,r=x',
      'n,,n=user,r=',
      'n,,n=us=er,r=x',
      'n,a=other,n=user,r=x',
      'n,,r=x,n=user',
      'n,,n=user,r=x,y'
    ]
    for (const token of tokens) assert.throws(() => server(credential).reply(Buffer.from(token)), invalid, token)
    for (const token of ['y,,n=user,r=x', 'n,a=user,n=user,r=x', 'n,,n=user,r=x,z=more'])
      server(credential).reply(Buffer.from(token))
  })

  it('last messages that cannot be meant are refused', () => {
    const credential = scramCredential('sha256', 'pencil', SALT)
    const asking = client('pencil')
    const right = asking.final(server(credential).reply(asking.first()).token).toString()
    const proof = right.slice(right.indexOf('p='))
    const tokens = [
      '',
      'garbage',
      right.slice(0, -8),
      `c=eSws,r=clientserver,${proof}`,
      `c=biws,r=client,${proof}`,
      `r=clientserver,${proof}`,
      `${right},z=more`
    ]
    for (const token of tokens) {
      const answering = server(credential)
      answering.reply(asking.first())
      assert.throws(() => answering.reply(Buffer.from(token)), invalid, token)
    }
  })

  it('any bytes are refused without another fault', () => {
    const credential = scramCredential('sha256', 'pencil', SALT)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        assert.throws(() => server(credential).reply(Buffer.from(bytes)), invalid)
        const second = server(credential)
        second.reply(client('pencil').first())
        assert.throws(() => second.reply(Buffer.from(bytes)), invalid)
        assert.throws(() => client('pencil').final(Buffer.from(bytes)), invalid)
      })
    )
  })
})
