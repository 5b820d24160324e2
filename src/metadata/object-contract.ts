/** The part of `metadata-contract.ts` about the life of objects. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { objectId, refused, type Setting } from './contract-setting.ts'

export function testObjects(setting: Setting): void {
  testObjectLife(setting)
  testObjectsOfTopics(setting)
  testDueObjects(setting)
}

function testObjectLife(setting: Setting): void {
  test('object keys are distinct, spread and tell the id', async () => {
    const keys = new Set<string>()
    const prefixes = new Set<string>()
    for (let i = 0; i < 64; i++) {
      const { id, key } = await setting.metadata.prepareObject('main')
      const match = /^objects\/([0-9a-f]{2})\/(\d{16})$/.exec(key)
      assert.equal(Number(match?.[2]), id)
      prefixes.add(match?.[1] ?? '')
      keys.add(key)
    }
    assert.equal(keys.size, 64)
    assert.ok(prefixes.size > 40, `64 objects share ${prefixes.size} prefixes`)
  })

  test('a prepared object expires once it is old enough, and cannot be committed from then on', async () => {
    const { metadata, clock } = setting
    await setting.expire(Number.MAX_SAFE_INTEGER)
    const upload = await setting.upload([await setting.openStream()], 10)
    assert.deepEqual(await metadata.expiredObjects(clock.time, 1000), [])
    const due = await metadata.expiredObjects(clock.time + 1, 1000)
    assert.deepEqual(
      due.map((object) => object.id),
      [objectId(upload)]
    )
    assert.deepEqual(await metadata.expiredObjects(clock.time + 1, 1000), due)
    await refused('missing', metadata.commitUpload(upload))
    await metadata.forgetObjects([objectId(upload)])
    assert.deepEqual(await metadata.expiredObjects(clock.time + 1, 1000), [])
    await refused('missing', metadata.commitUpload(upload))
  })

  test('a prepared object that is renewed expires later, others are not changed by it', async () => {
    const { metadata, clock } = setting
    await setting.expire(Number.MAX_SAFE_INTEGER)
    const renewed = await metadata.prepareObject('main')
    const other = await metadata.prepareObject('main')
    const upload = await setting.commit([await setting.openStream()], 10)
    clock.time += 1000
    await metadata.renewObjects([renewed.id, objectId(upload), 999_999])
    const due = await metadata.expiredObjects(clock.time, 1000)
    assert.deepEqual(
      due.map(({ id }) => id),
      [other.id]
    )
    assert.deepEqual(await setting.expire(clock.time + 1), [other.id, renewed.id])
    assert.ok(metadata.image.object(objectId(upload)))
    await metadata.renewObjects([])
  })

  test('an object is destroyed when its last range goes, and expires counting from then', async () => {
    const { metadata, clock } = setting
    await setting.expire(Number.MAX_SAFE_INTEGER)
    const [one, two] = [await setting.openStream(0), await setting.openStream(1)]
    const upload = await setting.commit([one, two], 10)
    clock.time += 1000
    await metadata.trimStream(one.id, one.epoch, 10)
    assert.ok(metadata.image.object(objectId(upload)))
    assert.deepEqual(await metadata.expiredObjects(Number.MAX_SAFE_INTEGER, 1000), [])
    clock.time += 1000
    await metadata.trimStream(two.id, two.epoch, 10)
    assert.equal(metadata.image.object(objectId(upload)), undefined)
    assert.deepEqual(await metadata.expiredObjects(clock.time, 1000), [])
    assert.deepEqual(await setting.expire(clock.time + 1), [objectId(upload)])
  })
}

function testObjectsOfTopics(setting: Setting): void {
  test('deleting a topic destroys the objects that hold nothing else, and only those', async () => {
    const { metadata } = setting
    await setting.expire(Number.MAX_SAFE_INTEGER)
    const { id } = setting.topic
    const doomed = await setting.openStream()
    const own = await setting.commit([doomed], 10)
    await setting.nextTopic()
    const shared = await setting.commit([setting.stream(doomed.id), await setting.openStream()], 10)
    await metadata.deleteTopic(id)
    assert.deepEqual(await setting.expire(Number.MAX_SAFE_INTEGER), [objectId(own)])
    assert.ok(metadata.image.object(objectId(shared)))
  })

  test('an object in use cannot be forgotten; an unknown one counts as forgotten', async () => {
    const upload = await setting.commit([await setting.openStream()], 10)
    await refused('invalid', setting.metadata.forgetObjects([objectId(upload)]))
    await setting.metadata.forgetObjects([999_999])
  })
}

function testDueObjects(setting: Setting): void {
  test('of the objects that are due the oldest come first, whatever their state, and never more than asked for', async () => {
    const { metadata, clock } = setting
    await setting.expire(Number.MAX_SAFE_INTEGER)
    const stream = await setting.openStream()
    const prepared: number[] = []
    const destroyed = [objectId(await setting.commit([stream], 10))]
    for (let i = 0; i < 3; i++) {
      clock.time += 10
      prepared.push((await metadata.prepareObject('main')).id)
    }
    clock.time += 10
    await metadata.trimStream(stream.id, stream.epoch, 10)
    const ids = async (before: number, limit: number) =>
      (await metadata.expiredObjects(before, limit)).map(({ id }) => id)
    assert.deepEqual(await ids(clock.time, 1000), prepared)
    assert.deepEqual(await ids(clock.time + 1, 2), prepared.slice(0, 2))
    assert.deepEqual(await ids(clock.time + 1, 4), [...prepared, ...destroyed])
    await metadata.forgetObjects(prepared.slice(0, 2))
    assert.deepEqual(await ids(clock.time + 1, 1), prepared.slice(2))
    await refused('invalid', metadata.expiredObjects(clock.time, 0))
  })

  test('objects that are due and were not asked for can still be committed', async () => {
    const { metadata, clock } = setting
    await setting.expire(Number.MAX_SAFE_INTEGER)
    const first = await metadata.prepareObject('main')
    clock.time += 1
    const upload = await setting.upload([await setting.openStream()], 10)
    const due = await metadata.expiredObjects(clock.time + 1, 1)
    assert.deepEqual(due, [first])
    await metadata.commitUpload(upload)
  })

  test('the metadata tells which objects it knows, in whatever state', async () => {
    const { metadata } = setting
    const { id } = await metadata.prepareObject('main')
    const upload = await setting.commit([await setting.openStream()], 10)
    const all = [id, objectId(upload), 999_999]
    assert.deepEqual(await metadata.knownObjects(all), new Set(all.slice(0, 2)))
    await metadata.expiredObjects(Number.MAX_SAFE_INTEGER, 1000)
    assert.deepEqual(await metadata.knownObjects(all), new Set(all.slice(0, 2)))
    await metadata.forgetObjects([id])
    assert.deepEqual(await metadata.knownObjects(all), new Set([objectId(upload)]))
    assert.deepEqual(await metadata.knownObjects([]), new Set())
  })
}
