/**
 * Which quota holds for whom: the quotas as they are set, and the rule that the most specific entity wins. Immutable;
 * a change of the quotas makes a new book.
 */
import { quotaEntityKey } from '../../metadata/client-quotas.ts'
import type { ClientQuota, QuotaEntity } from '../../metadata/metadata.ts'

export type QuotaName =
  | 'producer_byte_rate'
  | 'consumer_byte_rate'
  | 'request_percentage'
  | 'controller_mutation_rate'
  | 'connection_creation_rate'

/** Who asks. An empty client id is none. */
export interface QuotaClient {
  readonly user: string
  readonly clientId: string
}

export interface QuotaLimit {
  readonly perSecond: number
  /** All who share one allowance have the same. */
  readonly share: string
}

/** Answers that are remembered per quota; more are worked out again. */
const ANSWERS_MAX = 10_000

export class QuotaBook {
  readonly #quotas: ReadonlyMap<string, ClientQuota>
  readonly #names: ReadonlySet<string>
  readonly #answers = new Map<string, QuotaLimit | undefined>()

  /** `quotas`: by entity key, as the image has them. */
  constructor(quotas: ReadonlyMap<string, ClientQuota>) {
    this.#quotas = quotas
    this.#names = new Set([...quotas.values()].flatMap(({ values }) => Object.keys(values)))
  }

  get isEmpty(): boolean {
    return this.#names.size === 0
  }

  has(quota: QuotaName): boolean {
    return this.#names.has(quota)
  }

  limitOf(quota: QuotaName, client: QuotaClient): QuotaLimit | undefined {
    if (!this.has(quota)) return undefined
    return this.#remembered(JSON.stringify([quota, client.user, client.clientId]), () => this.#find(quota, client))
  }

  /** Of `connection_creation_rate`; `address` without brackets or zone. */
  limitOfAddress(address: string): QuotaLimit | undefined {
    const quota = 'connection_creation_rate'
    const perSecond = this.#value(quota, { ip: address }) ?? this.#value(quota, { ip: null })
    return perSecond === undefined ? undefined : { perSecond, share: quotaEntityKey({ ip: address }) }
  }

  #find(quota: QuotaName, { user, clientId }: QuotaClient): QuotaLimit | undefined {
    for (const [named, shared] of levels(user, clientId)) {
      const perSecond = this.#value(quota, named)
      if (perSecond !== undefined) return { perSecond, share: `${quota}${quotaEntityKey(shared)}` }
    }
    return undefined
  }

  #value(quota: QuotaName, entity: QuotaEntity): number | undefined {
    return this.#quotas.get(quotaEntityKey(entity))?.values[quota]
  }

  #remembered(question: string, find: () => QuotaLimit | undefined): QuotaLimit | undefined {
    if (this.#answers.has(question)) return this.#answers.get(question)
    if (this.#answers.size >= ANSWERS_MAX) this.#answers.clear()
    const answer = find()
    this.#answers.set(question, answer)
    return answer
  }
}

/**
 * From the most specific on: the entity that a quota may be set for, and who then shares it. A default is a quota for
 * each single user or client id that has none of its own, not one for all of them together.
 */
function levels(user: string, clientId: string): (readonly [QuotaEntity, QuotaEntity])[] {
  const both = { user, 'client-id': clientId }
  const client = { 'client-id': clientId }
  const all: (readonly [QuotaEntity, QuotaEntity])[] = [
    [both, both],
    [{ user, 'client-id': null }, both],
    [{ user }, { user }],
    [{ user: null, 'client-id': clientId }, both],
    [{ user: null, 'client-id': null }, both],
    [{ user: null }, { user }],
    [client, client],
    [{ 'client-id': null }, client]
  ]
  return clientId === '' ? all.filter(([entity]) => !('client-id' in entity)) : all
}
