/** Whether a group may have its settings: each for itself, within the broker's bounds, and together. */
import type { ConfigValues } from '../../metadata/metadata.ts'
import { GROUP_SETTINGS, SESSION_AND_HEARTBEAT } from './group-declarations.ts'
import type { LiveSettings } from './live-settings.ts'
import { valueProblem } from './setting.ts'

/** `changes`: what is set anew. `all`: what the group has then. Undefined when it may. */
export function groupProblem(
  changes: ConfigValues,
  all: ConfigValues,
  live: Pick<LiveSettings, 'brokerValue' | 'groupDefault'>
): string | undefined {
  for (const [name, value] of Object.entries(changes)) {
    const declaration = GROUP_SETTINGS.get(name)
    if (declaration === undefined) return `Unknown group config name: ${name}`
    const wrong = valueProblem(name, declaration, value)
    if (wrong !== undefined) return wrong
  }
  for (const [name, value] of Object.entries(all)) {
    const problem = boundProblem(name, Number(value), live)
    if (problem !== undefined) return problem
  }
  for (const [session, heartbeat] of SESSION_AND_HEARTBEAT) {
    const value = (name: typeof session | typeof heartbeat): number => Number(all[name] ?? live.groupDefault(name))
    if (value(session) <= value(heartbeat)) return `${session} must be greater than ${heartbeat}`
  }
  return undefined
}

function boundProblem(name: string, value: number, live: Pick<LiveSettings, 'brokerValue'>): string | undefined {
  const { min, max } = GROUP_SETTINGS.get(name) ?? {}
  const bound = (of: string): number => Number(live.brokerValue(of))
  if (min !== undefined && value < bound(min)) return `${name} must be greater than or equal to ${min} (${bound(min)})`
  if (max !== undefined && value > bound(max)) return `${name} must be less than or equal to ${max} (${bound(max)})`
  return undefined
}

/** Whether a broker setting that is the default of groups lies outside of their bounds; undefined when it does not. */
export function groupDefaultProblem(
  brokerName: string,
  value: string,
  live: Pick<LiveSettings, 'brokerValue'>
): string | undefined {
  for (const [name, declaration] of GROUP_SETTINGS) {
    if (declaration.brokerName === brokerName) return boundProblem(name, Number(value), live)
  }
  return undefined
}
