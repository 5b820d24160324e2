import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ConfigValues } from '../../metadata/metadata.ts'
import { DEFAULT_GROUP_SETTINGS } from '../group-settings.ts'
import { BROKER_SETTINGS, brokerSynonyms } from './broker-declarations.ts'
import { clientMetricsSubscription, matchProblem } from './client-metrics-declarations.ts'
import { groupDefaultProblem, groupProblem } from './group-check.ts'
import { GROUP_SETTINGS, parseDuration } from './group-declarations.ts'
import { ALL_BROKERS, LiveSettings } from './live-settings.ts'
import { kafkaLevel, setKafkaLevel } from './logger-levels.ts'
import { boolean, double, int, list, long, or, type SettingKind } from './setting.ts'
import { TOPIC_SETTINGS } from './topic-declarations.ts'

const START = {
  nodeId: 1,
  rack: null,
  logDir: 'memory:',
  autoCreateTopics: true,
  defaultPartitions: 3,
  topicDefaults: { 'max.message.bytes': '5000' }
}

/** Live settings over what was set, which may be set again. */
function live(broker: Record<string, ConfigValues> = {}, group: Record<string, ConfigValues> = {}) {
  let brokers: ReadonlyMap<string, ConfigValues> = new Map(Object.entries(broker))
  const groups = new Map(Object.entries(group))
  const configs = (type: string): ReadonlyMap<string, ConfigValues> => (type === 'broker' ? brokers : groups)
  const settings = new LiveSettings({ configs }, START)
  const set = (changed: Record<string, ConfigValues>): void => {
    brokers = new Map(Object.entries(changed))
  }
  return { settings, set }
}

describe('kinds of settings', () => {
  const taken = (kind: SettingKind, values: readonly string[]) =>
    values.filter((value) => kind.check(value)).map((value) => kind.normalize(value))

  it('take what Kafka takes, and are shown as Kafka shows them', () => {
    assert.deepEqual(taken(long(-1), ['5', ' 7 ', '+8', '-1', '-2', '1.5', '0x1', '', '1e3']), ['5', '7', '8', '-1'])
    assert.deepEqual(taken(long(), ['9223372036854775807', '9223372036854775808']), ['9223372036854775807'])
    assert.deepEqual(taken(int(0), ['2147483647', '2147483648', '9'.repeat(99)]), ['2147483647'])
    assert.deepEqual(taken(or(int(1, 9), '-1'), ['0', '-1', '9', '10']), ['-1', '9'])
    assert.deepEqual(taken(double(0, 1), ['0', '1', '.5', '1e-2', '1.1', '-0.1', '', 'x', '0x1']), ['0.0', '1.0', '0.5', '0.01']) // biome-ignore format: short
    assert.deepEqual(taken(boolean, ['true', 'FALSE', ' True ', 'yes', '']), ['true', 'false', 'true'])
    const letters = list('letters', (item) => /^[a-z]$/.test(item))
    assert.deepEqual(taken(letters, ['', 'a', 'a, b', 'a,a', 'a,', ',', 'A']), ['', 'a', 'a,b', 'a'])
  })
})

describe('declarations', () => {
  it('every default passes its own check and is shown as it is written', () => {
    for (const table of [TOPIC_SETTINGS, BROKER_SETTINGS, GROUP_SETTINGS]) {
      for (const [name, { default: value, check, normalize }] of table) {
        if (value === undefined) continue
        assert.ok(check(value), name)
        if (name !== 'log.cleaner.io.max.bytes.per.second') assert.equal(normalize(value), value, name)
      }
    }
  })

  it('every setting says what it does here, in a sentence', () => {
    for (const table of [TOPIC_SETTINGS, BROKER_SETTINGS, GROUP_SETTINGS]) {
      for (const [name, { documentation }] of table) assert.match(documentation, /^\S.{10,}\.$/, name)
    }
  })

  it('names stand in order, and broker settings that others point to exist', () => {
    for (const table of [TOPIC_SETTINGS, BROKER_SETTINGS, GROUP_SETTINGS]) {
      const names = [...table.keys()]
      assert.deepEqual(names, names.toSorted())
    }
    const pointed = [...TOPIC_SETTINGS.values(), ...GROUP_SETTINGS.values()].map(({ brokerName }) => brokerName)
    const bounds = [...GROUP_SETTINGS.values()].flatMap(({ min, max }) => [min, max])
    for (const name of [...pointed, ...bounds]) assert.ok(name === undefined || BROKER_SETTINGS.has(name), name)
    for (const name of bounds) if (name !== undefined) assert.notEqual(BROKER_SETTINGS.get(name)?.default, undefined)
  })

  it('synonyms are in Kafka’s order', () => {
    assert.deepEqual(brokerSynonyms('log.retention.hours'), [
      'log.retention.ms',
      'log.retention.minutes',
      'log.retention.hours'
    ])
    assert.deepEqual(brokerSynonyms('log.flush.scheduler.interval.ms'), ['log.flush.scheduler.interval.ms'])
    assert.deepEqual(brokerSynonyms('log.segment.bytes'), ['log.segment.bytes'])
  })
})

describe('live settings', () => {
  it('what is set for the broker wins over all brokers, that over its start, that over the default', () => {
    const { settings, set } = live()
    const bytes = () => settings.topicDefaults()['max.message.bytes']
    assert.deepEqual([bytes(), settings.brokerValue('message.max.bytes')], ['5000', '5000'])
    set({ [ALL_BROKERS]: { 'message.max.bytes': '6000' } })
    assert.deepEqual([bytes(), settings.brokerValue('message.max.bytes')], ['6000', '6000'])
    set({ [ALL_BROKERS]: { 'message.max.bytes': '6000' }, '1': { 'message.max.bytes': '7000' } })
    assert.deepEqual([bytes(), settings.brokerValue('message.max.bytes')], ['7000', '7000'])
    set({ '2': { 'message.max.bytes': '8000' } })
    assert.equal(bytes(), '5000', 'another broker’s settings are not ours')
    assert.equal(settings.brokerValue('log.segment.bytes'), '1073741824')
    assert.equal(settings.brokerValue('log.retention.ms'), undefined)
  })

  it('defaults of topics are the same object until a broker’s settings change', () => {
    const { settings, set } = live()
    const before = settings.topicDefaults()
    assert.equal(settings.topicDefaults(), before)
    set({ '1': { 'log.retention.ms': '1' } })
    assert.notEqual(settings.topicDefaults(), before)
    assert.equal(settings.topicDefaults()['retention.ms'], '1')
  })

  it('a group that nobody has heard of has Kafka’s defaults', () => {
    assert.deepEqual(live().settings.groupSettings('nobody'), DEFAULT_GROUP_SETTINGS)
  })

  it('a group’s own settings win over the broker’s, and are kept within the broker’s bounds', () => {
    const own = {
      'consumer.session.timeout.ms': '99999999',
      'consumer.assignment.interval.ms': '7',
      'share.auto.offset.reset': 'by_duration:PT1H30M',
      'share.isolation.level': 'read_committed',
      'share.renew.acknowledge.enable': 'FALSE'
    }
    const { settings } = live({ '': { 'group.share.assignment.interval.ms': '9' } }, { g: own })
    const group = settings.groupSettings('g')
    assert.deepEqual([group.consumerSessionTimeoutMs, group.consumerAssignmentIntervalMs], [60_000, 7])
    assert.deepEqual(group.shareAutoOffsetReset, { kind: 'by-duration', durationMs: 5_400_000 })
    assert.deepEqual([group.shareIsolationLevel, group.shareRenewAcknowledgeEnable], ['read_committed', false])
    assert.equal(group.shareAssignmentIntervalMs, 9)
  })
})

describe('checks of groups', () => {
  const { settings } = live()
  const problem = (configs: ConfigValues) => groupProblem(configs, configs, settings)

  it('values lie within the broker’s bounds, and sessions outlast heartbeats', () => {
    assert.equal(problem({ 'share.session.timeout.ms': '45000', 'share.heartbeat.interval.ms': '15000' }), undefined)
    assert.match(problem({ 'share.session.timeout.ms': '44999' }) ?? '', /group\.share\.min\.session\.timeout\.ms/)
    assert.match(problem({ 'streams.num.standby.replicas': '3' }) ?? '', /group\.streams\.max\.standby\.replicas/)
    assert.match(problem({ 'share.delivery.count.limit': '1' }) ?? '', /whole number from 2/)
    const wide = live({ '': {} }).settings
    const values = { 'consumer.session.timeout.ms': '5', 'consumer.heartbeat.interval.ms': '5' }
    const bounds = { brokerValue: (name: string) => (name.includes('.min.') ? '0' : '9'), groupDefault: () => '9' }
    assert.match(groupProblem(values, values, { ...wide, ...bounds }) ?? '', /must be greater than consumer\.heartbeat/)
  })

  it('a broker’s default for groups lies within the bounds too', () => {
    assert.equal(groupDefaultProblem('group.streams.assignment.interval.ms', '15000', settings), undefined)
    assert.match(groupDefaultProblem('group.streams.assignment.interval.ms', '15001', settings) ?? '', /less than/)
    assert.equal(groupDefaultProblem('log.retention.ms', '5', settings), undefined)
  })

  it('durations are ISO 8601 as Java reads them', () => {
    const cases = [['PT1H', 3_600_000], ['P1DT2H3M4.5S', 93_784_500], ['pt5s', 5000], ['P2D', 172_800_000]] as const // biome-ignore format: short
    for (const [text, expected] of cases) assert.equal(parseDuration(text), expected, text)
    for (const text of ['', 'P', 'PT', '1h', 'P1M', 'PT-1H', '-PT1H'])
      assert.equal(parseDuration(text), undefined, text)
  })
})

describe('client metrics subscriptions', () => {
  it('patterns must name a known property and be a regular expression', () => {
    assert.equal(matchProblem('client_id=a.*,client_software_name = Java'), undefined)
    for (const wrong of ['client_id', 'client_id=', 'color=red', 'client_id=(', 'client_id=a=b']) {
      assert.match(matchProblem(wrong) ?? '', /Illegal client matching pattern/, wrong)
    }
  })

  it('a pattern matches the whole value', () => {
    const { match } = clientMetricsSubscription({ match: 'client_id=a|b' })
    assert.deepEqual(['a', 'b', 'ab', 'xa'].map((id) => match.get('client_id')?.matches(id)), [true, true, false, false]) // biome-ignore format: short
  })

  it('a pattern that would make others backtrack takes no time', () => {
    const { match } = clientMetricsSubscription({ match: 'client_id=(a+)+b' })
    const startedMs = performance.now()
    assert.equal(match.get('client_id')?.matches('a'.repeat(5000)), false)
    assert.ok(performance.now() - startedMs < 2000)
  })
})

describe('levels of the log', () => {
  it('go by Kafka’s names and become those of the logger', () => {
    const log = { level: 'warn' }
    assert.equal(kafkaLevel(log), 'WARN')
    setKafkaLevel(log, 'DEBUG')
    assert.deepEqual([log.level, kafkaLevel(log)], ['debug', 'DEBUG'])
  })
})
