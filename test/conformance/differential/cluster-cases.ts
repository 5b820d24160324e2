/** The cluster: quotas, features, leaders, moves of partitions, the quorum, telemetry, and how versions are agreed on. */
import { Reader } from '../../../src/wire/buffers.ts'
import { decodeResponseHeader } from '../../../src/wire/headers.ts'
import { apis } from '../../faults/apis.ts'
import { encodeRequest } from '../../faults/raw-client.ts'
import { eventually } from '../waiting.ts'
import { alone, type Case, casesOf } from './case.ts'
import { inOrder, type Peer } from './peer.ts'

const EXACT = 0
const DEFAULT = 1
const ANY = 2

type Entity = { entityType: string; entityName: string | null }[]
type Op = { key: string; value: number; remove: boolean }

const set = (key: string, value: number): Op => ({ key, value, remove: false })
const remove = (key: string): Op => ({ key, value: 0, remove: true })
const user = (entityName: string | null): Entity => [{ entityType: 'user', entityName }]
const client = (entityName: string | null): Entity => [{ entityType: 'client-id', entityName }]

function alterQuotas(peer: Peer, version: number, entries: { entity: Entity; ops: Op[] }[], validateOnly = false) {
  return peer.send(apis.alterClientQuotas, version, { entries, validateOnly })
}

type Component = readonly [entityType: string, matchType: number, match: string | null]

function describeQuotas(peer: Peer, version: number, components: readonly Component[], strict = false) {
  const named = components.map(([entityType, matchType, match]) => ({ entityType, matchType, match }))
  return peer.send(apis.describeClientQuotas, version, { components: named, strict })
}

/** Sets a quota of a user of the case, and tells what is then set. */
const altersQuota =
  (ops: Op[], entity?: Entity, validateOnly = false) =>
  async (peer: Peer, version: number) => {
    const answer = await alterQuotas(
      peer,
      version,
      [{ entity: entity ?? user(peer.scoped('user')), ops }],
      validateOnly
    )
    const found = () => describeQuotas(peer, 1, [['user', EXACT, peer.scoped('user')]])
    const isOurs = entity === undefined && !validateOnly
    const isSet = answer.entries[0]?.errorCode === 0 && isOurs && ops.some((op) => !op.remove)
    if (isSet) await eventually('the quota is known', async () => ((await found()).entries?.length ?? 0) > 0)
    return inOrder(answer, await found())
  }

const alterQuotaCases: Case[] = casesOf(
  apis.alterClientQuotas,
  ['sets a quota', altersQuota([set('producer_byte_rate', 1_000_000)])],
  [
    'sets several quotas',
    altersQuota([set('producer_byte_rate', 1000), set('consumer_byte_rate', 2000), set('request_percentage', 50)])
  ],
  ['sets a mutation rate', altersQuota([set('controller_mutation_rate', 2.5)])],
  ['only validates', altersQuota([set('producer_byte_rate', 1_000_000)], undefined, true)],
  ['removes a quota that is not set', altersQuota([remove('producer_byte_rate')])],
  ['refuses a quota that it does not know', altersQuota([set('no_such_rate', 1)])],
  ['refuses a negative quota', altersQuota([set('producer_byte_rate', -1)])],
  ['refuses a quota of zero', altersQuota([set('producer_byte_rate', 0)])],
  ['refuses a rate of bytes that is broken', altersQuota([set('producer_byte_rate', 1.5)])],
  ['refuses a quota that is no number', altersQuota([set('producer_byte_rate', Number.NaN)])],
  ['refuses a quota without end', altersQuota([set('producer_byte_rate', Number.POSITIVE_INFINITY)])],
  ['refuses no entity', altersQuota([set('producer_byte_rate', 1)], [])],
  [
    'refuses an entity that is none',
    altersQuota([set('producer_byte_rate', 1)], [{ entityType: 'tenant', entityName: 'x' }])
  ],
  ['refuses an entity named twice', altersQuota([set('producer_byte_rate', 1)], [...user('a'), ...user('b')])],
  ['refuses an empty name', altersQuota([set('producer_byte_rate', 1)], user(''))],
  ['refuses a rate of connections of a user', altersQuota([set('connection_creation_rate', 5)])],
  [
    'refuses an address that is none',
    altersQuota([set('connection_creation_rate', 5)], [{ entityType: 'ip', entityName: 'no.such.host.invalid' }])
  ],
  [
    'refuses an address with a user',
    altersQuota([set('connection_creation_rate', 5)], [...user('a'), { entityType: 'ip', entityName: '10.0.0.1' }])
  ],
  [
    'refuses a rate of bytes of an address',
    altersQuota([set('producer_byte_rate', 5)], [{ entityType: 'ip', entityName: '10.0.0.1' }])
  ],
  ['refuses a quota set twice', altersQuota([set('producer_byte_rate', 5), set('producer_byte_rate', 6)])],
  ['changes nothing', altersQuota([])],
  [
    'refuses an entity in two entries',
    async (peer, version) => {
      const entry = { entity: user(peer.scoped('user')), ops: [set('producer_byte_rate', 5)] }
      return alterQuotas(peer, version, [entry, entry], true)
    }
  ],
  [
    'answers each of two entries',
    async (peer, version) => {
      const good = { entity: user(peer.scoped('user')), ops: [set('producer_byte_rate', 5)] }
      const bad = { entity: client(peer.scoped('client')), ops: [set('nonsense', 5)] }
      return alterQuotas(peer, version, [good, bad])
    }
  ]
)

/** Describes quotas of a user, of a client of that user, and of a client, all of the case. */
const describesQuotas = (components: (peer: Peer) => readonly Component[], strict = false) => {
  return async (peer: Peer, version: number) => {
    const ops = [set('producer_byte_rate', 5)]
    const [one, other] = [user(peer.scoped('user')), client(peer.scoped('client'))]
    await alterQuotas(
      peer,
      1,
      [one, [...one, ...other], other].map((entity) => ({ entity, ops }))
    )
    await eventually('the quotas are known', async () => {
      const names = [peer.scoped('client')]
      const found = await describeQuotas(
        peer,
        1,
        names.map((name) => ['client-id', EXACT, name] as const)
      )
      return found.entries?.length === 2
    })
    const answer = await describeQuotas(peer, version, components(peer), strict)
    const isOurs = ({ entity }: { entity: Entity }) => entity.some(({ entityName }) => entityName?.endsWith(peer.scope))
    return { ...answer, entries: answer.entries?.filter(isOurs) ?? null }
  }
}

const describeQuotaCases: Case[] = casesOf(
  apis.describeClientQuotas,
  ['tells of all', describesQuotas(() => [])],
  ['tells of a user', describesQuotas((peer) => [['user', EXACT, peer.scoped('user')]])],
  ['tells of a user alone', describesQuotas((peer) => [['user', EXACT, peer.scoped('user')]], true)],
  ['tells of any user', describesQuotas(() => [['user', ANY, null]])],
  ['tells of the default user', describesQuotas(() => [['user', DEFAULT, null]])],
  [
    'tells of a client of a user',
    describesQuotas((peer) => [
      ['user', EXACT, peer.scoped('user')],
      ['client-id', EXACT, peer.scoped('client')]
    ])
  ],
  ['tells of any client alone', describesQuotas(() => [['client-id', ANY, null]], true)],
  ['refuses an entity that is none', describesQuotas(() => [['tenant', ANY, null]])],
  [
    'refuses an entity named twice',
    describesQuotas(() => [
      ['user', ANY, null],
      ['user', ANY, null]
    ])
  ],
  ['refuses an exact match of nothing', describesQuotas(() => [['user', EXACT, null]])],
  ['refuses any match of something', describesQuotas(() => [['user', ANY, 'x']])],
  ['refuses a default match of something', describesQuotas(() => [['user', DEFAULT, 'x']])],
  ['refuses a match that is none', describesQuotas(() => [['user', 7, null]])],
  ['refuses an empty kind', describesQuotas(() => [['', ANY, null]])]
)

interface Feature {
  readonly feature?: string
  readonly maxVersionLevel?: number
  readonly upgradeType?: number
}

/** Only validates, where the version can: the level of a feature is one for the whole cluster. */
const updates =
  (...features: Feature[]) =>
  (peer: Peer, version: number) => {
    const featureUpdates = features.map(
      ({ feature = 'transaction.version', maxVersionLevel = 2, upgradeType = 1 }) => ({
        feature,
        maxVersionLevel,
        allowDowngrade: version === 0 && upgradeType > 1,
        upgradeType: version === 0 ? 1 : upgradeType
      })
    )
    return peer.send(apis.updateFeatures, version, { featureUpdates, validateOnly: version > 0 })
  }

const featureCases: Case[] = alone(
  apis.updateFeatures,
  ['takes the level that there is', updates({})],
  ['refuses a level that is too high', updates({ maxVersionLevel: 99 })],
  ['refuses a level that is negative', updates({ maxVersionLevel: -1 })],
  ['refuses a feature that is none', updates({ feature: 'no.such.feature', maxVersionLevel: 1 })],
  ['refuses an empty feature', updates({ feature: '', maxVersionLevel: 1 })],
  ['takes a feature named twice', updates({}, {})],
  ['refuses a lower level that is not said to be one', [1, 100], updates({ maxVersionLevel: 1 })],
  ['takes a lower level that is said to be one', [1, 100], updates({ maxVersionLevel: 1, upgradeType: 2 })],
  ['refuses a kind of change that is none', [1, 100], updates({ upgradeType: 9 })],
  [
    'refuses a good feature beside a bad one',
    [1, 100],
    updates({ maxVersionLevel: 1, upgradeType: 2 }, { feature: 'no.such' })
  ],
  [
    'refuses an old version of metadata',
    [1, 100],
    updates({ feature: 'metadata.version', maxVersionLevel: 1, upgradeType: 2 })
  ],
  ['takes nothing', updates()]
)

type Elected = { topic: string; partitions: number[] }[] | null

const elects = (electionType: number, topicPartitions: (topic: string, peer: Peer) => Elected) => {
  return async (peer: Peer, version: number) => {
    const { name } = await peer.topic(2)
    const asked = {
      electionType: version === 0 ? 0 : electionType,
      topicPartitions: topicPartitions(name, peer),
      timeoutMs: 5000
    }
    const answer = await peer.send(apis.electLeaders, version, asked)
    const ours = answer.replicaElectionResults.filter(({ topic }) => topic.endsWith(peer.scope))
    const results = ours.map(({ topic, partitionResult }) => ({
      topic,
      partitions: Object.fromEntries(partitionResult.map(({ partitionId, errorCode }) => [partitionId, errorCode]))
    }))
    return { errorCode: answer.errorCode, results }
  }
}

const electCases: Case[] = casesOf(
  apis.electLeaders,
  ['need not elect the preferred leader', elects(0, (topic) => [{ topic, partitions: [0, 1] }])],
  ['need not elect any leader', [1, 100], elects(1, (topic) => [{ topic, partitions: [0] }])],
  ['refuses an election that is none', [1, 100], elects(7, (topic) => [{ topic, partitions: [0] }])],
  ['does not know a partition, beside one that it knows', elects(0, (topic) => [{ topic, partitions: [0, 7] }])],
  ['does not know a topic', elects(0, (_, peer) => [{ topic: peer.scoped('none'), partitions: [0] }])],
  ['elects nothing', elects(0, () => [])],
  ['need not elect anywhere', elects(0, () => null)]
)

type Move = { name: string; partitions: { partitionIndex: number; replicas: number[] | null }[] }

const moves = (move: (name: string, peer: Peer) => Move) => async (peer: Peer, version: number) => {
  const { name } = await peer.topic(2)
  return peer.send(apis.alterPartitionReassignments, version, { timeoutMs: 5000, topics: [move(name, peer)] })
}

const to = (name: string, ...replicas: number[]): Move => ({ name, partitions: [{ partitionIndex: 0, replicas }] })

const moveCases: Case[] = [
  ...casesOf(
    apis.alterPartitionReassignments,
    ['moves a partition to where it is', moves((name, peer) => to(name, peer.nodeId))],
    ['refuses a broker that does not exist', moves((name) => to(name, 4711))],
    ['refuses a negative broker', moves((name) => to(name, -1))],
    ['refuses a broker named twice', moves((name, peer) => to(name, peer.nodeId, peer.nodeId))],
    ['refuses no brokers', moves((name) => to(name))],
    ['refuses another number of replicas', moves((name, peer) => to(name, peer.nodeId, 4711))],
    [
      'refuses to cancel what is not under way',
      moves((name) => ({ name, partitions: [{ partitionIndex: 1, replicas: null }] }))
    ],
    [
      'does not know a partition',
      moves((name, peer) => ({ name, partitions: [{ partitionIndex: 7, replicas: [peer.nodeId] }] }))
    ],
    ['does not know a topic', moves((_, peer) => to(peer.scoped('none'), peer.nodeId))],
    [
      'moves nothing',
      (peer, version) => peer.send(apis.alterPartitionReassignments, version, { timeoutMs: 5000, topics: [] })
    ]
  ),
  ...casesOf(
    apis.listPartitionReassignments,
    ...(
      [
        ['lists none of a topic', (peer) => [{ name: peer.scoped('topic'), partitionIndexes: [0, 1] }]],
        ['lists none of a topic that is none', (peer) => [{ name: peer.scoped('none'), partitionIndexes: [0] }]],
        ['lists none of all', () => null],
        ['lists none of nothing', () => []]
      ] as const satisfies readonly (readonly [
        string,
        (peer: Peer) => { name: string; partitionIndexes: number[] }[] | null
      ])[]
    ).map(
      ([name, topics]) =>
        [
          name,
          async (peer: Peer, version: number) => {
            await peer.topic(2)
            return peer.send(apis.listPartitionReassignments, version, { timeoutMs: 5000, topics: topics(peer) })
          }
        ] as const
    )
  )
]

const quorum =
  (topicName: string, ...partitions: number[]) =>
  async (peer: Peer, version: number) => {
    const topics = [{ topicName, partitions: partitions.map((partitionIndex) => ({ partitionIndex })) }]
    const { errorCode, topics: found } = await peer.send(apis.describeQuorum, version, { topics })
    const told = found.map((topic) => ({
      topicName: topic.topicName,
      partitions: topic.partitions.map(({ partitionIndex, errorCode: code, currentVoters, observers }) => ({
        partitionIndex,
        code,
        voters: currentVoters.length,
        observers: observers.length
      }))
    }))
    return { errorCode, told }
  }

const quorumCases: Case[] = [
  ...casesOf(
    apis.describeQuorum,
    ['tells of the voters', quorum('__cluster_metadata', 0)],
    ['refuses another partition', quorum('__cluster_metadata', 1)],
    ['refuses two partitions', quorum('__cluster_metadata', 0, 1)],
    ['refuses another topic', quorum('no-such-topic', 0)],
    ['tells of no partitions', quorum('__cluster_metadata')]
  ),
  ...casesOf(
    apis.unregisterBroker,
    ['does not know a broker', (peer, version) => peer.send(apis.unregisterBroker, version, { brokerId: 4711 })],
    ['does not know a negative broker', (peer, version) => peer.send(apis.unregisterBroker, version, { brokerId: -1 })]
  ),
  ...casesOf(
    apis.describeCluster,
    ...(
      [
        ['tells what may be done with it', { includeClusterAuthorizedOperations: true, includeFencedBrokers: false }],
        ['tells of fenced brokers, too', { includeClusterAuthorizedOperations: false, includeFencedBrokers: true }],
        [
          'refuses to tell of controllers',
          { includeClusterAuthorizedOperations: false, includeFencedBrokers: false, endpointType: 2 }
        ],
        [
          'refuses a kind of endpoint that is none',
          { includeClusterAuthorizedOperations: false, includeFencedBrokers: false, endpointType: 9 }
        ]
      ] as const
    ).map(
      ([name, request]) =>
        [name, [2, 100], (peer: Peer, version: number) => peer.send(apis.describeCluster, version, request)] as const
    )
  )
]

/** Asks in a version that neither has, and reads the answer as what both have to answer then. */
async function askUnknownVersion(peer: Peer) {
  const connection = await peer.connection()
  const request = { clientSoftwareName: 'x', clientSoftwareVersion: '1' }
  const frame = encodeRequest(apis.apiVersions, 3, request, 77)
  // Behind the length and the key of the API.
  frame.writeInt16BE(99, 6)
  connection.write(frame)
  const reader = new Reader(await connection.nextFrame(5000))
  const correlationId = decodeResponseHeader(reader, false)
  const { errorCode, apiKeys } = apis.apiVersions.response.decode(reader, 0)
  return { correlationId, errorCode, apiKeys: apiKeys.filter(({ apiKey }) => apiKey === 18), rest: reader.remaining }
}

const versionCases: Case[] = [
  ...casesOf(apis.apiVersions, [
    'answers a version from the future in version 0',
    [0, 0],
    (peer) => askUnknownVersion(peer)
  ]),
  ...casesOf(
    apis.apiVersions,
    ...['a', 'A-b.c', '-a', 'a-', 'a b', ''].map(
      (clientSoftwareName) =>
        [
          `answers a client that is called '${clientSoftwareName}'`,
          [3, 100],
          async (peer: Peer, version: number) => {
            const answer = await peer.send(apis.apiVersions, version, {
              clientSoftwareName,
              clientSoftwareVersion: '1'
            })
            return [answer.errorCode, answer.apiKeys.length > 0]
          }
        ] as const
    ),
    [
      'tells of the features',
      [3, 100],
      async (peer, version) => {
        const answer = await peer.send(apis.apiVersions, version, {
          clientSoftwareName: 'x',
          clientSoftwareVersion: '1'
        })
        const { supportedFeatures, finalizedFeatures } = answer
        const byName = <F extends { name: string }>(all: readonly F[]) =>
          Object.fromEntries(all.map((one) => [one.name, one]))
        return { supported: byName(supportedFeatures), finalized: byName(finalizedFeatures) }
      }
    ]
  ),
  ...casesOf(
    apis.findCoordinator,
    ...(
      [
        ['finds the coordinator of an empty group', 0, ''],
        ['finds the coordinator of an empty transactional id', 1, ''],
        ['refuses an empty share key', 2, ''],
        ['refuses a share key that is none', 2, 'nonsense'],
        ['refuses a share key without a topic', 2, 'group:nonsense:0'],
        ['refuses a share key without a partition', 2, 'group:AAAAAAAAAAAAAAAAAAAAQQ:x'],
        ['finds the coordinator of a share key', 2, 'group:AAAAAAAAAAAAAAAAAAAAQQ:0']
      ] as const
    ).map(
      ([name, keyType, key]) =>
        [
          name,
          (peer: Peer, version: number) => {
            const keys = version < 4 ? { key, coordinatorKeys: [] } : { key: '', coordinatorKeys: [key] }
            return peer.send(apis.findCoordinator, version, { ...keys, keyType: version === 0 ? 0 : keyType })
          }
        ] as const
    )
  )
]

const UNKNOWN_CLIENT = 'AAAAAAAAAAAAAAAAAAAAQQ'
const ZERO_CLIENT = 'AAAAAAAAAAAAAAAAAAAAAA'

const telemetryCases: Case[] = alone(
  apis.getTelemetrySubscriptions,
  [
    'gives a client an id and nothing to push',
    async (peer, version) => {
      const answer = await peer.send(apis.getTelemetrySubscriptions, version, { clientInstanceId: ZERO_CLIENT })
      return { ...answer, acceptedCompressionTypes: answer.acceptedCompressionTypes.toSorted() }
    }
  ],
  [
    'takes an id that it did not give',
    (peer, version) => peer.send(apis.getTelemetrySubscriptions, version, { clientInstanceId: UNKNOWN_CLIENT })
  ]
)

interface Push {
  readonly clientInstanceId?: string
  readonly subscription?: number
  readonly terminating?: boolean
  readonly compressionType?: number
  readonly metrics?: Buffer
}

/** A client with a subscription pushes, with one thing that is otherwise. */
const pushes = (push: Push) => async (peer: Peer, version: number) => {
  const first = await peer.send(apis.getTelemetrySubscriptions, 0, { clientInstanceId: ZERO_CLIENT })
  const { clientInstanceId = first.clientInstanceId, subscription = 0, ...rest } = push
  const subscriptionId = first.subscriptionId + subscription
  const sent = { terminating: false, compressionType: 0, metrics: Buffer.alloc(0), ...rest }
  return peer.send(apis.pushTelemetry, version, { clientInstanceId, subscriptionId, ...sent })
}

const pushCases: Case[] = alone(
  apis.pushTelemetry,
  ['answers a push that nobody wants', pushes({})],
  ['refuses an empty id', pushes({ clientInstanceId: ZERO_CLIENT })],
  ['answers an id that is of nobody', pushes({ clientInstanceId: UNKNOWN_CLIENT })],
  ['refuses another subscription', pushes({ subscription: 1 })],
  ['refuses a compression that is none', pushes({ compressionType: 9 })],
  ['takes the last push', pushes({ terminating: true })],
  ['refuses metrics that are too large', pushes({ metrics: Buffer.alloc(2_000_000) })]
)

export const clusterCases: Case[] = [
  ...alterQuotaCases,
  ...describeQuotaCases,
  ...featureCases,
  ...electCases,
  ...moveCases,
  ...quorumCases,
  ...versionCases,
  ...telemetryCases,
  ...pushCases
]
