/**
 * The configuration of a node: what flags, environment, a YAML file and the defaults say, in that order of
 * precedence, checked against the declaration in `configuration-settings.ts`.
 *
 * A configuration that is returned is complete and valid. Everything that is wrong is reported at once, each with the
 * setting, where its value came from, and what is allowed. It reads nothing itself: flags, environment and file
 * contents are handed in.
 */
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parse } from 'yaml'
import {
  allowedValues,
  type Configuration,
  flagOf,
  type LocationSetting,
  parseBytes,
  type Setting,
  type SettingName,
  settingNames,
  settings,
  variableOf
} from './configuration-settings.ts'
import { Fault, isFault } from './fault.ts'

export type { Configuration }

export interface ConfigurationSources {
  /** Flags that were given, by setting name (`kafkaPort`), and `config`, the path of the YAML file. */
  readonly flags: Readonly<Record<string, unknown>>
  readonly env: Readonly<Record<string, string | undefined>>
  /** Returns the text of a file; throws when it cannot. */
  readonly readFile: (path: string) => string
  /** What relative paths start from. */
  readonly workingDirectory: string
}

/** A value together with where it was found. */
interface Given {
  readonly value: unknown
  readonly origin: string
}

/** Variables that are ours and not settings: the configuration file, and what the command line's clients connect to. */
const otherVariables = new Set(['LONGHAUL_CONFIG', 'LONGHAUL_BOOTSTRAP'])
/** Kubernetes sets such variables for every service; one named `longhaul…` must not keep a node from starting. */
const serviceVariable = /_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_(TCP|UDP)(_|$)|^LONGHAUL_PORT$/

/** Throws Fault `invalid` that lists everything that is wrong. */
export function loadConfiguration(sources: ConfigurationSources): Configuration {
  const problems: string[] = []
  const layers = [fromFlags(sources.flags), fromEnvironment(sources.env, problems), fromFile(sources, problems)]
  const values: Partial<Record<SettingName, unknown>> = {}
  for (const name of settingNames) {
    const given = layers.map((layer) => layer.get(name)).find((candidate) => candidate !== undefined)
    const setting: Setting = settings[name]
    const value = given === undefined ? defaultOf(setting) : parseValue(setting, given.value)
    if (value === undefined && given !== undefined) {
      problems.push(`${name} is ${show(given.value)} (${given.origin}); it must be ${allowedValues(setting)}`)
    }
    values[name] = value
  }
  if (problems.length === 0) complete(values, sources.workingDirectory, problems)
  if (problems.length > 0) throw new Fault('invalid', ['the configuration is not valid:', ...problems].join('\n  '))
  // Every name of the declaration was filled in above with a value of its kind.
  return values as Configuration
}

/** The path in a `file:` or `sqlite:` location; Fault `invalid` when there is none. */
export function pathOfLocation(location: string): string {
  try {
    const url = new URL(location)
    if (url.host !== '') throw new Fault('invalid', `${location} names a host`)
    return fileURLToPath(`file://${url.pathname}`)
  } catch (cause) {
    throw new Fault('invalid', `${location} is not a URL with an absolute path, such as file:///var/lib/longhaul`, {
      cause
    })
  }
}

function fromFlags(flags: Readonly<Record<string, unknown>>): Map<string, Given> {
  // Unknown flags never get here: the command line's parser refuses them.
  return new Map(Object.entries(flags).map(([name, value]) => [name, { value, origin: `flag ${flagOf(name)}` }]))
}

function fromEnvironment(env: ConfigurationSources['env'], problems: string[]): Map<string, Given> {
  const nameOf = new Map<string, SettingName>(settingNames.map((name) => [variableOf(name), name]))
  const layer = new Map<string, Given>()
  for (const [variable, value] of Object.entries(env)) {
    if (value === undefined || !variable.startsWith('LONGHAUL_') || otherVariables.has(variable)) continue
    const name = nameOf.get(variable)
    if (name !== undefined) layer.set(name, { value, origin: `environment variable ${variable}` })
    else if (!serviceVariable.test(variable))
      problems.push(unknown(`environment variable ${variable}`, variable, [...nameOf.keys()]))
  }
  return layer
}

function fromFile(sources: ConfigurationSources, problems: string[]): Map<string, Given> {
  const path = sources.flags.config ?? sources.env.LONGHAUL_CONFIG
  if (typeof path !== 'string') return new Map()
  const layer = new Map<string, Given>()
  for (const [key, value] of Object.entries(readYaml(path, sources))) {
    if (Object.hasOwn(settings, key)) layer.set(key, { value, origin: `key in ${path}` })
    else problems.push(unknown(`key ${key} in ${path}`, key, settingNames))
  }
  return layer
}

function readYaml(path: string, { readFile, workingDirectory }: ConfigurationSources): Record<string, unknown> {
  try {
    const document: unknown = parse(readFile(resolve(workingDirectory, path))) ?? {}
    if (typeof document === 'object' && !Array.isArray(document)) return document as Record<string, unknown>
    throw new Fault('invalid', 'it must hold one setting per line, such as "kafkaPort: 9092"')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('invalid', `the configuration file ${path} cannot be used: ${reason}`, { cause })
  }
}

function defaultOf(setting: Setting): unknown {
  return setting.kind === 'location' ? undefined : setting.default
}

/** The value in its type, or undefined when it is not allowed. Flags and variables are text, YAML has types. */
function parseValue(setting: Setting, raw: unknown): unknown {
  switch (setting.kind) {
    case 'text':
      return typeof raw === 'string' && raw !== '' ? raw : undefined
    case 'integer':
      return within(setting, typeof raw === 'string' && /^\d+$/.test(raw) ? Number(raw) : raw)
    case 'bytes':
      return within(setting, typeof raw === 'string' ? parseBytes(raw) : raw)
    case 'switch':
      return [true, false].find((value) => raw === value || raw === String(value))
    case 'choice':
      return setting.choices.find((choice) => choice === raw)
    case 'location':
      return typeof raw === 'string' && isLocation(raw, setting) ? raw : undefined
    case 'profiles':
      return parseProfiles(raw)
  }
}

function within({ min, max }: { min: number; max: number }, value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? value : undefined
}

function parseProfiles(raw: unknown): Readonly<Record<string, string>> | undefined {
  const pairs =
    typeof raw === 'string'
      ? raw.split(',').map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const)
      : Object.entries(Object(raw) as Record<string, unknown>)
  const valid = pairs.every(
    ([name, url]) =>
      /^[a-z0-9][a-z0-9-]*$/.test(name) && typeof url === 'string' && isLocation(url, settings.objectStore)
  )
  return valid ? (Object.fromEntries(pairs) as Record<string, string>) : undefined
}

function isLocation(text: string, { scheme, others }: Pick<LocationSetting, 'scheme' | 'others'>): boolean {
  const other = Object.keys(others).find((start) => text.startsWith(start))
  if (other !== undefined) return URL.canParse(text) && (text === other) === !other.endsWith('/')
  if (!text.startsWith(`${scheme}:///`)) return false
  try {
    return pathOfLocation(text) !== '/'
  } catch (error) {
    if (isFault(error, 'invalid')) return false
    throw error
  }
}

/** Fills in what depends on other settings, and checks what only several settings together can tell. */
function complete(values: Partial<Record<SettingName, unknown>>, workingDirectory: string, problems: string[]): void {
  const dataDir = resolve(workingDirectory, String(values.dataDir))
  values.dataDir = dataDir
  for (const name of settingNames) {
    const setting: Setting = settings[name]
    if (setting.kind !== 'location') continue
    values[name] ??= pathToFileURL(resolve(dataDir, setting.defaultBelowDataDir)).href.replace(/^file/, setting.scheme)
  }
  if (!isLoopback(String(values.host)) && values.allowUnauthenticatedClients !== true) {
    problems.push(
      `host is ${show(values.host)}, which other machines can reach, and the Kafka port has no authentication yet: ` +
        `add ${flagOf('allowUnauthenticatedClients')} if the network around it is trusted, or listen on 127.0.0.1`
    )
  }
  if (Object.hasOwn(Object(values.objectStoreProfiles), 'default')) {
    problems.push(
      'objectStoreProfiles has the name default, which is that of objectStore: give the profile another name'
    )
  }
  if (Number(values.messageBytesMax) >= Number(values.frameBytesMax)) {
    problems.push('messageBytesMax must be smaller than frameBytesMax: a request holds at least one batch')
  }
}

/** RFC 5735 gives all of 127/8 to the loopback; RFC 4291 gives ::1; RFC 6761 says that localhost is one of them. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

function unknown(what: string, given: string, known: readonly string[]): string {
  const near = known.find((candidate) => simplified(candidate) === simplified(given))
  const advice = near === undefined ? 'docs/configuration.md lists all settings' : `did you mean ${near}?`
  return `${what} is not a setting; ${advice}`
}

/** Folds away what people mix up: case, separators and plurals. */
function simplified(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]|s$/g, '')
}

/** Without the user and password that a URL may have. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.replace(/(:\/\/)[^/?"]*@/g, '$1…@')
}
