/**
 * Every setting of a group that Kafka 4.3 knows (`GroupConfig`): type, default, the broker setting that is its default for
 * all groups, and the broker settings between which it must lie.
 */
import { boolean, choice, int, type SettingDeclaration, type SettingKind, text } from './setting.ts'

export interface GroupSettingDeclaration extends SettingDeclaration {
  readonly default: string
  readonly brokerName: string | undefined
  /** Broker settings whose values bound this one. */
  readonly min: string | undefined
  readonly max: string | undefined
}

/** A number that the broker bounds: `group.consumer.min.session.timeout.ms` for `consumer.session.timeout.ms`. */
function bounded(name: string, least: number, fallback: number, documentation: string): GroupSettingDeclaration {
  const [kind = '', ...rest] = name.split('.')
  const of = (what: string): string => `group.${kind}.${what}${rest.join('.')}`
  return {
    ...int(least),
    default: String(fallback),
    brokerName: of(''),
    min: of('min.'),
    max: of('max.'),
    documentation
  }
}

function unbounded(
  kind: SettingKind,
  fallback: string,
  documentation: string,
  more: Partial<Pick<GroupSettingDeclaration, 'brokerName' | 'max'>> = {}
): GroupSettingDeclaration {
  return { ...kind, default: fallback, brokerName: undefined, min: undefined, max: undefined, documentation, ...more }
}

const SESSION = 'Milliseconds without a heartbeat after which a member is taken to be gone.'
const HEARTBEAT = 'Milliseconds between the heartbeats that members are told to send.'
const ASSIGNMENT = 'Milliseconds that must pass before partitions are assigned anew.'

/** ISO 8601 durations as Java's `Duration.parse` takes them, without a sign: days, hours, minutes, seconds. */
const DURATION = /^P(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:[.,]\d{0,9})?)S)?)?$/i

/** Milliseconds; `undefined` when the text is no duration. */
export function parseDuration(iso: string): number | undefined {
  const match = DURATION.exec(iso)
  if (match === null || match.slice(1).every((part) => part === undefined)) return undefined
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = match
    .slice(1)
    .map((part) => Number((part ?? '0').replace(',', '.')))
  return Math.floor(((days * 24 + hours) * 60 + minutes) * 60_000 + seconds * 1000)
}

function isOffsetReset(value: string): boolean {
  if (/^(earliest|latest)$/.test(value)) return true
  return value.startsWith('by_duration:') && parseDuration(value.slice('by_duration:'.length)) !== undefined
}

export const GROUP_DECLARATIONS = {
  'consumer.assignment.interval.ms': bounded('consumer.assignment.interval.ms', 0, 1000, ASSIGNMENT),
  'consumer.heartbeat.interval.ms': bounded('consumer.heartbeat.interval.ms', 1, 5000, HEARTBEAT),
  'consumer.session.timeout.ms': bounded('consumer.session.timeout.ms', 1, 45_000, SESSION),
  'share.assignment.interval.ms': bounded('share.assignment.interval.ms', 0, 1000, ASSIGNMENT),
  'share.auto.offset.reset': unbounded(
    text('earliest, latest, or by_duration: with an ISO 8601 duration such as by_duration:PT1H', isOffsetReset),
    'latest',
    'Where a share group begins in a partition that it has not read before.'
  ),
  'share.delivery.count.limit': bounded(
    'share.delivery.count.limit',
    2,
    5,
    'How often a record is handed out before it is given up.'
  ),
  'share.heartbeat.interval.ms': bounded('share.heartbeat.interval.ms', 1, 5000, HEARTBEAT),
  'share.isolation.level': unbounded(
    choice('read_committed', 'read_uncommitted'),
    'read_uncommitted',
    'Whether records of transactions are handed out before they are committed, and of aborted ones at all.'
  ),
  'share.partition.max.record.locks': bounded(
    'share.partition.max.record.locks',
    100,
    2000,
    'How many records of a partition may be handed out and not yet acknowledged.'
  ),
  'share.record.lock.duration.ms': bounded(
    'share.record.lock.duration.ms',
    1000,
    30_000,
    'Milliseconds that a consumer has to acknowledge a record before another may get it.'
  ),
  'share.renew.acknowledge.enable': unbounded(
    boolean,
    'true',
    'Whether consumers may ask for more time instead of acknowledging.'
  ),
  'share.session.timeout.ms': bounded('share.session.timeout.ms', 1, 45_000, SESSION),
  'streams.assignment.interval.ms': bounded('streams.assignment.interval.ms', 0, 1000, ASSIGNMENT),
  'streams.heartbeat.interval.ms': bounded('streams.heartbeat.interval.ms', 1, 5000, HEARTBEAT),
  'streams.initial.rebalance.delay.ms': unbounded(
    int(0),
    '3000',
    'Milliseconds that the first rebalance of an empty streams group waits for more members.',
    { brokerName: 'group.streams.initial.rebalance.delay.ms' }
  ),
  'streams.num.standby.replicas': unbounded(int(0), '0', 'Standby copies of each task.', {
    brokerName: 'group.streams.num.standby.replicas',
    max: 'group.streams.max.standby.replicas'
  }),
  'streams.session.timeout.ms': bounded('streams.session.timeout.ms', 1, 45_000, SESSION)
} as const satisfies Record<string, GroupSettingDeclaration>

export type GroupSettingName = keyof typeof GROUP_DECLARATIONS

/** By name, in the order of names. */
export const GROUP_SETTINGS: ReadonlyMap<string, GroupSettingDeclaration> = new Map(Object.entries(GROUP_DECLARATIONS))

/** A session must be longer than the interval of its heartbeats. */
export const SESSION_AND_HEARTBEAT = [
  ['consumer.session.timeout.ms', 'consumer.heartbeat.interval.ms'],
  ['share.session.timeout.ms', 'share.heartbeat.interval.ms'],
  ['streams.session.timeout.ms', 'streams.heartbeat.interval.ms']
] as const
