/** Topics and the cluster: ApiVersions, Metadata, Create/DeleteTopics, CreatePartitions, DescribeCluster and others. */
import { ZERO_UUID } from '../../../src/wire/buffers.ts'
import { apis } from '../../faults/apis.ts'
import { type Case, casesOf } from './case.ts'
import type { Fixture, Peer } from './peer.ts'

/** Kafka has these only when a plugin receives metrics. */
const OF_TELEMETRY: ReadonlySet<number> = new Set([71, 72])
const UNKNOWN_ID = 'AAAAAAAAAAAAAAAAAAAAQQ'
/** Kafka's controller is busy with it for seconds. */
const NEWEST: readonly [number, number] = [7, 100]
const INVALID_NAMES = ['', '.', '..', 'a/b', 'ü', 'x'.repeat(250)]

const newTopic = (name: string, overrides: { numPartitions?: number; replicationFactor?: number } = {}) => ({
  name,
  numPartitions: 1,
  replicationFactor: 1,
  assignments: [] as { partitionIndex: number; brokerIds: number[] }[],
  configs: [] as { name: string; value: string | null }[],
  ...overrides
})

type NewTopic = ReturnType<typeof newTopic>

const create = (peer: Peer, version: number, topics: readonly NewTopic[], validateOnly = false) =>
  peer.send(apis.createTopics, version, { topics: [...topics], validateOnly })

/** The effective configuration is long and the two brokers have different settings: only that it is there counts. */
async function created(peer: Peer, version: number, topics: readonly NewTopic[], validateOnly = false) {
  const response = await create(peer, version, topics, validateOnly)
  return response.topics.map(({ configs, ...topic }) => ({ ...topic, hasConfigs: (configs?.length ?? 0) > 0 }))
}

/** One topic, changed in one way. */
const creates =
  (change: (topic: NewTopic, peer: Peer) => NewTopic, validateOnly = false) =>
  (peer: Peer, version: number) =>
    created(peer, version, [change(newTopic(peer.scoped('new')), peer)], validateOnly)

function addPartitions(
  peer: Peer,
  version: number,
  { name }: Fixture,
  count: number,
  assignments: number[][] | null = null,
  validateOnly = false
) {
  const topics = [{ name, count, assignments: assignments?.map((brokerIds) => ({ brokerIds })) ?? null }]
  return peer.send(apis.createPartitions, version, { topics, timeoutMs: 5000, validateOnly })
}

const metadata = (topics: { name: string | null; topicId?: string }[] | null, allowAutoTopicCreation = true) => ({
  topics,
  allowAutoTopicCreation,
  includeTopicAuthorizedOperations: false
})

export const topicCases: Case[] = [
  ...casesOf(apis.apiVersions, [
    'tells the versions of the APIs that both have',
    async (peer, version) => {
      const response = await peer.send(apis.apiVersions, version, {
        clientSoftwareName: 'x',
        clientSoftwareVersion: '1'
      })
      const known = new Set(Object.values(apis).map(({ request }) => request.apiKey))
      const common = response.apiKeys.filter(({ apiKey }) => known.has(apiKey as 0) && !OF_TELEMETRY.has(apiKey))
      return { errorCode: response.errorCode, ...Object.fromEntries(common.map((api) => [`api ${api.apiKey}`, api])) }
    }
  ]),
  ...casesOf(apis.apiVersions, [
    'refuses a client name that is none',
    [3, 100],
    async (peer, version) => {
      const request = { clientSoftwareName: '', clientSoftwareVersion: 'ö' }
      return (await peer.send(apis.apiVersions, version, request)).errorCode
    }
  ]),
  ...casesOf(
    apis.metadata,
    [
      'tells of a topic',
      async (peer, version) => {
        const { name } = await peer.topic(2)
        return peer.send(apis.metadata, version, metadata([{ name }]))
      }
    ],
    [
      'tells of a topic by its id',
      [12, 100],
      async (peer, version) => {
        const { id } = await peer.topic(2)
        return peer.send(apis.metadata, version, metadata([{ topicId: id, name: null }]))
      }
    ],
    [
      'does not know an id',
      [12, 100],
      (peer, version) => peer.send(apis.metadata, version, metadata([{ topicId: UNKNOWN_ID, name: null }]))
    ],
    [
      'does not know a name and may not create it',
      [4, 100],
      (peer, version) => peer.send(apis.metadata, version, metadata([{ name: peer.scoped('none') }], false))
    ],
    [
      'tells what may be done with a topic and with the cluster',
      [8, 100],
      async (peer, version) => {
        const { name } = await peer.topic()
        const wanted = { includeTopicAuthorizedOperations: true, includeClusterAuthorizedOperations: true }
        const asked = version <= 10 ? wanted : { includeTopicAuthorizedOperations: true }
        return peer.send(apis.metadata, version, { ...metadata([{ name }]), ...asked })
      }
    ],
    [
      'tells of all topics',
      async (peer, version) => {
        await peer.topic(2)
        const answer = await peer.send(apis.metadata, version, metadata(version === 0 ? [] : null))
        return { ...answer, topics: answer.topics.filter(({ name }) => name?.endsWith(peer.scope)) }
      }
    ],
    [
      'refuses an id together with a name',
      [10, 100],
      async (peer, version) => {
        const { id, name } = await peer.topic()
        return peer.send(apis.metadata, version, metadata([{ topicId: id, name }]))
      }
    ],
    [
      'refuses names that no topic can have',
      (peer, version) => peer.send(apis.metadata, version, metadata(INVALID_NAMES.map((name) => ({ name }))))
    ],
    [
      'tells of no topic when asked for none',
      [1, 100],
      (peer, version) => peer.send(apis.metadata, version, metadata([]))
    ],
    [
      'tells of a topic once when asked twice',
      async (peer, version) => {
        const { name } = await peer.topic(1)
        return peer.send(apis.metadata, version, metadata([{ name }, { name }]))
      }
    ]
  ),
  ...casesOf(
    apis.createTopics,
    ['creates a topic', creates((topic) => ({ ...topic, numPartitions: 3 }))],
    ['creates a topic with the default replication', creates((topic) => ({ ...topic, replicationFactor: -1 }))],
    ['only validates', creates((topic) => topic, true)],
    ['refuses zero partitions', creates((topic) => ({ ...topic, numPartitions: 0 }))],
    ['refuses minus two partitions', creates((topic) => ({ ...topic, numPartitions: -2 }))],
    ['refuses a thousand million partitions', NEWEST, creates((topic) => ({ ...topic, numPartitions: 1_000_000_000 }))],
    ['refuses more replicas than brokers', creates((topic) => ({ ...topic, replicationFactor: 3 }))],
    ['refuses zero replicas', creates((topic) => ({ ...topic, replicationFactor: 0 }))],
    [
      'refuses a setting it does not know',
      creates((topic) => ({ ...topic, configs: [{ name: 'no.such', value: '1' }] }))
    ],
    [
      'refuses a value that a setting cannot have',
      creates((topic) => ({ ...topic, configs: [{ name: 'retention.ms', value: 'soon' }] }))
    ],
    [
      'refuses a cleanup policy that does not exist',
      creates((topic) => ({ ...topic, configs: [{ name: 'cleanup.policy', value: 'burn' }] }))
    ],
    [
      'refuses a setting without a value',
      creates((topic) => ({ ...topic, configs: [{ name: 'retention.ms', value: null }] }))
    ],
    ['takes settings', creates((topic) => ({ ...topic, configs: [{ name: 'retention.ms', value: '60000' }] }))],
    [
      'takes replicas given by hand',
      creates((topic, peer) => ({
        ...topic,
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [{ partitionIndex: 0, brokerIds: [peer.nodeId] }]
      }))
    ],
    [
      'refuses replicas on a broker that does not exist',
      creates((topic) => ({
        ...topic,
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [{ partitionIndex: 0, brokerIds: [4711] }]
      }))
    ],
    [
      'refuses replicas given by hand beside a count',
      creates((topic, peer) => ({ ...topic, assignments: [{ partitionIndex: 0, brokerIds: [peer.nodeId] }] }))
    ],
    [
      'refuses a topic that exists',
      async (peer, version) => {
        const { name } = await peer.topic()
        return created(peer, version, [newTopic(name)])
      }
    ],
    [
      'refuses a topic named twice',
      (peer, version) => created(peer, version, [newTopic(peer.scoped('twice')), newTopic(peer.scoped('twice'))])
    ],
    [
      'refuses names that no topic can have',
      (peer, version) =>
        created(
          peer,
          version,
          INVALID_NAMES.map((n) => newTopic(n))
        )
    ],
    [
      'creates the good one of two',
      (peer, version) =>
        created(peer, version, [newTopic(peer.scoped('good')), newTopic(peer.scoped('bad'), { replicationFactor: 9 })])
    ]
  ),
  ...casesOf(apis.createTopics, [
    'creates a topic with the default number of partitions',
    async (peer, version) => {
      const [topic] = await created(peer, version, [newTopic(peer.scoped('default'), { numPartitions: -1 })])
      return topic?.errorCode
    }
  ]),
  ...casesOf(
    apis.deleteTopics,
    [
      'deletes a topic and one that is none',
      async (peer, version) => {
        const { name } = await peer.topic()
        const names = [name, peer.scoped('none')]
        const topics = names.map((topic) => ({ name: topic, topicId: ZERO_UUID }))
        return peer.send(apis.deleteTopics, version, {
          topicNames: names,
          topics: version >= 6 ? topics : [],
          timeoutMs: 5000
        })
      }
    ],
    [
      'deletes a topic by id, and not one that is none',
      [6, 100],
      async (peer, version) => {
        const { id } = await peer.topic()
        const topics = [id, UNKNOWN_ID].map((topicId) => ({ name: null, topicId }))
        return peer.send(apis.deleteTopics, version, { topics, timeoutMs: 5000 })
      }
    ]
  ),
  ...casesOf(
    apis.createPartitions,
    ...(
      [
        ['adds partitions', 4, false],
        ['only validates', 4, true],
        ['refuses the number there is', 2, false],
        ['refuses fewer', 1, false],
        ['refuses zero', 0, false]
      ] as const
    ).map(
      ([name, count, validateOnly]) =>
        [
          name,
          async (peer: Peer, version: number) =>
            addPartitions(peer, version, await peer.topic(2), count, null, validateOnly)
        ] as const
    ),
    [
      'refuses a thousand million',
      [3, 100],
      async (peer, version) => addPartitions(peer, version, await peer.topic(2), 1_000_000_000)
    ],
    ...(
      [
        ['takes brokers given by hand', (peer) => [[peer.nodeId]]],
        ['refuses brokers for too few', () => []],
        ['refuses brokers for too many', (peer) => [[peer.nodeId], [peer.nodeId]]],
        ['refuses a broker that does not exist', () => [[4711]]],
        ['refuses a broker named twice', (peer) => [[peer.nodeId, peer.nodeId]]],
        ['refuses no brokers', () => [[]]]
      ] as const satisfies readonly (readonly [string, (peer: Peer) => number[][]])[]
    ).map(
      ([name, assignments]) =>
        [
          name,
          async (peer: Peer, version: number) => addPartitions(peer, version, await peer.topic(2), 3, assignments(peer))
        ] as const
    ),
    [
      'refuses a topic named twice',
      async (peer, version) => {
        const { name } = await peer.topic(2)
        const topics = [3, 4].map((count) => ({ name, count, assignments: null }))
        return peer.send(apis.createPartitions, version, { topics, timeoutMs: 5000, validateOnly: false })
      }
    ],
    [
      'does not know a topic',
      (peer, version) => {
        const topics = [{ name: peer.scoped('none'), count: 3, assignments: null }]
        return peer.send(apis.createPartitions, version, { topics, timeoutMs: 5000, validateOnly: false })
      }
    ]
  ),
  ...casesOf(apis.describeCluster, [
    'tells of the brokers',
    (peer, version) =>
      peer.send(apis.describeCluster, version, {
        includeClusterAuthorizedOperations: false,
        includeFencedBrokers: false
      })
  ]),
  ...casesOf(
    apis.describeTopicPartitions,
    [
      'tells of topics, and of one that is none',
      async (peer, version) => {
        const { name } = await peer.topic(3)
        return peer.send(apis.describeTopicPartitions, version, { topics: [{ name }, { name: peer.scoped('zzz') }] })
      }
    ],
    ...(
      [
        ['goes on where it stopped', { partitionIndex: 2 }, 2000],
        ['goes on within the limit', { partitionIndex: 1 }, 1],
        ['goes on beyond the last partition', { partitionIndex: 9 }, 2000],
        ['refuses to go on at a negative partition', { partitionIndex: -1 }, 2000],
        ['goes on at a topic that is none', { partitionIndex: 0, topicName: 'aaa' }, 2000],
        ['goes on behind all topics', { partitionIndex: 0, topicName: 'zzzz' }, 2000],
        ['answers a limit of zero', { partitionIndex: 0 }, 0],
        ['answers a negative limit', { partitionIndex: 0 }, -1]
      ] as const satisfies readonly (readonly [string, { partitionIndex: number; topicName?: string }, number])[]
    ).map(
      ([name, cursor, responsePartitionLimit]) =>
        [
          name,
          async (peer: Peer, version: number) => {
            const topic = await peer.topic(3)
            const topics = [{ name: topic.name }, { name: peer.scoped('zzz') }]
            const from = { topicName: topic.name, ...cursor }
            return peer.send(apis.describeTopicPartitions, version, { topics, responsePartitionLimit, cursor: from })
          }
        ] as const
    ),
    [
      'refuses names that no topic can have',
      (peer, version) =>
        peer.send(apis.describeTopicPartitions, version, { topics: INVALID_NAMES.map((name) => ({ name })) })
    ],
    [
      'tells of a topic once when asked twice',
      async (peer, version) => {
        const { name } = await peer.topic()
        return peer.send(apis.describeTopicPartitions, version, { topics: [{ name }, { name }] })
      }
    ],
    [
      'stops at the limit and tells where to go on',
      async (peer, version) => {
        const { name } = await peer.topic(3)
        return peer.send(apis.describeTopicPartitions, version, { topics: [{ name }], responsePartitionLimit: 2 })
      }
    ]
  ),
  ...casesOf(apis.alterReplicaLogDirs, [
    'moves a partition to where it is, and none that is none',
    async (peer, version) => {
      const { name } = await peer.topic()
      const { results } = await peer.send(apis.describeLogDirs, 4, { topics: [{ topic: name, partitions: [0] }] })
      const path = results[0]?.logDir ?? ''
      const topics = [
        { name, partitions: [0, 7] },
        { name: peer.scoped('none'), partitions: [0] }
      ]
      return peer.send(apis.alterReplicaLogDirs, version, { dirs: [{ path, topics }] })
    }
  ]),
  ...casesOf(apis.alterReplicaLogDirs, [
    'does not know a directory',
    async (peer, version) => {
      const topics = [{ name: (await peer.topic()).name, partitions: [0, 7] }]
      return peer.send(apis.alterReplicaLogDirs, version, { dirs: [{ path: '/no/such/directory', topics }] })
    }
  ]),
  ...casesOf(apis.describeLogDirs, [
    'tells of the partitions of a topic',
    async (peer, version) => {
      const { name } = await peer.readableTopic()
      const response = await peer.send(apis.describeLogDirs, version, { topics: [{ topic: name, partitions: [0, 7] }] })
      return response.results.map(({ errorCode, topics }) => ({
        errorCode,
        topics: topics.map((topic) => ({
          ...topic,
          partitions: topic.partitions.map(({ partitionSize, ...rest }) => ({ ...rest, hasSize: partitionSize > 0 }))
        }))
      }))
    }
  ])
]
