/** What every implementation of `Metadata` must do with settings of resources that are no topics; see `metadata-contract.ts`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Setting } from './contract-setting.ts'

export function testResourceConfigs(setting: Setting): void {
  test('settings of a resource are set, replaced and removed, and it is gone with the last', async () => {
    const { metadata } = setting
    await metadata.setResourceConfigs('group', 'g', { a: '1', b: '2' })
    const first = metadata.image.configs('group')
    await metadata.setResourceConfigs('group', 'g', { a: '3', b: undefined, c: undefined })
    assert.deepEqual({ ...first.get('g') }, { a: '1', b: '2' }, 'what was read before stays as it was')
    assert.deepEqual({ ...metadata.image.configs('group').get('g') }, { a: '3' })
    await metadata.setResourceConfigs('group', 'g', { a: undefined })
    assert.equal(metadata.image.configs('group').has('g'), false)
  })

  test('resources of one type are not those of another, whatever their names hold', async () => {
    const { metadata } = setting
    for (const name of ['', '1', 'a/b', 'group/x', '__proto__']) {
      await metadata.setResourceConfigs('broker', name, { [name]: name, k: 'v' })
      assert.deepEqual(Object.entries(metadata.image.configs('broker').get(name) ?? {}).length, name === 'k' ? 1 : 2)
    }
    assert.deepEqual([...metadata.image.configs('client-metrics')], [])
  })

  test('the map of a type stays the same until one of its resources changes', async () => {
    const { metadata } = setting
    await metadata.setResourceConfigs('client-metrics', 'm', { metrics: '*' })
    const before = metadata.image.configs('client-metrics')
    await metadata.setResourceConfigs('group', 'other', { a: '1' })
    await metadata.setTopicConfigs(setting.topic.id, { a: '1' })
    assert.equal(metadata.image.configs('client-metrics'), before)
    await metadata.setResourceConfigs('client-metrics', 'n', { metrics: '*' })
    assert.notEqual(metadata.image.configs('client-metrics'), before)
  })

  test('settings of resources survive a restart', async () => {
    await setting.metadata.setResourceConfigs('broker', '7', { 'log.retention.ms': '5' })
    await setting.reopen()
    assert.deepEqual({ ...setting.metadata.image.configs('broker').get('7') }, { 'log.retention.ms': '5' })
  })
}
