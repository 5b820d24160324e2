import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { internalTopic, subtopology, wordCount } from './simulated-application.ts'
import type { StreamsTopology, Subtopology } from './streams-topology.ts'
import { configureTopology, StatusCode } from './topology-configuration.ts'

const topology = (...subtopologies: Subtopology[]): StreamsTopology => ({ epoch: 0, subtopologies })

function configure(application: StreamsTopology, topics: Readonly<Record<string, number>>) {
  return configureTopology(application, (topic) => topics[topic])
}

function unready(application: StreamsTopology, topics: Readonly<Record<string, number>>) {
  const configured = configure(application, topics)
  assert.equal(configured.kind, 'unready')
  return configured
}

/** Two inputs of one subtopology that are joined. */
function join(left: Partial<Subtopology>, group: Subtopology['copartitionGroups'][number]): Subtopology {
  return subtopology('1', { ...left, copartitionGroups: [group] })
}

describe('the topics of a topology', () => {
  it('are all needed before it is ready', () => {
    const configured = configure(wordCount, { lines: 3, words: 3, counts: 3 })
    assert.equal(configured.kind, 'ready')
    assert.deepEqual(
      configured.subtopologies.map(({ taskCount, stateful }) => [taskCount, stateful]),
      [
        [3, false],
        [3, true]
      ]
    )
  })

  it('are named when source topics are missing', () => {
    const { status, missing } = unready(wordCount, {})
    assert.equal(status.statusCode, StatusCode.MISSING_SOURCE_TOPICS)
    assert.match(status.statusDetail, /lines/)
    assert.deepEqual(missing, [])
  })

  it('are to be created with as many partitions as the inputs have', () => {
    const { status, missing } = unready(wordCount, { lines: 4 })
    assert.equal(status.statusCode, StatusCode.MISSING_INTERNAL_TOPICS)
    assert.deepEqual(
      missing.map(({ name, partitions, topicConfigs }) => ({ name, partitions, topicConfigs })),
      [
        { name: 'words', partitions: 4, topicConfigs: [{ key: 'cleanup.policy', value: 'compact' }] },
        { name: 'counts', partitions: 4, topicConfigs: [{ key: 'cleanup.policy', value: 'compact' }] }
      ]
    )
  })

  it('have the partitions that the application names', () => {
    const application = topology(
      subtopology('0', { sourceTopics: ['lines'], repartitionSinkTopics: ['words'] }),
      subtopology('1', {
        repartitionSourceTopics: [internalTopic('words', 7)],
        stateChangelogTopics: [internalTopic('counts')]
      })
    )
    const { missing } = unready(application, { lines: 4 })
    assert.deepEqual(
      missing.map(({ partitions }) => partitions),
      [7, 7]
    )
  })

  it('take their partitions over several subtopologies, whatever their order', () => {
    const application = topology(
      subtopology('2', { repartitionSourceTopics: [internalTopic('second')] }),
      subtopology('1', {
        repartitionSourceTopics: [internalTopic('first')],
        repartitionSinkTopics: ['second']
      }),
      subtopology('0', { sourceTopics: ['lines', 'more'], repartitionSinkTopics: ['first'] })
    )
    const { missing } = unready(application, { lines: 2, more: 5 })
    assert.deepEqual(
      missing.map(({ partitions }) => partitions),
      [5, 5]
    )
  })

  it('are refused when they feed each other in a circle', () => {
    const application = topology(
      subtopology('0', { repartitionSourceTopics: [internalTopic('x')], repartitionSinkTopics: ['y'] }),
      subtopology('1', { repartitionSourceTopics: [internalTopic('y')], repartitionSinkTopics: ['x'] })
    )
    assert.equal(configure(application, {}).kind, 'invalid')
  })

  it('are refused when nobody writes a repartition topic, or a subtopology reads nothing', () => {
    const unfed = topology(subtopology('0', { repartitionSourceTopics: [internalTopic('x')] }))
    assert.equal(configure(unfed, {}).kind, 'invalid')
    assert.equal(configure(topology(subtopology('0')), {}).kind, 'invalid')
  })

  it('are refused when a copartition group names what is not read', () => {
    const group = { sourceTopics: [1], sourceTopicRegex: [], repartitionSourceTopics: [] }
    assert.equal(configure(topology(join({ sourceTopics: ['cars'] }, group)), { cars: 1 }).kind, 'invalid')
  })

  const both = { sourceTopics: [0, 1], sourceTopicRegex: [], repartitionSourceTopics: [] }
  const mixed = { sourceTopics: [0], sourceTopicRegex: [], repartitionSourceTopics: [0] }

  it('must have equally many partitions when they are joined', () => {
    const application = topology(join({ sourceTopics: ['cars', 'boats'] }, both))
    assert.equal(configure(application, { cars: 2, boats: 2 }).kind, 'ready')
    const { status } = unready(application, { cars: 2, boats: 3 })
    assert.equal(status.statusCode, StatusCode.INCORRECTLY_PARTITIONED_TOPICS)
  })

  it('follow the source topic that they are joined with', () => {
    const feeding = subtopology('0', { sourceTopics: ['lines'], repartitionSinkTopics: ['words'] })
    const joined = join({ sourceTopics: ['cars'], repartitionSourceTopics: [internalTopic('words')] }, mixed)
    const { missing } = unready(topology(feeding, joined), { lines: 2, cars: 6 })
    assert.deepEqual(
      missing.map(({ partitions }) => partitions),
      [6]
    )
    const fixed = join({ sourceTopics: ['cars'], repartitionSourceTopics: [internalTopic('words', 2)] }, mixed)
    const { status } = unready(topology(feeding, fixed), { lines: 2, cars: 6 })
    assert.equal(status.statusCode, StatusCode.INCORRECTLY_PARTITIONED_TOPICS)
  })

  it('have as many partitions as the largest when all that are joined are repartitioned', () => {
    const group = { sourceTopics: [], sourceTopicRegex: [], repartitionSourceTopics: [0, 1] }
    const application = topology(
      subtopology('0', { sourceTopics: ['cars'], repartitionSinkTopics: ['x'] }),
      subtopology('2', { sourceTopics: ['boats'], repartitionSinkTopics: ['y'] }),
      join({ repartitionSourceTopics: [internalTopic('x'), internalTopic('y')] }, group)
    )
    const { missing } = unready(application, { cars: 2, boats: 5 })
    assert.deepEqual(
      missing.map(({ partitions }) => partitions),
      [5, 5]
    )
  })

  it('are wrong when an internal topic is there with other partitions', () => {
    const { status, missing } = unready(wordCount, { lines: 3, words: 2 })
    assert.equal(status.statusCode, StatusCode.INCORRECTLY_PARTITIONED_TOPICS)
    assert.match(status.statusDetail, /words/)
    assert.deepEqual(missing, [])
  })
})
