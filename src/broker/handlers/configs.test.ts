import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ErrorCode } from '../../wire/error-codes.ts'
import { DescribeConfigsRequest, DescribeConfigsResponse } from '../../wire/messages/describe-configs.ts'
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse
} from '../../wire/messages/incremental-alter-configs.ts'
import { BrokerFixture, batch, pair } from '../broker-fixture.ts'

const DESCRIBE = pair(DescribeConfigsRequest, DescribeConfigsResponse)
const ALTER = pair(IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse)
const TOPIC = 2
const BROKER = 4
const [SET, DELETE, APPEND, SUBTRACT] = [0, 1, 2, 3]
const SOURCE = { topic: 1, broker: 4, default: 5 }

describe('configs', () => {
  let broker: BrokerFixture
  before(async () => {
    broker = await BrokerFixture.start({ settings: { topicDefaults: { 'max.message.bytes': '5000' } } })
    await broker.createTopic('set', 1, { 'retention.ms': '1000' })
  })
  after(() => broker.close())

  const show = async (
    resourceName: string,
    keys: string[] | null = null,
    options: { version?: number; type?: number } = {}
  ) => {
    const { version = 4, type = TOPIC } = options
    const resources = [{ resourceType: type, resourceName, configurationKeys: keys }]
    const more = version >= 3 ? { includeDocumentation: true } : {}
    const { results } = await broker.call(DESCRIBE, version, { resources, includeSynonyms: true, ...more })
    return results[0] ?? assert.fail()
  }
  const alter = async (name: string, changes: [string, number | undefined, string | null][], validateOnly = false) => {
    const configs = changes.map(([key, configOperation = SET, value]) => ({ name: key, configOperation, value }))
    const resources = [{ resourceType: TOPIC, resourceName: name, configs }]
    const { responses } = await broker.call(ALTER, 1, { resources, validateOnly })
    return responses[0]?.errorCode
  }
  const value = async (topic: string, name: string) => (await show(topic, [name])).configs[0]?.value

  it('a setting is shown with its value, where that comes from, its type and what it means', async () => {
    for (let version = 1; version <= 4; version++) {
      const { configs, errorCode } = await show('set', ['retention.ms', 'max.message.bytes', 'retention.bytes'], {
        version
      })
      assert.equal(errorCode, ErrorCode.NONE)
      assert.deepEqual(
        configs.map((c) => [c.name, c.value, c.configSource]),
        [
          ['max.message.bytes', '5000', SOURCE.broker],
          ['retention.bytes', '-1', SOURCE.default],
          ['retention.ms', '1000', SOURCE.topic]
        ]
      )
      assert.deepEqual(
        configs[2]?.synonyms.map((s) => [s.value, s.source]),
        [
          ['1000', SOURCE.topic],
          ['604800000', SOURCE.default]
        ]
      )
      if (version >= 3) assert.ok((configs[0]?.documentation ?? '').length > 0)
    }
  })

  it('no list of keys, and an empty one, mean all', async () => {
    const all = (await show('set')).configs.map(({ name }) => name)
    assert.deepEqual(all, [...all].sort())
    assert.ok(all.includes('cleanup.policy'))
    assert.deepEqual((await show('set', [])).configs.length, all.length)
  })

  it('the broker tells its own settings, under its id only', async () => {
    const own = await show('1', null, { type: BROKER })
    assert.equal(own.configs.find(({ name }) => name === 'num.partitions')?.value, '2')
    assert.ok(own.configs.every(({ readOnly }) => readOnly))
    assert.deepEqual((await show('', null, { type: BROKER })).configs, [])
    assert.equal((await show('2', null, { type: BROKER })).errorCode, ErrorCode.INVALID_REQUEST)
    assert.equal((await show('x', null, { type: 99 })).errorCode, ErrorCode.INVALID_REQUEST)
    assert.equal((await show('nowhere')).errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    assert.equal((await show('bad name')).errorCode, ErrorCode.INVALID_TOPIC_EXCEPTION)
  })

  it('a change holds at once and after a crash, and deleting it brings the default back', async () => {
    await broker.createTopic('changed')
    assert.equal(await alter('changed', [['max.message.bytes', SET, '10']]), ErrorCode.NONE)
    assert.equal((await broker.produce('changed', batch(1))).errorCode, ErrorCode.MESSAGE_TOO_LARGE)
    await broker.restart()
    assert.equal(await value('changed', 'max.message.bytes'), '10')
    assert.equal((await broker.produce('changed', batch(1))).errorCode, ErrorCode.MESSAGE_TOO_LARGE)
    assert.equal(await alter('changed', [['max.message.bytes', DELETE, null]]), ErrorCode.NONE)
    assert.equal(await value('changed', 'max.message.bytes'), '5000')
  })

  it('of several changes to a topic all or none are made', async () => {
    await broker.createTopic('whole')
    const changes: Parameters<typeof alter>[1] = [
      ['retention.ms', SET, '5'],
      ['retention.bytes', SET, 'much']
    ]
    assert.equal(await alter('whole', changes), ErrorCode.INVALID_CONFIG)
    assert.equal(await value('whole', 'retention.ms'), '604800000')
  })

  it('lists are appended to and subtracted from, other settings are not', async () => {
    await broker.createTopic('lists')
    assert.equal(await alter('lists', [['cleanup.policy', APPEND, 'delete']]), ErrorCode.NONE)
    assert.equal(await value('lists', 'cleanup.policy'), 'delete')
    assert.equal(await alter('lists', [['cleanup.policy', APPEND, 'compact']]), ErrorCode.NONE)
    assert.equal(await value('lists', 'cleanup.policy'), 'delete,compact')
    assert.equal(await alter('lists', [['cleanup.policy', SUBTRACT, 'delete']]), ErrorCode.NONE)
    assert.equal(await value('lists', 'cleanup.policy'), 'compact')
    assert.equal(await alter('lists', [['cleanup.policy', APPEND, 'burn']]), ErrorCode.INVALID_CONFIG)
    assert.equal(await alter('lists', [['retention.ms', APPEND, '5']]), ErrorCode.INVALID_CONFIG)
  })

  it('settings that contradict each other are refused, also when one of them was set before', async () => {
    await broker.createTopic('lags', 1, { 'max.compaction.lag.ms': '1000' })
    assert.equal(await alter('lags', [['min.compaction.lag.ms', SET, '1001']]), ErrorCode.INVALID_CONFIG)
    assert.equal(await alter('lags', [['min.compaction.lag.ms', SET, '1000']]), ErrorCode.NONE)
    const both: Parameters<typeof alter>[1] = [
      ['min.compaction.lag.ms', SET, '2000'],
      ['max.compaction.lag.ms', DELETE, null]
    ]
    assert.equal(await alter('lags', both), ErrorCode.NONE)
  })

  it('what cannot be set is refused', async () => {
    await broker.createTopic('refused')
    const cases: [[string, number, string | null][], number][] = [
      [[['retention.weeks', 0, '1']], ErrorCode.INVALID_CONFIG],
      [[['__proto__', 0, '1']], ErrorCode.INVALID_CONFIG],
      [[['constructor', 0, '1']], ErrorCode.INVALID_CONFIG],
      [[['retention.ms', 0, null]], ErrorCode.INVALID_REQUEST],
      [[['retention.ms', 0, '-2']], ErrorCode.INVALID_CONFIG],
      [[['retention.ms', 0, '1.5']], ErrorCode.INVALID_CONFIG],
      [[['compression.type', 0, 'gzip']], ErrorCode.INVALID_CONFIG],
      [[['retention.ms', 9, '1']], ErrorCode.INVALID_REQUEST],
      [
        [
          ['retention.ms', 0, '1'],
          ['retention.ms', 0, '2']
        ],
        ErrorCode.INVALID_REQUEST
      ]
    ]
    for (const [changes, expected] of cases) assert.equal(await alter('refused', changes), expected, String(changes))
    assert.equal(
      await alter('refused', [['retention.weeks', DELETE, null]]),
      ErrorCode.NONE,
      'there is nothing to delete'
    )
    assert.equal(await alter('nowhere', [['retention.ms', SET, '1']]), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    assert.equal(await alter('refused', [['retention.ms', SET, '1']], true), ErrorCode.NONE)
    assert.equal(await value('refused', 'retention.ms'), '604800000', 'a validation changes nothing')
  })

  it('only topics can be changed, each once in a request', async () => {
    const resource = (resourceType: number, resourceName: string) => ({ resourceType, resourceName, configs: [] })
    for (const version of [0, 1]) {
      const resources = [resource(BROKER, '1'), resource(TOPIC, 'set'), resource(TOPIC, 'set')]
      const { responses } = await broker.call(ALTER, version, { resources, validateOnly: false })
      assert.ok(responses.every(({ errorCode }) => errorCode === ErrorCode.INVALID_REQUEST))
    }
  })
})
