import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { errorName } from '../../wire/error-codes.ts'
import { ApiVersionsRequest, ApiVersionsResponse } from '../../wire/messages/api-versions.ts'
import { SaslAuthenticateRequest, SaslAuthenticateResponse } from '../../wire/messages/sasl-authenticate.ts'
import { SaslHandshakeRequest, SaslHandshakeResponse } from '../../wire/messages/sasl-handshake.ts'
import { BrokerFixture, pair } from '../broker-fixture.ts'
import { anonymousPeer } from '../handler.ts'
import { CLUSTER_USER, MECHANISM } from '../security/cluster-user.ts'
import { ScramClient } from '../security/scram-client.ts'

const HANDSHAKE = pair(SaslHandshakeRequest, SaslHandshakeResponse)
const AUTHENTICATE = pair(SaslAuthenticateRequest, SaslAuthenticateResponse)
const VERSIONS = pair(ApiVersionsRequest, ApiVersionsResponse)
const SECRET = 'known to brokers'

describe('authentication', () => {
  let broker: BrokerFixture
  beforeEach(async () => {
    const security = { clusterSecret: () => SECRET, requireNodeAuthentication: true }
    broker = await BrokerFixture.start({ security })
  })
  afterEach(() => broker.close())

  const handshake = async (mechanism = MECHANISM, version = 1) => {
    const { errorCode, mechanisms } = await broker.call(HANDSHAKE, version, { mechanism })
    return [errorName(errorCode), ...mechanisms]
  }
  /** Gives the answer to the last token; a failure is told after a while. */
  const authenticate = async (password: string, user = CLUSTER_USER, version = 2) => {
    const client = new ScramClient({ hash: 'sha256', user, password, nonce: 'abc' })
    const say = async (authBytes: Buffer) => {
      const answering = broker.send(AUTHENTICATE, version, { authBytes })
      await broker.clock.advance(100)
      return answering
    }
    const first = await say(client.first())
    if (first.errorCode !== 0) return first
    const last = await say(client.final(first.authBytes))
    if (last.errorCode === 0) client.finish(last.authBytes)
    return last
  }

  it('makes a client that knows the secret of the cluster a node', async () => {
    for (const version of [0, 1, 2]) {
      broker.peer = anonymousPeer(50_000)
      assert.deepEqual(await handshake(), ['NONE', 'SCRAM-SHA-256'])
      assert.equal(broker.peer.isNode, false)
      const answer = await authenticate(SECRET, CLUSTER_USER, version)
      assert.deepEqual([answer.errorCode, answer.errorMessage, answer.sessionLifetimeMs], [0, null, 0])
      assert.deepEqual([broker.peer.isNode, broker.peer.principal, broker.peer.isRefused], [true, CLUSTER_USER, false])
    }
  })

  it('ends the connection of whoever does not know it, after a while', async () => {
    for (const [password, user] of [
      ['guess', CLUSTER_USER],
      [SECRET, 'somebody'],
      ['', CLUSTER_USER]
    ] as const) {
      broker.peer = anonymousPeer(50_000)
      await handshake()
      const before = broker.clock.monotonic()
      const { errorCode, errorMessage } = await authenticate(password, user)
      assert.equal(errorName(errorCode), 'SASL_AUTHENTICATION_FAILED')
      assert.match(errorMessage ?? '', /SCRAM-SHA-256 failed: there is no such user, or the password is wrong/)
      assert.ok(broker.clock.monotonic() - before >= 100)
      assert.deepEqual([broker.peer.isNode, broker.peer.isRefused], [false, true])
    }
  })

  it('reads no token that is too long to be one', async () => {
    await handshake()
    const answering = broker.send(AUTHENTICATE, 2, { authBytes: Buffer.alloc(100_000, 'n') })
    await broker.clock.advance(100)
    assert.match((await answering).errorMessage ?? '', /at most 65536 bytes/)
    assert.equal(broker.peer.isRefused, true)
  })

  it('offers what there is to whoever wants another mechanism, and ends the connection', async () => {
    assert.deepEqual(await handshake('PLAIN'), ['UNSUPPORTED_SASL_MECHANISM', 'SCRAM-SHA-256'])
    assert.equal(broker.peer.isRefused, true)
  })

  it('refuses what comes out of turn', async () => {
    const token = { authBytes: Buffer.from('n,,n=x,r=y') }
    const early = await broker.call(AUTHENTICATE, 2, token)
    assert.deepEqual(
      [errorName(early.errorCode), early.errorMessage],
      ['ILLEGAL_SASL_STATE', 'SaslHandshake comes first.']
    )
    await handshake()
    assert.deepEqual(await handshake(), ['ILLEGAL_SASL_STATE'], 'one exchange at a time')
    assert.equal((await authenticate(SECRET)).errorCode, 0)
    assert.deepEqual(await handshake(), ['ILLEGAL_SASL_STATE'], 'and one for each connection')
    assert.equal(errorName((await broker.call(AUTHENTICATE, 2, token)).errorCode), 'ILLEGAL_SASL_STATE')
    assert.equal(broker.peer.isNode, true)
  })

  it('takes bare tokens after the oldest handshake', async () => {
    assert.deepEqual(await handshake(MECHANISM, 0), ['NONE', 'SCRAM-SHA-256'])
    const client = new ScramClient({ hash: 'sha256', user: CLUSTER_USER, password: SECRET, nonce: 'abc' })
    assert.deepEqual(client.finish(await bare(client.final(await bare(client.first())))), undefined)
    assert.equal(broker.peer.isNode, true)
    assert.deepEqual(await handshake(), ['ILLEGAL_SASL_STATE'], 'requests have headers again')
  })

  it('gives a bare token that is wrong no answer', async () => {
    await handshake(MECHANISM, 0)
    await assert.rejects(bare(Buffer.from('garbage')), /none of SCRAM/)
    assert.equal(broker.peer.isNode, false)
  })

  it('is there only for brokers that have a secret', async () => {
    const keys = async (fixture: BrokerFixture) =>
      (await fixture.call(VERSIONS, 4, { clientSoftwareName: 'a', clientSoftwareVersion: '1' })).apiKeys.map(
        ({ apiKey }) => apiKey
      )
    const alone = await BrokerFixture.start()
    assert.deepEqual([(await keys(broker)).includes(17), (await keys(broker)).includes(36)], [true, true])
    assert.deepEqual([(await keys(alone)).includes(17), (await keys(alone)).includes(36)], [false, false])
    await alone.close()
  })

  async function bare(token: Buffer): Promise<Buffer> {
    const call = broker.dispatcher.prepare(token, {
      clientHost: '/127.0.0.1',
      connectionId: 1,
      peer: broker.peer,
      localAddress: '127.0.0.1',
      closed: new AbortController().signal,
      mute: () => undefined
    })
    const answer = Buffer.concat((await call.start()) ?? [])
    assert.equal(answer.readInt32BE(0), answer.length - 4)
    return answer.subarray(4)
  }
})
