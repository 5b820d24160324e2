import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TOPIC_SETTINGS } from './settings/topic-declarations.ts'
import { collidingTopic, topicNameProblem } from './topic-names.ts'
import { checkSettings, checkTogether, topicSettings } from './topic-settings.ts'

describe('topic settings', () => {
  it('every default passes its own check', () => {
    for (const [name, { default: value, check }] of TOPIC_SETTINGS) assert.ok(check(value), name)
  })

  it('a topic’s own value wins over the broker’s, and that over Kafka’s default', () => {
    const defaults = { 'retention.ms': '7', 'max.message.bytes': '8' }
    const { maxMessageBytes, logAppendTime, retentionBytes, retentionMs } = topicSettings(
      { 'retention.ms': '5' },
      defaults
    )
    assert.deepEqual([maxMessageBytes, logAppendTime, retentionBytes, retentionMs], [8, false, -1, 5])
  })

  it('the cleanup policy is a list in any order, and may be empty', () => {
    const policy = (value: string) => {
      assert.equal(checkSettings({ 'cleanup.policy': value }), undefined, value)
      const settings = topicSettings({ 'cleanup.policy': value }, {})
      return [settings.compact, settings.delete]
    }
    assert.deepEqual(policy('delete'), [false, true])
    assert.deepEqual(policy('compact'), [true, false])
    assert.deepEqual(policy('compact,delete'), [true, true])
    assert.deepEqual(policy('delete, compact'), [true, true])
    assert.deepEqual(policy(''), [false, false])
    assert.deepEqual(policy('compact,compact'), [true, false], 'twice is once')
    for (const value of ['burn', 'compact,burn', 'compact,', 'Compact']) {
      assert.match(checkSettings({ 'cleanup.policy': value }) ?? '', /cleanup\.policy.*compact/, value)
    }
  })

  it('compaction has Kafka’s defaults and bounds', () => {
    const { minCleanableDirtyRatio, minCompactionLagMs, maxCompactionLagMs, deleteRetentionMs } = topicSettings({}, {})
    assert.deepEqual([minCleanableDirtyRatio, minCompactionLagMs, deleteRetentionMs], [0.5, 0, 86_400_000])
    assert.ok(maxCompactionLagMs > Number.MAX_SAFE_INTEGER)
    const legal = { 'min.cleanable.dirty.ratio': '0', 'max.compaction.lag.ms': '9223372036854775807' }
    assert.equal(checkSettings({ ...legal, 'retention.ms': '9223372036854775807', 'segment.ms': '1' }), undefined)
    const illegal = [
      ['min.cleanable.dirty.ratio', '1.1'],
      ['min.cleanable.dirty.ratio', ''],
      ['min.cleanable.dirty.ratio', 'half'],
      ['min.compaction.lag.ms', '-1'],
      ['max.compaction.lag.ms', '0'],
      ['max.compaction.lag.ms', '9223372036854775808'],
      ['delete.retention.ms', '-1'],
      ['segment.bytes', '1048575'],
      ['segment.ms', '0']
    ] as const
    for (const [name, value] of illegal) assert.ok(checkSettings({ [name]: value })?.includes(name), `${name}=${value}`)
  })

  it('the shortest compaction lag may not be longer than the longest', () => {
    assert.equal(checkTogether({}, ['default']), undefined)
    const elsewhere = { 'longhaul.object.store.profile': 'eu' }
    assert.equal(checkTogether(elsewhere, ['default', 'eu']), undefined)
    assert.match(checkTogether(elsewhere, ['default', 'us']) ?? '', /eu.*the object stores here are default, us/)
    assert.equal(checkTogether({ 'min.compaction.lag.ms': '5', 'max.compaction.lag.ms': '5' }, ['default']), undefined)
    const problem = checkTogether({ 'min.compaction.lag.ms': '6', 'max.compaction.lag.ms': '5' }, ['default'])
    assert.match(problem ?? '', /min\.compaction\.lag\.ms \(6\).*\(5\)/)
  })

  it('an unknown name and a wrong value are named in the message', () => {
    assert.match(checkSettings({ 'retention.weeks': '1' }) ?? '', /retention\.weeks.*retention\.ms/)
    assert.match(checkSettings({ 'retention.ms': '1e3' }) ?? '', /retention\.ms.*whole number/)
    assert.equal(checkSettings({ 'retention.ms': '-1', 'retention.bytes': undefined }), undefined)
  })
})

describe('topic names', () => {
  it('follow Kafka’s rules', () => {
    for (const name of ['a', 'A.b_c-9', 'x'.repeat(249)]) assert.equal(topicNameProblem(name), undefined, name)
    for (const name of ['', '.', '..', 'x'.repeat(250), 'a b', 'ü', 'a/b'])
      assert.notEqual(topicNameProblem(name), undefined)
  })

  it('collide when they differ in dots and underscores only', () => {
    assert.equal(collidingTopic('a.b', ['x', 'a_b']), 'a_b')
    assert.equal(collidingTopic('a.b', ['a.b', 'a-b']), undefined)
  })
})
