/** Settings of topics, groups, brokers and client metrics: changed in all ways, described, and listed. */
import { apis } from '../../faults/apis.ts'
import { eventually } from '../waiting.ts'
import { type Case, casesOf } from './case.ts'
import { inOrder, type Peer } from './peer.ts'

const TOPIC = 2
const BROKER = 4
const LOGGER = 8
const CLIENT_METRICS = 16
const GROUP = 32
const SET = 0
const DELETE = 1
const APPEND = 2

interface Resource {
  readonly type: number
  readonly name: string
}

type NameOf = (peer: Peer) => string

const group: NameOf = (peer) => peer.scoped('group')
const metrics: NameOf = (peer) => peer.scoped('metrics')
/** Made by whoever changes it. */
const topic: NameOf = (peer) => peer.scoped('topic')
const broker: NameOf = (peer) => String(peer.nodeId)

async function described(
  peer: Peer,
  version: number,
  { type, name }: Resource,
  keys: string[] | null,
  synonyms = false
) {
  const resources = [{ resourceType: type, resourceName: name, configurationKeys: keys }]
  const asked = { resources, includeDocumentation: false, includeSynonyms: synonyms }
  const response = await peer.send(apis.describeConfigs, version, asked)
  return response.results.map(({ configs, resourceName, ...result }) => ({
    ...result,
    named: resourceName === name,
    configs: Object.fromEntries(configs.map((config) => [config.name, config]))
  }))
}

const describes = (type: number, name: NameOf, keys: string[] | null, synonyms = false) => {
  return (peer: Peer, version: number) => described(peer, version, { type, name: name(peer) }, keys, synonyms)
}

type Change = readonly [name: string, operation: number, value: string | null]

function alter(
  peer: Peer,
  version: number,
  { type, name }: Resource,
  changes: readonly Change[],
  validateOnly = false
) {
  const configs = changes.map(([key, configOperation, value]) => ({ name: key, configOperation, value }))
  const resources = [{ resourceType: type, resourceName: name, configs }]
  return peer.send(apis.incrementalAlterConfigs, version, { resources, validateOnly })
}

/** What cases of telemetry are told must not hang on these. */
const NOBODY: Change = ['match', SET, 'client_id=nobody']

/** The answer without the name, which differs from broker to broker. */
const altersOnly = (type: number, name: NameOf, changes: readonly Change[]) => {
  return async (peer: Peer, version: number) => {
    const { responses } = await alter(peer, version, { type, name: name(peer) }, changes, true)
    return responses.map(({ resourceName: _, ...response }) => response)
  }
}

const alters = (type: number, name: NameOf, changes: readonly Change[], keys: string[]) => {
  return async (peer: Peer, version: number) => {
    const resource = { type, name: type === TOPIC ? (await peer.topic()).name : name(peer) }
    const answer = await alter(peer, version, resource, changes)
    const isSet = () => described(peer, 4, resource, keys)
    if (answer.responses[0]?.errorCode === 0) await learned(peer, resource, changes)
    return inOrder(answer, await isSet())
  }
}

/** Kafka's broker learns of a change from its controller a little later. */
async function learned(peer: Peer, resource: Resource, changes: readonly Change[]): Promise<void> {
  const [key, operation, value] = changes[0] ?? ['', DELETE, null]
  if (operation !== SET) return
  await eventually('the change is known', async () => {
    const [found] = await described(peer, 4, resource, [key])
    return found?.configs[key]?.value === value
  })
}

/** Replaces the settings of a topic that has `retention.ms` set. */
const replaces = (configs: readonly { name: string; value: string | null }[], validateOnly = false) => {
  return async (peer: Peer, version: number) => {
    const { name } = await peer.topic(1, { 'retention.ms': '60000' })
    const resources = [{ resourceType: TOPIC, resourceName: name, configs: [...configs] }]
    const answer = await peer.send(apis.alterConfigs, version, { resources, validateOnly })
    const keys = ['retention.ms', 'max.message.bytes']
    const topic = { type: TOPIC, name }
    const [first] = configs
    const isGood = answer.responses[0]?.errorCode === 0 && !validateOnly && first !== undefined
    if (isGood) await learned(peer, topic, [[first.name, SET, first.value]])
    return inOrder(answer, first === undefined ? null : await described(peer, 4, topic, keys))
  }
}

const alterConfigsCases: Case[] = casesOf(
  apis.alterConfigs,
  ['replaces all settings', replaces([{ name: 'max.message.bytes', value: '5000' }])],
  ['changes a setting', replaces([{ name: 'retention.ms', value: '70000' }])],
  ['removes all settings', replaces([])],
  ['only validates', replaces([{ name: 'max.message.bytes', value: '5000' }], true)],
  ['refuses a value that a setting cannot have', replaces([{ name: 'retention.ms', value: 'soon' }])],
  ['refuses a setting that it does not know', replaces([{ name: 'no.such', value: '1' }])],
  ['refuses a setting without a value', replaces([{ name: 'retention.ms', value: null }])],
  [
    'does not know a topic, and refuses kinds of resources that are none',
    (peer, version) => {
      const configs = [{ name: 'retention.ms', value: '1' }]
      const kinds = [TOPIC, 77].map((resourceType) => ({ resourceType, resourceName: peer.scoped('none'), configs }))
      return peer.send(apis.alterConfigs, version, { resources: kinds, validateOnly: false })
    }
  ]
)

const incrementalCases: Case[] = casesOf(
  apis.incrementalAlterConfigs,
  [
    'sets a setting of a group',
    alters(GROUP, group, [['consumer.session.timeout.ms', SET, '50000']], ['consumer.session.timeout.ms'])
  ],
  [
    'sets the start of a share group',
    alters(GROUP, group, [['share.auto.offset.reset', SET, 'earliest']], ['share.auto.offset.reset'])
  ],
  [
    'deletes a setting of a group that is not set',
    alters(GROUP, group, [['consumer.session.timeout.ms', DELETE, null]], ['consumer.session.timeout.ms'])
  ],
  [
    'refuses a session of a group that is too short',
    alters(GROUP, group, [['consumer.session.timeout.ms', SET, '1']], ['consumer.session.timeout.ms'])
  ],
  [
    'refuses a setting of a group that it does not know',
    alters(GROUP, group, [['no.such', SET, '1']], ['consumer.session.timeout.ms'])
  ],
  [
    'refuses a setting of a group that is no number',
    alters(GROUP, group, [['consumer.heartbeat.interval.ms', SET, 'x']], ['consumer.heartbeat.interval.ms'])
  ],
  ['refuses an empty group', altersOnly(GROUP, () => '', [['consumer.session.timeout.ms', SET, '50000']])],
  [
    'sets client metrics',
    alters(
      CLIENT_METRICS,
      metrics,
      [NOBODY, ['interval.ms', SET, '5000'], ['metrics', SET, 'a.b,c']],
      ['interval.ms', 'metrics', 'match']
    )
  ],
  [
    'appends to client metrics',
    alters(CLIENT_METRICS, metrics, [NOBODY, ['metrics', APPEND, 'org.apache']], ['metrics'])
  ],
  [
    'refuses an interval of client metrics that is too short',
    alters(CLIENT_METRICS, metrics, [['interval.ms', SET, '1']], ['interval.ms'])
  ],
  [
    'refuses a match of client metrics that is none',
    alters(CLIENT_METRICS, metrics, [['match', SET, 'nonsense=.*']], ['match'])
  ],
  [
    'refuses a pattern of client metrics that is none',
    alters(CLIENT_METRICS, metrics, [['match', SET, 'client_id=(']], ['match'])
  ],
  [
    'refuses a setting of client metrics that it does not know',
    alters(CLIENT_METRICS, metrics, [['no.such', SET, '1']], ['interval.ms'])
  ],
  ['refuses empty client metrics', altersOnly(CLIENT_METRICS, () => '', [['interval.ms', SET, '5000']])],
  ['validates a setting of the broker', altersOnly(BROKER, broker, [['log.retention.ms', SET, '60000000']])],
  ['validates a setting of all brokers', altersOnly(BROKER, () => '', [['log.retention.ms', SET, '60000000']])],
  [
    'refuses a setting of the broker that is fixed',
    altersOnly(BROKER, broker, [
      ['num.partitions.of.nothing', SET, '1'],
      ['node.id', SET, '77']
    ])
  ],
  [
    'refuses a value that a setting of the broker cannot have',
    altersOnly(BROKER, broker, [['log.retention.ms', SET, 'soon']])
  ],
  ['refuses a broker that does not exist', altersOnly(BROKER, () => '4711', [['log.retention.ms', SET, '1']])],
  ['refuses a broker that is no number', altersOnly(BROKER, () => 'x', [['log.retention.ms', SET, '1']])],
  ['refuses a level of a logger that is none', altersOnly(LOGGER, broker, [['root', SET, 'LOUD']])],
  ['refuses a logger of another broker', altersOnly(LOGGER, () => '4711', [['root', SET, 'INFO']])],
  ['refuses a kind of resource that is none', altersOnly(77, () => 'x', [['retention.ms', SET, '1']])],
  ['refuses a negative retention', alters(TOPIC, topic, [['retention.ms', SET, '-5']], ['retention.ms'])],
  ['takes endless retention', alters(TOPIC, topic, [['retention.ms', SET, '-1']], ['retention.ms'])],
  [
    'refuses a compression that is none',
    alters(TOPIC, topic, [['compression.type', SET, 'rar']], ['compression.type'])
  ],
  [
    'refuses a timestamp type that is none',
    alters(TOPIC, topic, [['message.timestamp.type', SET, 'Never']], ['message.timestamp.type'])
  ],
  [
    'answers each of two resources',
    async (peer: Peer, version: number) => {
      const configs = [{ name: 'retention.ms', configOperation: SET, value: '120000' }]
      const { name } = await peer.topic()
      const resources = [name, peer.scoped('none')].map((resourceName) => ({
        resourceType: TOPIC,
        resourceName,
        configs
      }))
      return peer.send(apis.incrementalAlterConfigs, version, { resources, validateOnly: true })
    }
  ],
  [
    'refuses a resource named twice',
    async (peer: Peer, version: number) => {
      const configs = [{ name: 'retention.ms', configOperation: SET, value: '120000' }]
      const { name } = await peer.topic()
      const resources = [name, name].map((resourceName) => ({ resourceType: TOPIC, resourceName, configs }))
      return peer.send(apis.incrementalAlterConfigs, version, { resources, validateOnly: true })
    }
  ]
)

const GROUP_KEYS = [
  'consumer.session.timeout.ms',
  'consumer.heartbeat.interval.ms',
  'share.session.timeout.ms',
  'share.auto.offset.reset',
  'share.isolation.level',
  'streams.num.standby.replicas'
]
const TOPIC_KEYS = [
  'cleanup.policy',
  'compression.type',
  'delete.retention.ms',
  'max.compaction.lag.ms',
  'max.message.bytes',
  'message.timestamp.after.max.ms',
  'message.timestamp.before.max.ms',
  'message.timestamp.type',
  'min.compaction.lag.ms',
  'min.insync.replicas',
  'retention.bytes',
  'retention.ms',
  'segment.bytes',
  'segment.ms'
]

const describeCases: Case[] = casesOf(
  apis.describeConfigs,
  ['describes a group that has no settings of its own', describes(GROUP, group, GROUP_KEYS)],
  ['describes a group, with where values come from', describes(GROUP, group, GROUP_KEYS, true)],
  ['describes client metrics that are not there', describes(CLIENT_METRICS, metrics, null)],
  ['refuses an empty group', describes(GROUP, () => '', GROUP_KEYS)],
  ['refuses empty client metrics', describes(CLIENT_METRICS, () => '', null)],
  ['describes settings of the broker', describes(BROKER, broker, ['log.retention.ms', 'message.max.bytes', 'no.such'])],
  ['describes settings of all brokers', describes(BROKER, () => '', ['log.retention.ms'])],
  ['refuses another broker', describes(BROKER, () => '4711', ['log.retention.ms'])],
  ['refuses a broker that is no number', describes(BROKER, () => 'x', ['log.retention.ms'])],
  ['refuses loggers of another broker', describes(LOGGER, () => '4711', null)],
  ['refuses loggers of no broker', describes(LOGGER, () => '', null)],
  [
    'describes all well-known settings of a topic',
    async (peer, version) => described(peer, version, { type: TOPIC, name: (await peer.topic()).name }, TOPIC_KEYS)
  ],
  [
    'describes no settings of a topic',
    async (peer, version) => described(peer, version, { type: TOPIC, name: (await peer.topic()).name }, [])
  ],
  [
    'tells where a setting of a topic comes from',
    async (peer, version) => {
      const { name } = await peer.topic(1, { 'cleanup.policy': 'compact' })
      return described(peer, version, { type: TOPIC, name }, ['cleanup.policy'], true)
    }
  ]
)

const listCases: Case[] = casesOf(
  apis.listConfigResources,
  ...(
    [
      ['lists groups', [GROUP]],
      ['lists client metrics', [CLIENT_METRICS]],
      ['lists topics', [TOPIC]],
      ['lists groups and client metrics', [GROUP, CLIENT_METRICS]],
      ['lists everything', []],
      ['refuses a kind that is none', [77]]
    ] as const
  ).map(
    ([name, resourceTypes]) =>
      [
        name,
        async (peer: Peer, version: number) => {
          const resources = [
            { type: GROUP, name: group(peer) },
            { type: CLIENT_METRICS, name: metrics(peer) }
          ]
          await peer.topic()
          await alter(peer, 1, resources[0] as Resource, [['consumer.session.timeout.ms', SET, '50000']])
          await learned(peer, resources[0] as Resource, [['consumer.session.timeout.ms', SET, '50000']])
          await alter(peer, 1, resources[1] as Resource, [['interval.ms', SET, '5000']])
          await learned(peer, resources[1] as Resource, [['interval.ms', SET, '5000']])
          const asked = { resourceTypes: version === 0 ? [] : [...resourceTypes] }
          const { errorCode, configResources } = await peer.send(apis.listConfigResources, version, asked)
          return {
            errorCode,
            configResources: configResources.filter(({ resourceName }) => resourceName.endsWith(peer.scope))
          }
        }
      ] as const
  )
)

export const configCases: Case[] = [...alterConfigsCases, ...incrementalCases, ...describeCases, ...listCases]
