import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { collidingTopic, topicNameProblem } from './topic-names.ts'
import { checkSettings, TOPIC_SETTINGS, topicSettings } from './topic-settings.ts'

describe('topic settings', () => {
  it('every default passes its own check', () => {
    for (const [name, { default: value, check }] of TOPIC_SETTINGS) assert.equal(check(value), undefined, name)
  })

  it('a topic’s own value wins over the broker’s, and that over Kafka’s default', () => {
    const defaults = { 'retention.ms': '7', 'max.message.bytes': '8' }
    const settings = topicSettings({ 'retention.ms': '5' }, defaults)
    assert.deepEqual(settings, { maxMessageBytes: 8, logAppendTime: false, retentionBytes: -1, retentionMs: 5 })
  })

  it('an unknown name and a wrong value are named in the message', () => {
    assert.match(checkSettings({ 'retention.weeks': '1' }) ?? '', /retention\.weeks.*retention\.ms/)
    assert.match(checkSettings({ 'retention.ms': '1e3' }) ?? '', /retention\.ms.*whole number/)
    assert.match(checkSettings({ 'cleanup.policy': 'compact' }) ?? '', /delete/)
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
