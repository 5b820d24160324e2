/**
 * The settings of a broker that mean something here, and those that Kafka's tools set on their own, by Kafka's names: type,
 * default, whether they can change while the broker runs, and what they do here. Kafka has about three hundred, most of
 * them of parts that do not exist here.
 *
 * The defaults of topic settings come from `topic-declarations.ts`, the bounds of groups from `group-declarations.ts`.
 */
import { GROUP_SETTINGS } from './group-declarations.ts'
import {
  boolean,
  choice,
  double,
  except,
  int,
  LONG_MAX,
  list,
  long,
  type SettingDeclaration,
  type SettingKind,
  short,
  text
} from './setting.ts'
import { TOPIC_SETTINGS } from './topic-declarations.ts'

export interface BrokerSettingDeclaration extends SettingDeclaration {
  /** Can be set while the broker runs, for one broker and for all (Kafka's "cluster-wide"). */
  readonly dynamic: boolean
}

type Named = readonly [name: string, declaration: BrokerSettingDeclaration]

function fixed(name: string, kind: SettingKind, fallback: string | number | undefined, documentation: string): Named {
  return [
    name,
    { ...kind, default: fallback === undefined ? undefined : String(fallback), dynamic: false, documentation }
  ]
}

function dynamic(name: string, kind: SettingKind, fallback: string | number | undefined, documentation: string): Named {
  const [, declaration] = fixed(name, kind, fallback, documentation)
  return [name, { ...declaration, dynamic: true }]
}

const INT_MAX = 2 ** 31 - 1
const anyText = text('text', () => true)
const anyList = list('a list', () => true)
const NO_EFFECT = 'Accepted and without effect.'

/** Kafka leaves these without a default; others with other units come before the one of the topic. */
const WITHOUT_DEFAULT = new Set(['log.flush.interval.ms', 'log.retention.ms', 'log.roll.jitter.ms', 'log.roll.ms'])

/** Where Kafka bounds the broker's setting otherwise than the topic's. */
const BROKER_KINDS: Readonly<Record<string, SettingKind>> = {
  'log.flush.interval.ms': long(),
  'log.retention.ms': except(long(), '0')
}

const topicDefaults = [...TOPIC_SETTINGS].flatMap(([name, declaration]): Named[] => {
  const { brokerName, documentation } = declaration
  if (brokerName === undefined) return []
  const kind = BROKER_KINDS[brokerName] ?? declaration
  const fallback = WITHOUT_DEFAULT.has(brokerName) ? undefined : declaration.default
  const { type, allowed, check, normalize } = kind
  return [
    dynamic(
      brokerName,
      { type, allowed, check, normalize },
      fallback,
      `Of topics without a ${name} of their own: ${documentation}`
    )
  ]
})

const IN_OTHER_UNITS = 'Shown for Kafka’s tools; the setting in milliseconds is what counts here.'
const otherUnits = [
  fixed('log.flush.scheduler.interval.ms', long(), String(LONG_MAX), IN_OTHER_UNITS),
  fixed('log.retention.hours', int(), 168, IN_OTHER_UNITS),
  fixed('log.retention.minutes', int(), undefined, IN_OTHER_UNITS),
  fixed('log.roll.hours', int(1), 168, IN_OTHER_UNITS),
  fixed('log.roll.jitter.hours', int(0), 0, IN_OTHER_UNITS)
]

const identity = [
  fixed('broker.id', int(), -1, 'The id of this node.'),
  fixed('broker.rack', anyText, undefined, 'The zone that this node runs in.'),
  fixed('log.dirs', anyList, undefined, 'The object store that holds the log.'),
  fixed('node.id', int(0), undefined, 'The id of this node.'),
  fixed('process.roles', anyList, 'broker,controller', 'One process plays every role.')
]

const topics = [
  fixed('auto.create.topics.enable', boolean, 'true', 'Whether a topic comes into being when a client first names it.'),
  fixed('default.replication.factor', int(), 1, 'What is acknowledged is as durable as the storage beneath.'),
  fixed('delete.topic.enable', boolean, 'true', 'Topics can be deleted.'),
  fixed('num.partitions', int(1), 3, 'Partitions of a topic whose creator does not say.'),
  fixed(
    'offsets.topic.num.partitions',
    int(1),
    50,
    'Partitions of the internal topic that holds groups and their offsets.'
  ),
  fixed('offsets.topic.replication.factor', short(1), 1, 'What is acknowledged is as durable as the storage beneath.')
]

const limits = [
  fixed('queued.max.request.bytes', long(), 268_435_456, 'Memory that all requests under way may hold together.'),
  fixed(
    'socket.request.max.bytes',
    int(1),
    104_857_600,
    'The largest request; a connection that announces a larger one is closed.'
  ),
  dynamic(
    'follower.replication.throttled.rate',
    long(0),
    undefined,
    `${NO_EFFECT} No broker copies records from another one.`
  ),
  dynamic(
    'leader.replication.throttled.rate',
    long(0),
    undefined,
    `${NO_EFFECT} No broker copies records from another one.`
  ),
  dynamic(
    'replica.alter.log.dirs.io.max.bytes.per.second',
    long(0),
    undefined,
    `${NO_EFFECT} There are no log directories to move between.`
  )
]

const THREADS = `${NO_EFFECT} There is no pool of threads of that kind.`
const work = [
  dynamic('background.threads', int(1), 10, THREADS),
  dynamic(
    'log.cleaner.backoff.ms',
    long(0),
    15_000,
    `${NO_EFFECT} Compaction by key looks for work at intervals of its own.`
  ),
  dynamic('log.cleaner.io.buffer.load.factor', double(0, 1), '0.9', NO_EFFECT),
  dynamic('log.cleaner.io.buffer.size', int(0), 524_288, NO_EFFECT),
  dynamic(
    'log.cleaner.io.max.bytes.per.second',
    double(0, Number.MAX_VALUE),
    '1.7976931348623157E308',
    `${NO_EFFECT} coldReadBytesPerSecond of the node bounds what is read.`
  ),
  dynamic('log.cleaner.threads', int(0), 1, THREADS),
  fixed(
    'log.cleaner.dedupe.buffer.size',
    long(),
    67_108_864,
    'Memory for the keys of a partition while it is compacted by key.'
  ),
  dynamic('num.io.threads', int(1), 8, THREADS),
  dynamic('num.network.threads', int(1), 3, THREADS),
  dynamic('num.recovery.threads.per.data.dir', int(1), 2, THREADS),
  dynamic('num.replica.fetchers', int(0), 1, THREADS)
]

const transactions = [
  dynamic(
    'producer.id.expiration.ms',
    int(1),
    86_400_000,
    'Milliseconds for which an idle idempotent producer is remembered in a partition.'
  ),
  fixed(
    'transaction.max.timeout.ms',
    int(1),
    900_000,
    'The longest timeout that a transactional producer may ask for.'
  ),
  fixed(
    'transaction.state.log.num.partitions',
    int(1),
    50,
    'Partitions of the internal topic that holds transactions.'
  ),
  fixed(
    'transaction.state.log.replication.factor',
    short(1),
    1,
    'What is acknowledged is as durable as the storage beneath.'
  ),
  fixed(
    'transaction.two.phase.commit.enable',
    boolean,
    'false',
    'Transactions that an outer coordinator commits are not offered.'
  ),
  fixed(
    'transactional.id.expiration.ms',
    int(1),
    604_800_000,
    'Milliseconds after which an unused transactional id is forgotten.'
  )
]

/** Kafka's bounds of group settings, where they are not these; (1) is the least, and has no upper bound of its own. */
const GROUP_BOUNDS: Readonly<Record<string, number>> = {
  'group.consumer.max.assignment.interval.ms': 15_000,
  'group.consumer.max.heartbeat.interval.ms': 15_000,
  'group.consumer.max.session.timeout.ms': 60_000,
  'group.consumer.min.assignment.interval.ms': 0,
  'group.consumer.min.heartbeat.interval.ms': 5000,
  'group.consumer.min.session.timeout.ms': 45_000,
  'group.share.max.assignment.interval.ms': 15_000,
  'group.share.max.delivery.count.limit': 10,
  'group.share.max.heartbeat.interval.ms': 15_000,
  'group.share.max.partition.max.record.locks': 4000,
  'group.share.max.record.lock.duration.ms': 60_000,
  'group.share.max.session.timeout.ms': 60_000,
  'group.share.min.assignment.interval.ms': 0,
  'group.share.min.delivery.count.limit': 2,
  'group.share.min.heartbeat.interval.ms': 5000,
  'group.share.min.partition.max.record.locks': 100,
  'group.share.min.record.lock.duration.ms': 15_000,
  'group.share.min.session.timeout.ms': 45_000,
  'group.streams.max.assignment.interval.ms': 15_000,
  'group.streams.max.heartbeat.interval.ms': 15_000,
  'group.streams.max.session.timeout.ms': 60_000,
  'group.streams.max.standby.replicas': 2,
  'group.streams.min.assignment.interval.ms': 0,
  'group.streams.min.heartbeat.interval.ms': 5000,
  'group.streams.min.session.timeout.ms': 45_000
}

const groupDefaults = [...GROUP_SETTINGS].flatMap(([name, declaration]): Named[] => {
  const { brokerName, default: fallback, documentation } = declaration
  if (brokerName === undefined) return []
  const { type, allowed, check, normalize } = declaration
  const kind = { type, allowed, check, normalize }
  const about = `Of groups without a ${name} of their own: ${documentation}`
  // As in Kafka, whose other group settings are read once.
  return [(name.endsWith('.assignment.interval.ms') ? dynamic : fixed)(brokerName, kind, fallback, about)]
})

const groupBounds = [...GROUP_SETTINGS].flatMap(([name, { min, max }]): Named[] => [
  ...(min === undefined ? [] : [fixed(min, int(0), GROUP_BOUNDS[min], `The least that ${name} of a group may be.`)]),
  ...(max === undefined ? [] : [fixed(max, int(0), GROUP_BOUNDS[max], `The most that ${name} of a group may be.`)])
])

const groups = [
  fixed(
    'group.consumer.assignors',
    anyList,
    'uniform,range',
    'Who may assign the partitions of a consumer group; the first is the default.'
  ),
  fixed('group.consumer.max.size', int(1), INT_MAX, 'The most members of a consumer group.'),
  fixed(
    'group.consumer.migration.policy',
    choice('bidirectional', 'upgrade', 'downgrade', 'disabled'),
    'bidirectional',
    'How classic groups and consumer groups may turn into each other.'
  ),
  fixed(
    'group.coordinator.rebalance.protocols',
    anyList,
    'classic,consumer,streams',
    'The kinds of groups that there are.'
  ),
  fixed(
    'group.initial.rebalance.delay.ms',
    int(0),
    0,
    'Milliseconds that the first rebalance of an empty classic group waits for more members.'
  ),
  fixed(
    'group.max.session.timeout.ms',
    int(),
    1_800_000,
    'The longest session timeout that a member of a classic group may ask for.'
  ),
  fixed('group.max.size', int(1), INT_MAX, 'The most members of a classic group.'),
  fixed(
    'group.min.session.timeout.ms',
    int(),
    6000,
    'The shortest session timeout that a member of a classic group may ask for.'
  ),
  fixed('group.share.max.size', int(1), 200, 'The most members of a share group.'),
  fixed('group.streams.max.size', int(1), INT_MAX, 'The most members of a streams group.'),
  fixed('offset.metadata.max.bytes', int(), 4096, 'The longest text that may be committed with an offset.'),
  fixed(
    'offsets.retention.minutes',
    int(1),
    10_080,
    'Minutes for which the offsets of a group without members are kept.'
  )
]

const balance = [
  dynamic(
    'longhaul.balance.exclude',
    boolean,
    'false',
    'Keeps balancing from giving partitions to the broker, but for those that are pinned to it. Set for all brokers it ends balancing: only draining brokers are emptied, and pins kept.'
  )
]

/** By name, in the order of names. */
export const BROKER_SETTINGS: ReadonlyMap<string, BrokerSettingDeclaration> = new Map(
  [
    ...topicDefaults,
    ...otherUnits,
    ...identity,
    ...topics,
    ...limits,
    ...work,
    ...transactions,
    ...groupDefaults,
    ...groupBounds,
    ...groups,
    ...balance
  ].toSorted(([a], [b]) => (a < b ? -1 : 1))
)

const SAME_THING = [
  ['log.roll.ms', 'log.roll.hours'],
  ['log.roll.jitter.ms', 'log.roll.jitter.hours'],
  ['log.retention.ms', 'log.retention.minutes', 'log.retention.hours']
]

/** Names of the settings that say the same as this one, itself included, the strongest first. */
export function brokerSynonyms(name: string): readonly string[] {
  if (name === 'log.flush.interval.ms') return [name, 'log.flush.scheduler.interval.ms']
  return SAME_THING.find((names) => names.includes(name)) ?? [name]
}
