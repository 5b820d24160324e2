/**
 * AlterClientQuotas v0 and v1 (KIP-546): sets and removes quotas. An entity whose change is refused leaves the others
 * alone; those that are accepted change together.
 * Stricter than Kafka: an ip is an address, names of hosts are not resolved; a name has at most 255 characters.
 */
import { quotaEntityKey } from '../../metadata/client-quotas.ts'
import type { ClientQuotaChange, QuotaEntity } from '../../metadata/metadata.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { AlterClientQuotasRequest, AlterClientQuotasResponse } from '../../wire/messages/alter-client-quotas.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { codeOf } from '../fault-codes.ts'
import type { Handler } from '../handler.ts'
import { entityProblem, valueProblem } from '../quotas/quota-changes.ts'

type Answer = InferInput<typeof AlterClientQuotasResponse>
type Entry = AlterClientQuotasRequest['entries'][number]

interface Planned {
  readonly entry: Entry
  readonly change: ClientQuotaChange
  problem: string | undefined
}

export function alterClientQuotasHandler({ metadata }: BrokerParts): Handler<AlterClientQuotasRequest, Answer> {
  return async ({ entries, validateOnly }) => {
    const planned = plan(entries)
    const changes = planned.filter(({ problem }) => problem === undefined).map(({ change }) => change)
    let failure: { readonly errorCode: number; readonly errorMessage: string | null } | undefined
    try {
      if (!validateOnly && changes.length > 0) await metadata.alterClientQuotas(changes)
    } catch (error) {
      failure = { errorCode: codeOf(error), errorMessage: String(error) }
    }
    const answers = planned.map(({ entry: { entity }, problem }) => {
      if (problem !== undefined) return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: problem, entity }
      return { errorCode: ErrorCode.NONE, errorMessage: null, ...failure, entity }
    })
    return { throttleTimeMs: 0, entries: answers }
  }
}

/** One for each entity, however often it is named. */
function plan(entries: readonly Entry[]): Planned[] {
  const planned = new Map<string, Planned>()
  for (const entry of entries) {
    const entity: QuotaEntity = Object.fromEntries(entry.entity.map((part) => [part.entityType, part.entityName]))
    const key = quotaEntityKey(entity)
    const known = planned.get(key)
    if (known !== undefined) known.problem = 'An entity stands in the request more than once.'
    else planned.set(key, { entry, ...changeOf(entity, entry) })
  }
  return [...planned.values()]
}

function changeOf(entity: QuotaEntity, { entity: parts, ops }: Entry): Omit<Planned, 'entry'> {
  const values: Record<string, number | undefined> = {}
  const refused = (problem: string) => ({ change: { entity, values: {} }, problem })
  if (Object.keys(entity).length < parts.length) return refused('An entity type stands in the entity more than once.')
  const problem = entityProblem(entity)
  if (problem !== undefined) return refused(problem)
  for (const { key, value, remove } of ops) {
    if (Object.hasOwn(values, key)) return refused(`Quota ${key} stands in the request more than once.`)
    const wrong = remove ? undefined : valueProblem(entity, key, value)
    if (wrong !== undefined) return refused(wrong)
    values[key] = remove ? undefined : value
  }
  return { change: { entity, values }, problem: undefined }
}
