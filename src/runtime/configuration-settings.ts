/**
 * Every setting of a node, declared once: type, default, bounds, help, and what a change costs. The flags, the
 * environment variables, the keys of the YAML file and `docs/configuration.md` all derive from this table, by name:
 * `kafkaPort` is `--kafka-port`, `LONGHAUL_KAFKA_PORT` and `kafkaPort`.
 *
 * It does not read anything: see `configuration.ts`.
 */

interface About {
  readonly help: string
  /** What raising, lowering or switching it does to the rest of the system, in one sentence. */
  readonly cost: string
  /** Kafka's name of the setting, where the meaning is Kafka's. */
  readonly kafka?: string
}

export interface TextSetting extends About {
  readonly kind: 'text'
  /** Absent: the setting may be left out and is then undefined. */
  readonly default?: string
}

export interface IntegerSetting extends About {
  readonly kind: 'integer'
  readonly default: number
  /** Inclusive. */
  readonly min: number
  readonly max: number
}

/** Bytes: a whole number, or one followed by KiB, MiB or GiB. */
export interface BytesSetting extends About {
  readonly kind: 'bytes'
  readonly default: number
  readonly min: number
  readonly max: number
}

export interface SwitchSetting extends About {
  readonly kind: 'switch'
  readonly default: boolean
}

export interface ChoiceSetting<Choice extends string = string> extends About {
  readonly kind: 'choice'
  readonly default: Choice
  readonly choices: readonly Choice[]
}

/** A component named by one URL; by default one with an absolute path, a place under the data directory. */
export interface LocationSetting extends About {
  readonly kind: 'location'
  readonly scheme: string
  readonly defaultBelowDataDir: string
  /** Other forms, by what they begin with, and how each is shown. */
  readonly others: Readonly<Record<string, string>>
}

/** Names of object-store profiles, each with the URL of its place. */
export interface ProfilesSetting extends About {
  readonly kind: 'profiles'
  readonly default: Readonly<Record<string, string>>
}

export type Setting =
  | TextSetting
  | IntegerSetting
  | BytesSetting
  | SwitchSetting
  | ChoiceSetting
  | LocationSetting
  | ProfilesSetting

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB

const network = {
  host: {
    kind: 'text',
    default: '127.0.0.1',
    help: 'Address that the Kafka, MQTT and HTTP ports listen on.',
    cost: 'Anything but a loopback address needs allowUnauthenticatedClients: the Kafka port has no authentication yet.',
    kafka: 'listeners'
  },
  allowUnauthenticatedClients: {
    kind: 'switch',
    default: false,
    help: 'Listen on other addresses than loopback although everybody who reaches the Kafka port may read and write all.',
    cost: 'The network around the node becomes the only protection of its data.'
  },
  advertisedHost: {
    kind: 'text',
    help: 'Name or address that clients are told to connect to; the same as host when not set.',
    cost: 'Clients that cannot resolve or reach it connect once and then fail.',
    kafka: 'advertised.listeners'
  },
  kafkaPort: {
    kind: 'integer',
    default: 9092,
    min: 0,
    max: 65535,
    help: 'Port of the Kafka protocol; 0 takes a free one.',
    cost: 'Clients must be told.',
    kafka: 'listeners'
  },
  mqttPort: {
    kind: 'integer',
    default: 1883,
    min: 0,
    max: 65535,
    help: 'Port for devices that speak MQTT 3.1.1 or 5; 0 takes a free one.',
    cost: 'Devices must be told.'
  },
  httpPort: {
    kind: 'integer',
    default: 8080,
    min: 0,
    max: 65535,
    help: 'Port for devices that speak HTTP; 0 takes a free one.',
    cost: 'Devices must be told.'
  }
} as const satisfies Record<string, Setting>

const identity = {
  nodeId: {
    kind: 'integer',
    default: 1,
    min: 0,
    max: 2 ** 31 - 1,
    help: 'Number of this node in its cluster; stays the same for the life of the data.',
    cost: 'A node started under another number does not lead the partitions it led before.',
    kafka: 'node.id'
  },
  rack: {
    kind: 'text',
    help: 'Zone that this node runs in.',
    cost: 'Clients that name the same zone are served by this node when they can be.',
    kafka: 'broker.rack'
  }
} as const satisfies Record<string, Setting>

const storage = {
  dataDir: {
    kind: 'text',
    default: './data',
    help: 'Directory below which everything is kept that has no place of its own.',
    cost: 'A node started with another directory is another, empty node.',
    kafka: 'log.dirs'
  },
  objectStore: {
    kind: 'location',
    scheme: 'file',
    defaultBelowDataDir: 'objects',
    others: { 's3://': 's3://bucket/prefix?region=…&endpoint=…' },
    help: 'Where uploaded data lives: a directory, or a bucket of an S3-compatible store (credentials come from the AWS variables).',
    cost: 'Data stays where it was written; the old place must remain reachable as long as its data is retained.'
  },
  objectStoreProfiles: {
    kind: 'profiles',
    default: {},
    help: 'Further object stores by name; the topic setting longhaul.object.store.profile says which one keeps a topic.',
    cost: 'Each is another set of objects and requests; a name must stay as long as data is kept under it. While one is away nothing is uploaded to the others, and producers of all topics wait once the log cache is full.'
  },
  wal: {
    kind: 'location',
    scheme: 'file',
    defaultBelowDataDir: 'wal',
    others: { 'object:': 'object:' },
    help: 'Where appends become durable before they are acknowledged: a directory (milliseconds), or object: for the object store itself (no disk, a quarter of a second and its PUT).',
    cost: 'Its flush time is the floor of every acknowledgement; a node does not start on another log than the one it had, as records may be in the log alone.'
  },
  metadata: {
    kind: 'location',
    scheme: 'sqlite',
    defaultBelowDataDir: 'metadata.sqlite',
    others: {
      'postgres://': 'postgres://user@host:port/database?sslmode=…',
      'postgresql://': 'postgresql://…'
    },
    help: 'Where topics, objects and devices are recorded: a file for one node, or a PostgreSQL database, which several nodes may share (docs/metadata.md).',
    cost: 'Without it the uploaded data cannot be found again: back it up. Once a database on another machine is away, topics and settings cannot be changed until it is back.'
  },
  leaseMs: {
    kind: 'integer',
    default: 2_000,
    min: 500,
    max: 60_000,
    help: 'On a PostgreSQL database: how long after its last sign of life a node counts as dead, and others take over what it leads.',
    cost: 'Lower values find dead nodes sooner and take short pauses for deaths. With a log in files, it is also how long the database may be away before nothing is acknowledged.',
    kafka: 'broker.session.timeout.ms'
  },
  stoppedGraceMs: {
    kind: 'integer',
    default: 10_000,
    min: 0,
    max: 3_600_000,
    help: 'On a PostgreSQL database: how long a node that was stopped, and could not hand over what it leads, may take to start again before others take over.',
    cost: 'Until then nobody serves those partitions.'
  },
  walBytesMax: {
    kind: 'bytes',
    default: 1 * GiB,
    min: 128 * MiB,
    max: 1024 * GiB,
    help: 'Space that the write-ahead log may take, at least two segments of 64 MiB; beyond it producers wait.',
    cost: 'How long object storage may be away is bounded by logCacheBytes first; a log smaller than that bounds it instead.'
  },
  logCacheBytes: {
    kind: 'bytes',
    default: 128 * MiB,
    min: 8 * MiB,
    max: 64 * GiB,
    help: 'Memory for recent data: what is not uploaded yet, and what consumers at the tail read.',
    cost: 'Halving it halves how long object storage may be away before producers wait, and sends lagging consumers to objects sooner.'
  },
  uploadBytes: {
    kind: 'bytes',
    default: 32 * MiB,
    min: 64 * KiB,
    max: 1 * GiB,
    help: 'Data collected in memory before it is uploaded as an object.',
    cost: 'Halving it about doubles the number of objects and PUTs under load.'
  },
  uploadIntervalMs: {
    kind: 'integer',
    default: 10_000,
    min: 100,
    max: 3_600_000,
    help: 'Longest time that data waits for uploadBytes before it is uploaded anyway.',
    cost: 'Halving it about doubles the number of objects and PUTs when there is little traffic, and shortens recovery.'
  },
  blockCacheBytes: {
    kind: 'bytes',
    default: 64 * MiB,
    min: 8 * MiB,
    max: 64 * GiB,
    help: 'Memory for data that was read back from objects, read-ahead included.',
    cost: 'Too little for the number of consumers that catch up at once makes them read the same objects again.'
  },
  coldReadBytesPerSecond: {
    kind: 'bytes',
    default: 0,
    min: 0,
    max: 64 * GiB,
    help: 'Most that is read from object storage per second, consumers and compaction together; 0: no limit.',
    cost: 'A limit keeps a network free for producers and makes catching up take longer; compaction gives way first.'
  },
  compactionIntervalMs: {
    kind: 'integer',
    default: 30_000,
    min: 100,
    max: 86_400_000,
    help: 'How often objects are looked through for some to merge, or split by stream.',
    cost: 'Longer intervals let more small objects gather, each of which costs a read when a consumer catches up.'
  },
  objectGraceMs: {
    kind: 'integer',
    default: 600_000,
    min: 300_000,
    max: 604_800_000,
    help: 'How long an object that nothing refers to any more is kept before it is deleted.',
    cost: 'A read or an upload that takes longer than this has to begin again.'
  }
} as const satisfies Record<string, Setting>

const broker = {
  autoCreateTopics: {
    kind: 'switch',
    default: true,
    help: 'Create a topic when a client asks for one that does not exist.',
    cost: 'A misspelt topic name becomes a topic instead of an error.',
    kafka: 'auto.create.topics.enable'
  },
  defaultPartitions: {
    kind: 'integer',
    default: 3,
    min: 1,
    max: 10_000,
    help: 'Partitions of a topic created without a number.',
    cost: 'More of them let more consumers of a group share the work; a topic cannot shrink.',
    kafka: 'num.partitions'
  },
  messageBytesMax: {
    kind: 'bytes',
    default: 1_048_588,
    min: 1 * KiB,
    max: 64 * MiB,
    help: 'Largest record batch that is accepted, as sent (compressed).',
    cost: 'Consumers must be able to fetch what producers may send.',
    kafka: 'message.max.bytes'
  },
  frameBytesMax: {
    kind: 'bytes',
    default: 100 * MiB,
    min: 1 * MiB,
    max: 1 * GiB,
    help: 'Largest request; a connection that announces a larger one is closed.',
    cost: 'One connection may hold this much memory.',
    kafka: 'socket.request.max.bytes'
  },
  requestMemoryBytes: {
    kind: 'bytes',
    default: 256 * MiB,
    min: 16 * MiB,
    max: 64 * GiB,
    help: 'Memory that all requests under way may hold together; beyond it no more is read from connections.',
    cost: 'Lower values slow producers down earlier, higher ones take more memory in a burst.',
    kafka: 'queued.max.request.bytes'
  },
  groupInitialRebalanceDelayMs: {
    kind: 'integer',
    default: 0,
    min: 0,
    max: 300_000,
    help: 'How long the first rebalance of an empty consumer group waits for more members.',
    cost: 'Higher values save rebalances when many consumers start at once and delay the first record.',
    kafka: 'group.initial.rebalance.delay.ms'
  },
  groupMinSessionTimeoutMs: {
    kind: 'integer',
    default: 6_000,
    min: 1,
    max: 1_800_000,
    help: 'Shortest session timeout that a consumer may ask for.',
    cost: 'Lower values find dead consumers sooner and take short pauses for deaths.',
    kafka: 'group.min.session.timeout.ms'
  },
  compactionMemoryBytes: {
    kind: 'bytes',
    default: 64 * MiB,
    min: 1 * MiB,
    max: 4 * GiB,
    help: 'Memory for the keys of a partition while it is compacted by key, at most; 26 bytes per key.',
    cost: 'With more new keys than fit, a partition is compacted in several rounds, each of which rewrites it.',
    kafka: 'log.cleaner.dedupe.buffer.size'
  },
  producerIdExpirationMs: {
    kind: 'integer',
    default: 86_400_000,
    min: 1_000,
    max: 2_592_000_000,
    help: 'How long an idle idempotent producer is remembered in a partition.',
    cost: 'Higher values keep more state per partition; a retry after it has passed may be stored twice.',
    kafka: 'producer.id.expiration.ms'
  }
} as const satisfies Record<string, Setting>

const fleet = {
  fleet: {
    kind: 'switch',
    default: true,
    help: 'Run a small simulated fleet against this node.',
    cost: 'Its records are real: they fill the telemetry topic until the fleet is switched off.'
  },
  fleetDevices: {
    kind: 'integer',
    default: 20,
    min: 1,
    max: 10_000,
    help: 'Devices of the simulated fleet.',
    cost: 'Each is one MQTT or HTTP client in the same process and takes processor time from it.'
  }
} as const satisfies Record<string, Setting>

const observation = {
  logLevel: {
    kind: 'choice',
    default: 'warn',
    choices: ['debug', 'info', 'warn', 'error'],
    help: 'Least serious log line that is written to standard error.',
    cost: 'debug writes lines per request and slows the node down.'
  }
} as const satisfies Record<string, Setting>

/** In the order of the documentation. */
export const settingGroups = {
  Network: network,
  Identity: identity,
  Storage: storage,
  Broker: broker,
  'Simulated fleet': fleet,
  Logs: observation
} as const

export const settings = { ...network, ...identity, ...storage, ...broker, ...fleet, ...observation } as const

export type SettingName = keyof typeof settings

type Value<S> = S extends { kind: 'choice'; choices: readonly (infer Choice)[] }
  ? Choice
  : S extends { kind: 'integer' | 'bytes' }
    ? number
    : S extends { kind: 'switch' }
      ? boolean
      : S extends { kind: 'profiles' }
        ? Readonly<Record<string, string>>
        : S extends { kind: 'location' } | { default: string }
          ? string
          : string | undefined

/** What a node runs with: every setting has its value; `dataDir` is absolute and locations are absolute URLs. */
export type Configuration = { readonly [Name in SettingName]: Value<(typeof settings)[Name]> }

export const settingNames = Object.keys(settings) as readonly SettingName[]

const words = (name: string): string[] => name.split(/(?=[A-Z])/).map((word) => word.toLowerCase())

/** `kafkaPort` → `--kafka-port` */
export const flagOf = (name: string): string => `--${words(name).join('-')}`

/** `kafkaPort` → `LONGHAUL_KAFKA_PORT` */
export const variableOf = (name: string): string => `LONGHAUL_${words(name).join('_').toUpperCase()}`

/** What may be given, in words that follow "must be" or stand in a table. */
export function allowedValues(setting: Setting): string {
  switch (setting.kind) {
    case 'text':
      return 'text that is not empty'
    case 'integer':
      return `a whole number from ${setting.min} to ${setting.max}`
    case 'bytes':
      return `bytes from ${formatBytes(setting.min)} to ${formatBytes(setting.max)}, such as 1048576 or 1MiB`
    case 'switch':
      return 'true or false'
    case 'choice':
      return `one of ${setting.choices.join(', ')}`
    case 'location':
      return [`a URL with an absolute path, ${setting.scheme}:///…`, ...Object.values(setting.others)].join(', or ')
    case 'profiles':
      return 'names with URLs as for objectStore: eu=s3://…,us=s3://… in a flag or variable, keys and values in YAML'
  }
}

/** The largest binary unit that divides the number: 1048576 → `1MiB`, 1048588 → `1048588`. */
export function formatBytes(bytes: number): string {
  for (const [unit, size] of [
    ['GiB', GiB],
    ['MiB', MiB],
    ['KiB', KiB]
  ] as const) {
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`
  }
  return String(bytes)
}

/** The reverse of `formatBytes`; undefined when the text is not an amount of bytes. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+)\s*(KiB|MiB|GiB)?$/.exec(text)
  if (match === null) return undefined
  const factor = { KiB, MiB, GiB }[match[2] ?? ''] ?? 1
  return Number(match[1]) * factor
}
