import assert from 'node:assert/strict'
import { it } from 'node:test'
import { seededRandom } from '../../runtime/random.ts'
import { BrokerFixture, batch } from '../broker-fixture.ts'
import { configureGroup, ShareClient } from './share-client-fixture.ts'

const BATCHES = 30
const BATCH_RECORDS = 7

/** Members accept, release and reject at random while the broker dies again and again. */
async function consumeThroughCrashes(seed: number): Promise<void> {
  const random = seededRandom(seed)
  const fixture = await BrokerFixture.start()
  await fixture.createTopic('t')
  await configureGroup(fixture, 'g', { 'share.auto.offset.reset': 'earliest' })
  for (let i = 0; i < BATCHES; i++) await fixture.produce('t', batch(BATCH_RECORDS))
  const done = new Set<number>()
  let life = 0
  let members: ShareClient[] = []
  const begin = async () => {
    life++
    members = ['one', 'two'].map((name) => new ShareClient(fixture, 'g', `${name}-${life}`))
    for (const member of members) await member.join('t')
  }
  await begin()
  for (let round = 0; done.size < BATCHES * BATCH_RECORDS; round++) {
    assert.ok(round < 2_000, `${done.size} records are done with`)
    const member = members[random.int(2)] as ShareClient
    const { acquired } = await member.fetch('t', { maxRecords: 1 + random.int(30), shareAcquireMode: random.int(2) })
    for (const [first, last, deliveries] of acquired) {
      for (let offset = first; offset <= last; offset++) assert.ok(!done.has(offset), `${offset} came again`)
      // Near its limit nothing is released or kept, or it would be archived unseen.
      const types = Array.from({ length: last - first + 1 }, () => (deliveries > 2 ? 1 : 1 + random.int(3)))
      // Some keep silent and are taken for dead with the broker.
      if (deliveries <= 2 && random.int(5) === 0) continue
      assert.equal(await member.acknowledge('t', [{ first, last, types }]), 0)
      for (const [i, type] of types.entries()) if (type !== 2) done.add(first + i)
    }
    const fate = random.int(8)
    if (fate === 0) {
      await fixture.restart()
      await begin()
    } else if (fate === 1) {
      await fixture.clock.advance(31_000)
      for (const each of members) assert.equal((await each.heartbeat()).errorCode, 0)
    }
  }
  await fixture.close()
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  it(`through crashes every record is done with once and none is lost (seed ${seed})`, () =>
    consumeThroughCrashes(seed))
}
