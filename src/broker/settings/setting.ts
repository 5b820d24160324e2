/**
 * What one setting of Kafka's is: its type, bounds, default and what it means here. The tables of topics, brokers, groups
 * and client metrics subscriptions are made of these; checks, DescribeConfigs and docs/settings.md derive from them.
 *
 * Values are text, as Kafka's protocol carries them. What passes `check` can be given to `normalize`, which writes it the
 * way Kafka shows it.
 */

export type SettingType = 'boolean' | 'string' | 'int' | 'short' | 'long' | 'double' | 'list'

/** A type with its bounds. */
export interface SettingKind {
  readonly type: SettingType
  /** What is allowed, in words that follow "must be". */
  readonly allowed: string
  /** Whether `value` is allowed. */
  readonly check: (value: string) => boolean
  readonly normalize: (value: string) => string
}

export interface SettingDeclaration extends SettingKind {
  /** Undefined: not set unless somebody sets it. */
  readonly default: string | undefined
  readonly documentation: string
}

const INT_MIN = -(2n ** 31n)
const INT_MAX = 2n ** 31n - 1n
const LONG_MIN = -(2n ** 63n)
/** Kafka's bound of a long, and its way to say never. */
export const LONG_MAX = 2n ** 63n - 1n

export function int(min: bigint | number = INT_MIN, max: bigint | number = INT_MAX): SettingKind {
  return wholeNumber('int', BigInt(min), BigInt(max))
}

export function short(min: bigint | number): SettingKind {
  return wholeNumber('short', BigInt(min), 2n ** 15n - 1n)
}

export function long(min: bigint | number = LONG_MIN, max: bigint | number = LONG_MAX): SettingKind {
  return wholeNumber('long', BigInt(min), BigInt(max))
}

/** As `kind`, but not `value`. */
export function except(kind: SettingKind, value: string): SettingKind {
  const check = (given: string): boolean => kind.check(given) && kind.normalize(given) !== value
  return { ...kind, check, allowed: `${kind.allowed}, not ${value}` }
}

/** As `kind`, or `value`. */
export function or(kind: SettingKind, value: string): SettingKind {
  const check = (given: string): boolean => kind.check(given) || given.trim() === value
  return { ...kind, check, allowed: `${kind.allowed}, or ${value}` }
}

export function double(min: number, max: number): SettingKind {
  const check = (value: string): boolean => {
    const number = /^\s*[-+\d.]/.test(value) && !/^\s*[-+]?0x/i.test(value) ? Number(value) : Number.NaN
    return number >= min && number <= max
  }
  const normalize = (value: string): string => {
    const number = Number(value)
    return Number.isInteger(number) ? `${number}.0` : String(number)
  }
  return { type: 'double', allowed: `a number from ${min} to ${max}`, check, normalize }
}

export const boolean: SettingKind = {
  type: 'boolean',
  allowed: 'true or false',
  check: (value) => /^\s*(true|false)\s*$/i.test(value),
  normalize: (value) => value.trim().toLowerCase()
}

export function choice(...choices: readonly string[]): SettingKind {
  const check = (value: string): boolean => choices.includes(value.trim())
  return { type: 'string', allowed: `one of ${choices.join(', ')}`, check, normalize: trim }
}

export function text(allowed: string, check: (value: string) => boolean): SettingKind {
  return { type: 'string', allowed, check: (value) => check(value.trim()), normalize: trim }
}

/** Items with a comma between them, none empty; one that comes twice counts once. The list itself may be empty. */
export function list(allowed: string, check: (item: string) => boolean): SettingKind {
  const checkAll = (value: string): boolean => {
    return listItems(value).every((item) => item !== '' && check(item))
  }
  return { type: 'list', allowed, check: checkAll, normalize: (value) => [...new Set(listItems(value))].join(',') }
}

/** The items of a list as Kafka takes it apart: an empty text has none, `a,,b` has three. */
export function listItems(value: string): string[] {
  const trimmed = value.trim()
  return trimmed === '' ? [] : trimmed.split(/\s*,\s*/)
}

/** Why `value` cannot be the setting's, or `undefined` when it can. */
export function valueProblem(name: string, kind: SettingKind, value: string): string | undefined {
  return kind.check(value) ? undefined : `Invalid value ${value} for configuration ${name}: must be ${kind.allowed}.`
}

function wholeNumber(type: 'short' | 'int' | 'long', min: bigint, max: bigint): SettingKind {
  const check = (value: string): boolean => {
    const trimmed = value.trim()
    return /^[-+]?\d{1,20}$/.test(trimmed) && toBigInt(trimmed) >= min && toBigInt(trimmed) <= max
  }
  const allowed = `a whole number from ${min} to ${max}`
  return { type, allowed, check, normalize: (value) => String(toBigInt(value.trim())) }
}

function toBigInt(text: string): bigint {
  return BigInt(text.startsWith('+') ? text.slice(1) : text)
}

function trim(value: string): string {
  return value.trim()
}
