/** A differential case: something done with a broker at one version of an API, whose outcome two brokers agree on. */
import type { Peer } from './peer.ts'

interface ApiName {
  readonly name: string
  readonly apiKey: number
}

export interface Case {
  readonly name: string
  readonly request: ApiName
  /** Versions that make sense for it, both inclusive; as many of them are run as both brokers have. */
  readonly versions: readonly [min: number, max: number]
  /** Whether what others do meanwhile could change the outcome. */
  readonly alone?: boolean
  /** Returns what is compared. */
  readonly run: (peer: Peer, version: number) => Promise<unknown>
}

const ALL: readonly [number, number] = [0, 100]

/** Cases of one API: `[name, run]` or `[name, versions, run]`. */
export function casesOf(
  api: { readonly request: ApiName },
  ...cases: readonly (readonly [string, Case['run']] | readonly [string, Case['versions'], Case['run']])[]
): Case[] {
  return cases.map((parts) =>
    parts.length === 2
      ? { name: parts[0], request: api.request, versions: ALL, run: parts[1] }
      : { name: parts[0], request: api.request, versions: parts[1], run: parts[2] }
  )
}

/** As `casesOf`; they run one after another, with nothing beside them. */
export const alone: typeof casesOf = (api, ...cases) => casesOf(api, ...cases).map((one) => ({ ...one, alone: true }))
