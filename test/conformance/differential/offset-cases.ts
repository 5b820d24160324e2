/** Committed offsets, with and without a group behind them, and the configuration of topics. */
import { apis } from '../../faults/apis.ts'
import { pause } from '../waiting.ts'
import { type Case, casesOf } from './case.ts'
import { joined, noGroup, same, wrongGeneration, wrongGroup, wrongMember } from './group-cases.ts'
import type { Fixture, Peer } from './peer.ts'

const UNKNOWN_ID = 'AAAAAAAAAAAAAAAAAAAAQQ'
const NOT_READY: ReadonlySet<number> = new Set([14, 15, 16])
const TOPIC = 2

interface Commit {
  readonly partition?: number
  readonly offset?: number
  readonly metadata?: string | null
}

interface Committer {
  readonly groupId: string
  readonly memberId?: string
  readonly generationId?: number
}

async function commit(peer: Peer, version: number, topic: Fixture, committer: Committer, commits: readonly Commit[]) {
  const partitions = commits.map(({ partition = 0, offset = 5, metadata = 'note' }) => ({
    partitionIndex: partition,
    committedOffset: offset,
    committedMetadata: metadata
  }))
  const { groupId, memberId = '', generationId = -1 } = committer
  const topics = [{ name: topic.name, topicId: topic.id, partitions }]
  const request = { groupId, memberId, generationIdOrMemberEpoch: generationId, topics }
  for (let attempt = 0; ; attempt++) {
    const response = await peer.send(apis.offsetCommit, version, request)
    if (!NOT_READY.has(response.topics[0]?.partitions[0]?.errorCode ?? 0) || attempt > 50) return response
    await pause(100)
  }
}

/** Commits outside any membership and tells what is then committed. */
const commits = (wanted: readonly Commit[]) => async (peer: Peer, version: number) => {
  const topic = await peer.topic(2)
  const groupId = peer.scoped('group')
  return [await commit(peer, version, topic, { groupId }, wanted), await committed(peer, 7, groupId, [topic])]
}

async function committed(peer: Peer, version: number, groupId: string, topics: readonly Fixture[] | null) {
  const indexes = [0, 1, 9]
  const named = topics?.map(({ name }) => ({ name, partitionIndexes: indexes })) ?? null
  const grouped = topics?.map(({ name, id }) => ({ name, topicId: id, partitionIndexes: indexes })) ?? null
  const request =
    version < 8
      ? { groupId, topics: named, groups: [], requireStable: false }
      : { groupId: '', topics: [], groups: [{ groupId, topics: grouped }], requireStable: false }
  return peer.send(apis.offsetFetch, version, request)
}

const alter = (...configs: readonly (readonly [name: string, operation: number, value: string | null])[]) => {
  return async (peer: Peer, version: number) => {
    const { name } = await peer.topic(1, { 'retention.ms': '60000' })
    const settings = configs.map(([key, configOperation, value]) => ({ name: key, configOperation, value }))
    const resources = [{ resourceType: TOPIC, resourceName: name, configs: settings }]
    const found = () => described(peer, 4, TOPIC, name, ['retention.ms', 'cleanup.policy'])
    const before = JSON.stringify(await found())
    const altered = await peer.send(apis.incrementalAlterConfigs, version, { resources, validateOnly: false })
    const isSet = altered.responses[0]?.errorCode === 0
    // Kafka's broker learns of it from its controller a little later.
    for (let i = 0; i < 10 && isSet && JSON.stringify(await found()) === before; i++) await pause(100)
    return [altered, await found()]
  }
}

async function described(
  peer: Peer,
  version: number,
  resourceType: number,
  resourceName: string,
  keys: string[] | null
) {
  const resources = [{ resourceType, resourceName, configurationKeys: keys }]
  const response = await peer.send(apis.describeConfigs, version, { resources, includeDocumentation: false })
  return response.results.map(({ configs, ...result }) => ({
    ...result,
    configs: Object.fromEntries(configs.map(({ name, synonyms: _, ...config }) => [name, config]))
  }))
}

const SET = 0
const DELETE = 1
const APPEND = 2
const SUBTRACT = 3

export const offsetCases: Case[] = [
  ...casesOf(
    apis.offsetCommit,
    ['commits without a group', commits([{}, { partition: 1, offset: 0, metadata: '' }])],
    ['takes null for metadata', commits([{ metadata: null }])],
    ['refuses long metadata', commits([{ metadata: 'x'.repeat(5000) }, { partition: 1 }])],
    ['does not know a partition', commits([{ partition: 9 }, {}])],
    ['takes a negative offset', commits([{ offset: -5 }])],
    [
      'does not know the topic',
      (peer, version) =>
        commit(peer, version, { name: peer.scoped('none'), id: UNKNOWN_ID }, { groupId: peer.scoped('group') }, [{}])
    ],
    ...(
      [
        ['a member', same],
        ['a generation that is not', wrongGeneration],
        ['a member that is not', wrongMember],
        ['a group that is not', wrongGroup],
        ['an empty group id', noGroup]
      ] as const
    ).map(
      ([name, change]) =>
        [
          `answers ${name}`,
          async (peer: Peer, version: number) =>
            commit(peer, version, await peer.topic(), change(await joined(peer)), [{}])
        ] as const
    ),
    [
      'refuses a commit from outside while the group has members',
      async (peer, version) => {
        const { groupId } = await joined(peer)
        return commit(peer, version, await peer.topic(), { groupId }, [{}])
      }
    ]
  ),
  ...casesOf(
    apis.offsetFetch,
    [
      'tells what is committed, and what is not',
      async (peer, version) => {
        const topic = await peer.topic(2)
        const groupId = peer.scoped('group')
        await commit(peer, 7, topic, { groupId }, [{}])
        return committed(peer, version, groupId, [topic])
      }
    ],
    [
      'tells everything that is committed',
      [2, 100],
      async (peer, version) => {
        const topic = await peer.topic(2)
        const groupId = peer.scoped('group')
        await commit(peer, 7, topic, { groupId }, [{}])
        return committed(peer, version, groupId, null)
      }
    ],
    [
      'tells nothing of a group or topic that is none',
      (peer, version) => committed(peer, version, peer.scoped('none'), [{ name: peer.scoped('none'), id: UNKNOWN_ID }])
    ]
  ),
  ...casesOf(
    apis.offsetDelete,
    [
      'deletes a commit',
      async (peer, version) => {
        const topic = await peer.topic(2)
        const groupId = peer.scoped('group')
        await commit(peer, 7, topic, { groupId }, [{}, { partition: 1 }])
        const topics = [{ name: topic.name, partitions: [{ partitionIndex: 0 }, { partitionIndex: 9 }] }]
        const deleted = await peer.send(apis.offsetDelete, version, { groupId, topics })
        return [deleted, await committed(peer, 7, groupId, [topic])]
      }
    ],
    [
      'does not know the group',
      async (peer, version) => {
        const topics = [{ name: (await peer.topic()).name, partitions: [{ partitionIndex: 0 }] }]
        return peer.send(apis.offsetDelete, version, { groupId: peer.scoped('none'), topics })
      }
    ]
  ),
  ...casesOf(
    apis.describeConfigs,
    [
      'describes settings of a topic by name',
      async (peer, version) => {
        const { name } = await peer.topic(1, { 'retention.ms': '60000' })
        const keys = [
          'retention.ms',
          'cleanup.policy',
          'max.message.bytes',
          'message.timestamp.type',
          'no.such.setting'
        ]
        return described(peer, version, TOPIC, name, keys)
      }
    ],
    [
      'does not know a topic',
      (peer, version) => described(peer, version, TOPIC, peer.scoped('none'), ['retention.ms'])
    ],
    [
      'refuses a name that no topic can have',
      (peer, version) => described(peer, version, TOPIC, 'a/b', ['retention.ms'])
    ],
    ['refuses a kind of resource that is none', (peer, version) => described(peer, version, 77, 'x', null)]
  ),
  ...casesOf(
    apis.incrementalAlterConfigs,
    ['sets', alter(['retention.ms', SET, '120000'])],
    ['deletes', alter(['retention.ms', DELETE, null])],
    ['deletes what is not set', alter(['cleanup.policy', DELETE, null])],
    ['appends to a list', alter(['cleanup.policy', APPEND, 'compact'])],
    ['subtracts from a list', alter(['cleanup.policy', SUBTRACT, 'delete'])],
    ['refuses to append to a number', alter(['retention.ms', APPEND, '5'])],
    ['refuses a value that a setting cannot have', alter(['retention.ms', SET, 'soon'])],
    ['refuses a setting without a value', alter(['retention.ms', SET, null])],
    ['refuses a setting it does not know', alter(['no.such.setting', SET, '1'])],
    ['refuses an operation that is none', alter(['retention.ms', 9, '1'])],
    ['refuses a setting named twice', alter(['retention.ms', SET, '1'], ['retention.ms', SET, '2'])],
    [
      'does not know the topic',
      (peer, version) => {
        const configs = [{ name: 'retention.ms', configOperation: SET, value: '1' }]
        const resources = [{ resourceType: TOPIC, resourceName: peer.scoped('none'), configs }]
        return peer.send(apis.incrementalAlterConfigs, version, { resources, validateOnly: false })
      }
    ],
    [
      'only validates',
      async (peer, version) => {
        const { name } = await peer.topic()
        const configs = [{ name: 'retention.ms', configOperation: SET, value: '1234' }]
        const resources = [{ resourceType: TOPIC, resourceName: name, configs }]
        const altered = await peer.send(apis.incrementalAlterConfigs, version, { resources, validateOnly: true })
        return [altered, await described(peer, 4, TOPIC, name, ['retention.ms'])]
      }
    ]
  )
]
