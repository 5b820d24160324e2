/** The part of the contract of `Metadata` about client quotas and levels of features, see `metadata-contract.ts`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quotaEntityKey } from './client-quotas.ts'
import { NODE, type Setting } from './contract-setting.ts'

export function testQuotasAndFeatures(setting: Setting): void {
  testClientQuotas(setting)
  test('levels of features are set together, each change with a larger epoch, and survive a restart', async () => {
    const before = setting.metadata.image.featureLevels()
    await setting.metadata.setFeatureLevels(
      new Map([
        ['a.version', 1],
        ['b.version', 0]
      ])
    )
    const first = setting.metadata.image.featureLevels()
    assert.equal(first.epoch, before.epoch + 1)
    assert.deepEqual([first.levels.get('a.version'), first.levels.get('b.version')], [1, 0])
    await setting.metadata.setFeatureLevels(new Map([['a.version', 2]]))
    const second = setting.metadata.image.featureLevels()
    assert.equal(second.epoch, first.epoch + 1)
    assert.deepEqual([second.levels.get('a.version'), second.levels.get('b.version')], [2, 0])
    await setting.reopen()
    assert.deepEqual(setting.metadata.image.featureLevels(), second)
  })

  test('the state of a node is its epoch and the number of changes; of one that never started there is none', async () => {
    const epoch = await setting.metadata.registerNode(NODE)
    const before = await setting.metadata.nodeLife(NODE)
    await setting.metadata.alterClientQuotas([{ entity: { user: 'counted' }, values: { producer_byte_rate: 1 } }])
    const after = await setting.metadata.nodeLife(NODE)
    assert.equal(after?.epoch, epoch)
    assert.equal((after?.changes ?? 0) - (before?.changes ?? 0), 1)
    assert.equal(await setting.metadata.nodeLife(4711), undefined)
  })
}

function testClientQuotas(setting: Setting): void {
  test('client quotas are set, changed and removed by entity, and survive a restart', async () => {
    const entity = { user: 'ann', 'client-id': null }
    const key = quotaEntityKey({ 'client-id': null, user: 'ann' })
    const shown = () => setting.metadata.image.clientQuotas().get(key)
    await setting.metadata.alterClientQuotas([
      { entity, values: { producer_byte_rate: 1024, request_percentage: 12.5 } }
    ])
    const first = shown()
    assert.deepEqual(first?.entity, { 'client-id': null, user: 'ann' })
    assert.deepEqual({ ...first?.values }, { producer_byte_rate: 1024, request_percentage: 12.5 })
    await setting.metadata.alterClientQuotas([{ entity, values: { producer_byte_rate: 2048, nothing: undefined } }])
    assert.deepEqual({ ...shown()?.values }, { producer_byte_rate: 2048, request_percentage: 12.5 })
    assert.equal(first?.values.producer_byte_rate, 1024, 'what was handed out does not change')
    await setting.reopen()
    assert.deepEqual({ ...shown()?.values }, { producer_byte_rate: 2048, request_percentage: 12.5 })
    const gone = { producer_byte_rate: undefined, request_percentage: undefined }
    await setting.metadata.alterClientQuotas([{ entity, values: gone }])
    assert.equal(shown(), undefined)
  })

  test('the map of client quotas stays the same while only other things change', async () => {
    await setting.metadata.alterClientQuotas([{ entity: { ip: null }, values: { connection_creation_rate: 5 } }])
    const before = setting.metadata.image.clientQuotas()
    await setting.nextTopic()
    assert.equal(setting.metadata.image.clientQuotas(), before)
  })
}
