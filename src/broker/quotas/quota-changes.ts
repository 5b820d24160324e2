/** What client quotas may be, by Kafka's rules: whom they are for, their names and values; and who is asked for. Pure. */
import { isIP } from 'node:net'
import type { ClientQuota, QuotaEntity } from '../../metadata/metadata.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { QuotaName } from './quota-book.ts'

const USER = 'user'
const CLIENT_ID = 'client-id'
const IP = 'ip'
const INT_MAX = 2 ** 31 - 1
const LONG_MAX = 2 ** 63
/** A name is part of a key in the database. */
const NAME_CHARACTERS_MAX = 255

type ValueType = 'long' | 'double' | 'int'

const CLIENT_QUOTAS: ReadonlyMap<string, ValueType> = new Map<QuotaName, ValueType>([
  ['producer_byte_rate', 'long'],
  ['consumer_byte_rate', 'long'],
  ['request_percentage', 'double'],
  ['controller_mutation_rate', 'double']
])
const IP_QUOTAS: ReadonlyMap<string, ValueType> = new Map<QuotaName, ValueType>([['connection_creation_rate', 'int']])

/** Why a quota for this entity cannot be, or undefined when it can. */
export function entityProblem(entity: QuotaEntity): string | undefined {
  const pairs = Object.entries(entity)
  if (pairs.length === 0) return 'A client quota needs an entity: a user, a client-id, both, or an ip.'
  for (const [type, name] of pairs) {
    if (![USER, CLIENT_ID, IP].includes(type)) return `There are quotas for user, client-id and ip, not for ${type}.`
    if (name === '') return `The name of a ${type} cannot be empty.`
    if (name !== null && name.length > NAME_CHARACTERS_MAX) {
      return `The name of a ${type} has at most ${NAME_CHARACTERS_MAX} characters here.`
    }
  }
  if (!(IP in entity)) return undefined
  if (pairs.length > 1) return 'An ip cannot be combined with a user or a client-id.'
  const address = entity[IP]
  if (typeof address === 'string' && isIP(address) === 0) return `${address} is not an IP address.`
  return undefined
}

/** Why the quota cannot have this value for an entity that passed `entityProblem`. */
export function valueProblem(entity: QuotaEntity, quota: string, value: number): string | undefined {
  const type = (IP in entity ? IP_QUOTAS : CLIENT_QUOTAS).get(quota)
  if (type === undefined) return `There is no quota ${quota} for ${Object.keys(entity).join(' and ')}.`
  if (!(value > 0)) return `Quota ${quota} must be greater than 0.`
  if (type === 'double') return undefined
  if (value > (type === 'int' ? INT_MAX : LONG_MAX)) return `Quota ${quota} is too large.`
  return value % 1 > 1e-6 ? `Quota ${quota} must be a whole number.` : undefined
}

/** `DescribeClientQuotasRequest` of Kafka's client: how a component matches the entities of its type. */
const MATCH = { exact: 0, default: 1, specified: 2 } as const

export interface FilterComponent {
  readonly entityType: string
  readonly matchType: number
  readonly match: string | null
}

export interface FilterProblem {
  readonly errorCode: number
  readonly errorMessage: string
}

export function filterProblem(components: readonly FilterComponent[]): FilterProblem | undefined {
  const seen = new Set<string>()
  for (const component of components) {
    const { entityType } = component
    const problem = componentProblem(component, seen)
    if (problem !== undefined) return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: problem }
    if (![USER, CLIENT_ID, IP].includes(entityType)) {
      const errorMessage = `There are quotas for user, client-id and ip, not for ${entityType}.`
      return { errorCode: ErrorCode.UNSUPPORTED_VERSION, errorMessage }
    }
    const matchProblem = matchTypeProblem(component)
    if (matchProblem !== undefined) return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: matchProblem }
    seen.add(entityType)
  }
  if (!seen.has(IP) || seen.size === 1) return undefined
  const errorMessage = 'An ip cannot be looked for together with a user or a client-id.'
  return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage }
}

function componentProblem({ entityType }: FilterComponent, seen: ReadonlySet<string>): string | undefined {
  if (entityType === '') return 'An entity type cannot be empty.'
  return seen.has(entityType) ? `Entity type ${entityType} stands in the filter more than once.` : undefined
}

function matchTypeProblem({ matchType, match }: FilterComponent): string | undefined {
  switch (matchType) {
    case MATCH.exact:
      return match === null ? 'An exact match needs a name.' : undefined
    case MATCH.default:
    case MATCH.specified:
      return match === null ? undefined : 'Only an exact match has a name.'
    default:
      return `Match type ${matchType} is not known.`
  }
}

/** Whether the filter asks for this quota; a strict one asks for entities with no further types. */
export function matchesFilter(
  { entity }: ClientQuota,
  components: readonly FilterComponent[],
  strict: boolean
): boolean {
  if (strict && Object.keys(entity).length !== components.length) return false
  return components.every(({ entityType, matchType, match }) => {
    if (!(entityType in entity)) return false
    return matchType === MATCH.specified || entity[entityType] === match
  })
}
