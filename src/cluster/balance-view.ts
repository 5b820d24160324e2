/**
 * The cluster as `balance-plan.ts` wants it: from the metadata image, what nodes reported, and what is remembered of
 * earlier looks. A partition that has just moved is still known by what its former leader measured.
 */
import type { ConfigValues, MetadataImage, ReportedLoad } from '../metadata/metadata.ts'
import type { BalanceLoad, BalanceNode, BalancePartition } from './balance-input.ts'
import { slowNodes } from './slow-nodes.ts'

/** Setting of a topic: ids of the brokers that are to lead its partitions, with a comma between them. */
const PIN_SETTING = 'longhaul.balance.pin'
/** Setting of a broker, or of all: `true` keeps balancing from giving it partitions. */
const EXCLUDE_SETTING = 'longhaul.balance.exclude'

/** How long a partition stays where it has come to. */
const SETTLE_MS = 60_000
/** What nodes measured longer ago says nothing any more. */
const REMEMBERED_MS_MAX = 600_000

export interface BalanceView {
  readonly nodes: readonly BalanceNode[]
  readonly partitions: readonly BalancePartition[]
  /** Why slow nodes are slow, by id. */
  readonly slow: ReadonlyMap<number, string>
}

interface Known {
  leader: number
  /** When it was found at another leader than before. */
  movedMs: number
  load: BalanceLoad | undefined
  loadMs: number
}

export class BalanceMemory {
  #known: ReadonlyMap<number, Known> = new Map()
  #slow: ReadonlyMap<number, string> = new Map()

  /** Takes in what nodes reported. Times are monotonic milliseconds of the caller. */
  learn(image: MetadataImage, reports: readonly ReportedLoad[], nowMs: number): void {
    const present = reports.filter(({ nodeId, nodeEpoch }) => {
      const node = image.nodes().get(nodeId)
      return node?.epoch === nodeEpoch && (node.state === 'running' || node.state === 'draining')
    })
    this.#slow = slowNodes(present)
    this.#look(image, nowMs)
    for (const { nodeId, ageMs, partitions } of present) {
      for (const load of partitions) {
        const known = this.#known.get(load.streamId)
        if (known === undefined) continue
        // What a former leader measured counts until the present one tells.
        if (known.leader !== nodeId && known.load !== undefined) continue
        known.load = load
        known.loadMs = nowMs - ageMs
      }
    }
  }

  view(image: MetadataImage, nowMs: number): BalanceView {
    this.#look(image, nowMs)
    const partitions: BalancePartition[] = []
    for (const { name, configs, partitions: rows } of image.topics()) {
      const pins = pinsOf(configs)
      for (const { topicId, index, streamId, leader, target } of rows) {
        const known = this.#known.get(streamId)
        const isRecent = known !== undefined && nowMs - known.loadMs <= REMEMBERED_MS_MAX
        partitions.push({
          topicId,
          topic: name,
          index,
          leader,
          target,
          load: isRecent ? known.load : undefined,
          pins,
          settling: known !== undefined && nowMs - known.movedMs < SETTLE_MS
        })
      }
    }
    return { nodes: nodesOf(image, this.#slow), partitions, slow: this.#slow }
  }

  /** Notes who leads what now, and forgets what is gone. */
  #look(image: MetadataImage, nowMs: number): void {
    const found = new Map<number, Known>()
    for (const { partitions } of image.topics()) {
      for (const { streamId, leader } of partitions) {
        const known = this.#known.get(streamId)
        const fresh = { leader, movedMs: Number.NEGATIVE_INFINITY, load: undefined, loadMs: Number.NEGATIVE_INFINITY }
        const next = known ?? fresh
        if (next.leader !== leader) next.movedMs = nowMs
        next.leader = leader
        found.set(streamId, next)
      }
    }
    this.#known = found
  }
}

/** Ids that the topic's setting names; it was checked when it was set. */
export function pinsOf(configs: ConfigValues): readonly number[] {
  const value = configs[PIN_SETTING]?.trim() ?? ''
  return value === '' ? [] : value.split(',').map(Number)
}

function nodesOf(image: MetadataImage, slow: ReadonlyMap<number, string>): BalanceNode[] {
  const configs = image.configs('broker')
  const excluded = (id: number): string | undefined =>
    configs.get(String(id))?.[EXCLUDE_SETTING] ?? configs.get('')?.[EXCLUDE_SETTING]
  return [...image.nodes().values()].map(({ id, rack, state }) => ({
    id,
    rack,
    state,
    slow: slow.has(id),
    excluded: excluded(id)?.trim().toLowerCase() === 'true'
  }))
}
