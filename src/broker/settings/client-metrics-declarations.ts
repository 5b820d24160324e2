/** The settings of a subscription to metrics of clients (KIP-714, `ClientMetricsConfigs`), and what they say together. */
import { isFault } from '../../runtime/fault.ts'
import type { ClientMetricsSubscription, ClientPattern, ClientProperty } from '../client-metrics-settings.ts'
import { TopicPattern } from '../groups/consumer/topic-pattern.ts'
import { int, list, listItems, type SettingDeclaration } from './setting.ts'

const DECLARATIONS = {
  'interval.ms': {
    ...int(),
    default: '300000',
    documentation: 'Milliseconds between the pushes of a client; from 100 to an hour.'
  },
  match: {
    ...list('properties of clients with patterns, such as client_id=app-.*', () => true),
    default: '',
    documentation: 'Which clients are asked: patterns for properties, all of which must match. None: all clients.'
  },
  metrics: {
    ...list('prefixes of metric names', () => true),
    default: '',
    documentation: 'Which metrics are asked for, by the beginning of their names; * means all, nothing means none.'
  }
} as const satisfies Record<string, SettingDeclaration>

export const CLIENT_METRICS_SETTINGS: ReadonlyMap<string, SettingDeclaration & { readonly default: string }> = new Map(
  Object.entries(DECLARATIONS)
)

const [INTERVAL_MS_MIN, INTERVAL_MS_MAX] = [100, 3_600_000]
const PROPERTIES: ReadonlySet<string> = new Set<ClientProperty>([
  'client_instance_id',
  'client_id',
  'client_software_name',
  'client_software_version',
  'client_source_address',
  'client_source_port'
])

export function intervalProblem(value: string): string | undefined {
  const interval = Number(value)
  if (interval >= INTERVAL_MS_MIN && interval <= INTERVAL_MS_MAX) return undefined
  return `Invalid value ${value} for interval.ms: must be from ${INTERVAL_MS_MIN} to ${INTERVAL_MS_MAX} (an hour).`
}

export function matchProblem(value: string): string | undefined {
  const wrong = listItems(value).find((item) => parsePattern(item) === undefined)
  if (wrong === undefined) return undefined
  return `Illegal client matching pattern: ${wrong}. It must be one of ${[...PROPERTIES].join(', ')}, = and a regular expression.`
}

export function clientMetricsSubscription(configs: Readonly<Record<string, string>>): ClientMetricsSubscription {
  const value = (name: keyof typeof DECLARATIONS): string => configs[name] ?? DECLARATIONS[name].default
  const match = new Map<ClientProperty, ClientPattern>()
  for (const item of listItems(value('match'))) {
    const parsed = parsePattern(item)
    if (parsed !== undefined) match.set(...parsed)
  }
  return { metrics: listItems(value('metrics')), intervalMs: Number(value('interval.ms')), match }
}

/**
 * Patterns have the syntax of those for topics and are never run by JavaScript's own, which backtracks: one client with a
 * bad name would hold up the node for minutes. What Kafka's users write (prefixes, versions, alternatives) means the same.
 */
function parsePattern(item: string): [ClientProperty, ClientPattern] | undefined {
  // As Java's split does: what is empty at the end does not count.
  const [name, pattern, ...rest] = item.replace(/=+$/, '').split('=')
  if (name === undefined || pattern === undefined || rest.length > 0 || !isProperty(name.trim())) return undefined
  try {
    return [name.trim() as ClientProperty, new TopicPattern(pattern.trim())]
  } catch (error) {
    if (isFault(error, 'invalid')) return undefined
    throw error
  }
}

function isProperty(name: string): name is ClientProperty {
  return PROPERTIES.has(name)
}
