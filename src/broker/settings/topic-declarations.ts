/**
 * Every setting of a topic that Kafka 4.3 knows (`LogConfig`), and our own, in the order of their names: type, bounds,
 * default, the broker setting that is its default for all topics, and what it means here.
 */
import { DEFAULT_PROFILE } from '../../object-store/object-stores.ts'
import {
  boolean,
  choice,
  double,
  int,
  LONG_MAX,
  list,
  listItems,
  long,
  or,
  type SettingDeclaration,
  type SettingKind,
  text
} from './setting.ts'

export interface TopicSettingDeclaration extends SettingDeclaration {
  readonly default: string
  /** Kafka's name of the broker setting that holds for topics that say nothing themselves. */
  readonly brokerName: string | undefined
}

const DAY_MS = 86_400_000
const NO_SEGMENTS = 'Accepted and without effect: there are no segments, records are kept in objects of any size.'
const NO_INDEX = 'Accepted and without effect: an index belongs to each object and is as large as it must be.'
const ALWAYS_DURABLE = 'Accepted and without effect: every batch is on durable storage before it is acknowledged.'
const NO_FOLLOWERS = 'Accepted and without effect: no broker copies records from another one.'
const NO_TIERS = 'Means nothing here, where all records are in the object store; only the default is accepted.'
const NO_LOCAL_TIER = 'Accepted and without effect: what is kept locally is a cache, which the node bounds as a whole.'

/** What throttled replicas may be (`ThrottledReplicaListValidator`): all, or pairs of partition and broker. */
const throttledReplicas: SettingKind = {
  type: 'list',
  allowed: '*, or pairs of partition and broker such as 0:1,1:1',
  check: (value) => {
    const items = listItems(value)
    return items.join('') === '*' || items.every((item) => /^(\d+:\d+)?$/.test(item))
  },
  normalize: (value) => listItems(value).join(',')
}

function declare(
  kind: SettingKind,
  fallback: string | number | bigint | boolean,
  brokerName: string | undefined,
  documentation: string
): TopicSettingDeclaration {
  return { ...kind, default: String(fallback), brokerName, documentation }
}

const contents = {
  'cleanup.policy': declare(
    list('delete, compact, both with a comma between them, or nothing', (item) => ['compact', 'delete'].includes(item)),
    'delete',
    'log.cleanup.policy',
    'What happens to old records: delete drops them by age or size, compact drops those whose key was written again. Both together do both, an empty list does nothing.'
  ),
  'compression.gzip.level': declare(
    or(int(1, 9), '-1'),
    -1,
    'compression.gzip.level',
    'How hard gzip tries, if compression.type is gzip and a batch has to be compressed anew; -1 is the 6 of zlib.'
  ),
  'compression.lz4.level': declare(
    int(1, 17),
    9,
    'compression.lz4.level',
    'Accepted and without effect: lz4 is always applied at its fast level, which reads the same.'
  ),
  'compression.type': declare(
    choice('uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'),
    'producer',
    'compression.type',
    'How batches are stored: producer keeps each as it was sent, anything else compresses those anew that came otherwise, before they are appended.'
  ),
  'compression.zstd.level': declare(
    int(-131_072, 22),
    3,
    'compression.zstd.level',
    'How hard zstd tries, if compression.type is zstd and a batch has to be compressed anew.'
  ),
  'delete.retention.ms': declare(
    long(0),
    DAY_MS,
    'log.cleaner.delete.retention.ms',
    'Milliseconds that compaction keeps a tombstone, or the marker of a transaction of which nothing is left, from the first cleaning that meets it.'
  ),
  'file.delete.delay.ms': declare(
    long(0),
    60_000,
    'log.segment.delete.delay.ms',
    'Accepted and without effect: objects are deleted when the grace period of the node (objectGraceMs) is over.'
  ),
  'flush.messages': declare(long(1), LONG_MAX, 'log.flush.interval.messages', ALWAYS_DURABLE),
  'flush.ms': declare(long(0), LONG_MAX, 'log.flush.interval.ms', ALWAYS_DURABLE),
  'follower.replication.throttled.replicas': declare(throttledReplicas, '', undefined, NO_FOLLOWERS),
  'index.interval.bytes': declare(int(0), 4096, 'log.index.interval.bytes', NO_INDEX),
  'leader.replication.throttled.replicas': declare(throttledReplicas, '', undefined, NO_FOLLOWERS),
  'local.retention.bytes': declare(long(-2), -2, 'log.local.retention.bytes', NO_LOCAL_TIER),
  'local.retention.ms': declare(long(-2), -2, 'log.local.retention.ms', NO_LOCAL_TIER),
  'longhaul.balance.pin': declare(
    list('ids of brokers with a comma between them, or nothing', (item) => /^\d{1,9}$/.test(item)),
    '',
    undefined,
    'Brokers that are to lead the partitions of the topic: they are moved there, and stay there while one of these runs. Empty: any broker.'
  ),
  'longhaul.object.store.profile': declare(
    text('the name of an object store', (value) => value !== ''),
    DEFAULT_PROFILE,
    undefined,
    'Name of the object store that keeps the records, of those that the nodes are configured with. Holds for what is uploaded from now on.'
  )
} as const satisfies Record<string, TopicSettingDeclaration>

const limits = {
  'max.compaction.lag.ms': declare(
    long(1),
    LONG_MAX,
    'log.cleaner.max.compaction.lag.ms',
    'Milliseconds after which a record is compacted however little else there is to compact.'
  ),
  'max.message.bytes': declare(
    int(0),
    1_048_588,
    'message.max.bytes',
    'The largest record batch that the topic takes, as it was sent and as it is stored.'
  ),
  'message.timestamp.after.max.ms': declare(
    long(0),
    3_600_000,
    'log.message.timestamp.after.max.ms',
    'Milliseconds by which the timestamp of a record may lie in the future; a batch with a later one is refused. Nothing with LogAppendTime.'
  ),
  'message.timestamp.before.max.ms': declare(
    long(0),
    LONG_MAX,
    'log.message.timestamp.before.max.ms',
    'Milliseconds by which the timestamp of a record may lie in the past; a batch with an older one is refused. Nothing with LogAppendTime. Anything but the default looks into every record.'
  ),
  'message.timestamp.type': declare(
    choice('CreateTime', 'LogAppendTime'),
    'CreateTime',
    'log.message.timestamp.type',
    'Whether records keep the timestamp of their producer or get the time of their append.'
  ),
  'min.cleanable.dirty.ratio': declare(
    double(0, 1),
    '0.5',
    'log.cleaner.min.cleanable.ratio',
    'Share of a partition, in bytes, that must be new before it is compacted.'
  ),
  'min.compaction.lag.ms': declare(
    long(0),
    0,
    'log.cleaner.min.compaction.lag.ms',
    'Milliseconds for which a record is safe from compaction, by its timestamp.'
  ),
  'min.insync.replicas': declare(
    int(1),
    1,
    'min.insync.replicas',
    'Accepted and without effect: durability comes from the write-ahead log and the object store, whatever the number.'
  )
} as const satisfies Record<string, TopicSettingDeclaration>

const keeping = {
  preallocate: declare(boolean, false, 'log.preallocate', NO_SEGMENTS),
  'remote.log.copy.disable': declare(
    boolean,
    false,
    undefined,
    'Accepted and without effect: there is no second tier.'
  ),
  'remote.log.delete.on.disable': declare(
    boolean,
    false,
    undefined,
    'Accepted and without effect: there is no second tier.'
  ),
  'remote.storage.enable': declare(boolean, false, undefined, NO_TIERS),
  'retention.bytes': declare(
    long(),
    -1,
    'log.retention.bytes',
    'Bytes of a partition to keep; older ones are dropped. Below 0: no limit.'
  ),
  'retention.ms': declare(
    long(-1),
    7 * DAY_MS,
    'log.retention.ms',
    'Milliseconds to keep a record, by its timestamp. -1: for ever.'
  ),
  'segment.bytes': declare(int(1024 * 1024), 1_073_741_824, 'log.segment.bytes', NO_SEGMENTS),
  'segment.index.bytes': declare(int(4), 10_485_760, 'log.index.size.max.bytes', NO_INDEX),
  'segment.jitter.ms': declare(long(0), 0, 'log.roll.jitter.ms', NO_SEGMENTS),
  'segment.ms': declare(
    long(1),
    7 * DAY_MS,
    'log.roll.ms',
    'Accepted and without effect: there are no segments. Records are in reach of compaction and retention as soon as they are in objects.'
  ),
  'unclean.leader.election.enable': declare(
    boolean,
    false,
    'unclean.leader.election.enable',
    'Accepted and without effect: whoever leads a partition has all of its acknowledged records.'
  )
} as const satisfies Record<string, TopicSettingDeclaration>

export const TOPIC_DECLARATIONS = { ...contents, ...limits, ...keeping } as const

export type TopicSettingName = keyof typeof TOPIC_DECLARATIONS

/** By name, in the order of names. */
export const TOPIC_SETTINGS: ReadonlyMap<string, TopicSettingDeclaration> = new Map(Object.entries(TOPIC_DECLARATIONS))
