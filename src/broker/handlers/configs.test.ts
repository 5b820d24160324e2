import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ErrorCode } from '../../wire/error-codes.ts'
import { AlterConfigsRequest, AlterConfigsResponse } from '../../wire/messages/alter-configs.ts'
import { DescribeConfigsRequest, DescribeConfigsResponse } from '../../wire/messages/describe-configs.ts'
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse
} from '../../wire/messages/incremental-alter-configs.ts'
import { ListConfigResourcesRequest, ListConfigResourcesResponse } from '../../wire/messages/list-config-resources.ts'
import { parseBatchHeader } from '../../wire/records/batch-header.ts'
import { BrokerFixture, batch, pair } from '../broker-fixture.ts'

const DESCRIBE = pair(DescribeConfigsRequest, DescribeConfigsResponse)
const ALTER = pair(IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse)
const REPLACE = pair(AlterConfigsRequest, AlterConfigsResponse)
const LIST = pair(ListConfigResourcesRequest, ListConfigResourcesResponse)
const [TOPIC, BROKER, LOGGER, METRICS, GROUP] = [2, 4, 8, 16, 32]
const [SET, DELETE, APPEND, SUBTRACT] = [0, 1, 2, 3]
const SOURCE = { topic: 1, dynamicBroker: 2, dynamicDefault: 3, broker: 4, default: 5, metrics: 7, group: 8 }

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
  type Changes = [string, number | undefined, string | null][]
  const alterAny = async (resourceType: number, resourceName: string, changes: Changes, validateOnly = false) => {
    const configs = changes.map(([key, configOperation = SET, value]) => ({ name: key, configOperation, value }))
    const resources = [{ resourceType, resourceName, configs }]
    const { responses } = await broker.call(ALTER, 1, { resources, validateOnly })
    return responses[0]?.errorCode
  }
  const alter = (name: string, changes: Changes, validateOnly = false) => alterAny(TOPIC, name, changes, validateOnly)
  const shown = async (type: number, resource: string, name: string) => {
    const found = (await show(resource, [name], { type })).configs[0]
    return [found?.value, found?.configSource]
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
        [['1000', SOURCE.topic]],
        'Kafka has no default of log.retention.ms itself'
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
    const partitions = own.configs.find(({ name }) => name === 'num.partitions')
    assert.deepEqual([partitions?.value, partitions?.readOnly, partitions?.configSource], ['2', true, SOURCE.broker])
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
      [[['compression.type', 0, 'rar']], ErrorCode.INVALID_CONFIG],
      [[['remote.storage.enable', 0, 'true']], ErrorCode.INVALID_CONFIG],
      [[['retention.ms', 0, '1'.repeat(40_000)]], ErrorCode.INVALID_CONFIG],
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
    assert.equal(await alter('nowhere', [['retention.ms', SET, 'x']]), ErrorCode.INVALID_CONFIG)
    assert.equal(await alter('bad name', [['retention.ms', SET, '1']]), ErrorCode.INVALID_TOPIC_EXCEPTION)
    assert.equal(await alter('', [['retention.ms', SET, '1']]), ErrorCode.INVALID_REQUEST)
    assert.equal(await alter('refused', [['retention.ms', SET, '1']], true), ErrorCode.NONE)
    assert.equal(await value('refused', 'retention.ms'), '604800000', 'a validation changes nothing')
  })

  it('a resource is changed once in a request, and neighbours of what is refused are changed', async () => {
    const resource = (resourceType: number, resourceName: string) => ({ resourceType, resourceName, configs: [] })
    for (const version of [0, 1]) {
      const resources = [resource(99, 'x'), resource(TOPIC, 'set'), resource(TOPIC, 'set'), resource(TOPIC, 'whole')]
      const { responses } = await broker.call(ALTER, version, { resources, validateOnly: false })
      const { INVALID_REQUEST, NONE } = ErrorCode
      assert.deepEqual(
        responses.map(({ errorCode }) => errorCode),
        [INVALID_REQUEST, INVALID_REQUEST, INVALID_REQUEST, NONE]
      )
    }
  })

  it('AlterConfigs replaces all settings of a topic, in every version', async () => {
    await broker.createTopic('replaced', 1, { 'retention.ms': '5' })
    const replace = async (configs: [string, string | null][], version: number, validateOnly = false) => {
      const resource = {
        resourceType: TOPIC,
        resourceName: 'replaced',
        configs: configs.map(([name, value]) => ({ name, value }))
      }
      return (await broker.call(REPLACE, version, { resources: [resource], validateOnly })).responses[0]?.errorCode
    }
    for (const version of [0, 1, 2]) {
      assert.equal(await replace([['retention.bytes', String(version)]], version, true), ErrorCode.NONE)
      assert.equal(await replace([['segment.ms', String(version + 1)]], version), ErrorCode.NONE)
      assert.equal(await value('replaced', 'segment.ms'), String(version + 1))
      assert.equal(await value('replaced', 'retention.bytes'), '-1', 'a validation changes nothing')
      assert.equal(await value('replaced', 'retention.ms'), '604800000', 'what is not named goes back')
    }
    assert.equal(await replace([['segment.ms', null]], 2), ErrorCode.INVALID_REQUEST)
    assert.equal(await replace([['segment.ms', '1'], ['segment.ms', '2']], 2), ErrorCode.INVALID_REQUEST) // biome-ignore format: short
    assert.equal(await replace([['nonsense', '1']], 2), ErrorCode.INVALID_CONFIG)
    assert.equal(await value('replaced', 'segment.ms'), '3')
  })

  it('a topic follows the defaults of its broker at once, the nearest first, and they survive a crash', async () => {
    await broker.createTopic('follows')
    const [name, broad] = ['log.message.timestamp.type', 'message.timestamp.type']
    assert.equal(await alterAny(BROKER, '', [[name, SET, 'LogAppendTime']]), ErrorCode.NONE)
    assert.deepEqual(await shown(TOPIC, 'follows', broad), ['LogAppendTime', SOURCE.dynamicDefault])
    assert.deepEqual(await shown(BROKER, '', name), ['LogAppendTime', SOURCE.dynamicDefault])
    assert.equal((await broker.produce('follows', batch(1))).logAppendTimeMs, broker.clock.now())
    await broker.restart()
    assert.equal((await broker.produce('follows', batch(1))).logAppendTimeMs, broker.clock.now())
    assert.equal(await alterAny(BROKER, '1', [[name, SET, 'CreateTime']]), ErrorCode.NONE)
    assert.deepEqual(await shown(TOPIC, 'follows', broad), ['CreateTime', SOURCE.dynamicBroker])
    assert.equal((await broker.produce('follows', batch(1))).logAppendTimeMs, -1)
    const { configs } = await show('follows', [broad])
    assert.deepEqual(
      configs[0]?.synonyms.map((synonym) => [synonym.name, synonym.value, synonym.source]),
      [
        [name, 'CreateTime', SOURCE.dynamicBroker],
        [name, 'LogAppendTime', SOURCE.dynamicDefault],
        [name, 'CreateTime', SOURCE.default]
      ]
    )
    for (const of of ['', '1']) assert.equal(await alterAny(BROKER, of, [[name, DELETE, null]]), ErrorCode.NONE)
    assert.deepEqual(await shown(TOPIC, 'follows', broad), ['CreateTime', SOURCE.default])
  })

  it('a broker refuses what it cannot change while it runs, and what is not its own', async () => {
    const cases: [string, string, string][] = [
      ['1', 'num.partitions', '5'],
      ['', 'group.consumer.session.timeout.ms', '50000'],
      ['1', 'log.retention.ms', 'long'],
      ['1', 'log.retention.ms', '0'],
      ['1', 'no.such.setting', '1'],
      ['1', 'group.consumer.assignment.interval.ms', '20000'],
      ['2', 'log.retention.ms', '5'],
      ['one', 'log.retention.ms', '5']
    ]
    for (const [of, name, wanted] of cases) {
      assert.equal(await alterAny(BROKER, of, [[name, SET, wanted]]), ErrorCode.INVALID_REQUEST, `${of} ${name}`)
    }
    await alterAny(BROKER, '', [['log.cleaner.max.compaction.lag.ms', SET, '1000']])
    const conflict = await alterAny(BROKER, '1', [['log.cleaner.min.compaction.lag.ms', SET, '1001']])
    assert.equal(conflict, ErrorCode.INVALID_REQUEST)
    await broker.createTopic('short')
    assert.equal(await alter('short', [['min.compaction.lag.ms', SET, '1001']]), ErrorCode.INVALID_CONFIG)
    await alterAny(BROKER, '', [['log.cleaner.max.compaction.lag.ms', DELETE, null]])
  })

  it('groups have settings within the broker’s bounds, whether or not they exist', async () => {
    const name = 'consumer.session.timeout.ms'
    assert.deepEqual(await shown(GROUP, 'g', name), ['45000', SOURCE.default])
    assert.equal(await alterAny(GROUP, 'g', [[name, SET, '50000']]), ErrorCode.NONE)
    assert.deepEqual(await shown(GROUP, 'g', name), ['50000', SOURCE.group])
    assert.equal(broker.parts.live.groupSettings('g').consumerSessionTimeoutMs, 50_000)
    assert.equal(broker.parts.live.groupSettings('h').consumerSessionTimeoutMs, 45_000)
    for (const wanted of ['60001', '44999', 'x']) {
      assert.equal(await alterAny(GROUP, 'g', [[name, SET, wanted]]), ErrorCode.INVALID_CONFIG, wanted)
    }
    assert.equal(await alterAny(GROUP, 'g', [['nonsense', SET, '1']]), ErrorCode.INVALID_CONFIG)
    assert.equal(await alterAny(GROUP, '', [[name, SET, '50000']]), ErrorCode.INVALID_REQUEST)
    assert.equal((await show('', null, { type: GROUP })).errorCode, ErrorCode.INVALID_REQUEST)
  })

  it('subscriptions to client metrics are kept by name', async () => {
    const changes: Changes = [
      ['metrics', SET, 'org.apache.kafka.producer.,org.apache.kafka.consumer.'],
      ['match', SET, 'client_id=app-.*']
    ]
    assert.equal(await alterAny(METRICS, 'm', changes), ErrorCode.NONE)
    assert.deepEqual(await shown(METRICS, 'm', 'match'), ['client_id=app-.*', SOURCE.metrics])
    assert.deepEqual(await shown(METRICS, 'm', 'interval.ms'), ['300000', SOURCE.default])
    const subscription = broker.parts.live.clientMetrics().get('m')
    assert.deepEqual(subscription?.metrics, ['org.apache.kafka.producer.', 'org.apache.kafka.consumer.'])
    assert.ok(subscription?.match.get('client_id')?.matches('app-1'))
    assert.ok(!subscription?.match.get('client_id')?.matches('an app-1'))
    const { INVALID_CONFIG, INVALID_REQUEST } = ErrorCode
    const refused: [string, string, number][] = [
      ['interval.ms', '99', INVALID_REQUEST],
      ['interval.ms', '3600001', INVALID_REQUEST],
      ['interval.ms', 'x', INVALID_CONFIG],
      ['match', 'color=red', INVALID_CONFIG],
      ['match', 'client_id=(', INVALID_CONFIG],
      ['nonsense', '1', INVALID_REQUEST]
    ]
    for (const [name, wanted, expected] of refused) {
      assert.equal(await alterAny(METRICS, 'm', [[name, SET, wanted]]), expected, `${name}=${wanted}`)
    }
    assert.equal(await alterAny(METRICS, '', [['metrics', SET, '*']]), INVALID_REQUEST)
  })

  it('what has settings is listed by type', async () => {
    const list = async (types: number[], version = 1) => {
      const { errorCode, configResources } = await broker.call(LIST, version, { resourceTypes: types })
      return [errorCode, configResources.map((it) => `${it.resourceType}:${it.resourceName}`)] as const
    }
    assert.deepEqual(await list([GROUP]), [ErrorCode.NONE, ['32:g']])
    assert.deepEqual(await list([BROKER, LOGGER]), [ErrorCode.NONE, ['8:1', '4:1']])
    assert.deepEqual(await list([], 0), [ErrorCode.NONE, ['16:m']])
    assert.deepEqual(await list([99]), [ErrorCode.UNSUPPORTED_VERSION, []])
    const [, all] = await list([])
    assert.ok(['2:set', '4:1', '8:1', '16:m', '32:g'].every((name) => all?.includes(name)))
  })

  it('the level of the log is shown and set where it can be', async () => {
    assert.deepEqual((await show('1', null, { type: LOGGER })).configs, [], 'this broker’s log has no level')
    assert.equal(await alterAny(LOGGER, '1', [['root', SET, 'INFO']]), ErrorCode.INVALID_CONFIG)
    assert.equal((await show('', null, { type: LOGGER })).errorCode, ErrorCode.INVALID_REQUEST)
  })

  it('a batch is compressed anew as its topic says, and keeps everything else', async () => {
    await broker.createTopic('packed', 1, { 'compression.type': 'gzip', 'message.timestamp.type': 'LogAppendTime' })
    const options = { producerId: 7, producerEpoch: 1, baseSequence: 3, valueBytes: 500 }
    assert.equal((await broker.produce('packed', batch(5, options))).errorCode, ErrorCode.NONE)
    const entries = await broker.run(Promise.resolve(broker.partition('packed').stream.read(0, 1 << 20)))
    const header = parseBatchHeader(entries[0]?.payload ?? assert.fail(), 0)
    assert.deepEqual([header.attributes & 7, header.recordCount, header.lastOffsetDelta], [1, 5, 4])
    assert.deepEqual([header.producerId, header.producerEpoch, header.baseSequence], [7, 1, 3])
    assert.equal(header.maxTimestamp, broker.clock.now())
    assert.ok(header.sizeInBytes < 500)
  })
})
