/**
 * The cluster as this broker's metadata image shows it: which brokers there are, where they are, and which of them leads
 * what. This broker itself is always part of it, also before it has announced itself.
 */
import type { ClusterNode, MetadataImage, Partition } from '../metadata/metadata.ts'

/** A broker as clients see it. */
export interface BrokerPlace {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

export interface ClusterViewParts {
  readonly nodeId: number
  readonly image: () => MetadataImage
  /** Where clients find this broker; known once it listens. */
  readonly self: () => BrokerPlace
}

export class ClusterView {
  readonly nodeId: number
  readonly #parts: ClusterViewParts
  /** What `brokers` was made from, and what it was. */
  #nodes: ReadonlyMap<number, ClusterNode> | undefined
  #brokers: readonly BrokerPlace[] = []

  constructor(parts: ClusterViewParts) {
    this.nodeId = parts.nodeId
    this.#parts = parts
  }

  /** Those that serve, by id. */
  brokers(): readonly BrokerPlace[] {
    const nodes = this.#parts.image().nodes()
    if (nodes !== this.#nodes) {
      this.#nodes = nodes
      this.#brokers = [...nodes.values()].filter(isServing).map(placeOf)
    }
    if (this.#brokers.some(({ nodeId }) => nodeId === this.nodeId)) return this.#brokers
    return [...this.#brokers, this.#parts.self()].sort((a, b) => a.nodeId - b.nodeId)
  }

  /** No other broker has announced itself, now or ever. */
  get isAlone(): boolean {
    for (const id of this.#parts.image().nodes().keys()) if (id !== this.nodeId) return false
    return true
  }

  /** Undefined when there is none of that id that serves. */
  broker(nodeId: number): BrokerPlace | undefined {
    if (nodeId === this.nodeId) return this.#parts.self()
    const node = this.#parts.image().nodes().get(nodeId)
    return node !== undefined && isServing(node) ? placeOf(node) : undefined
  }

  /** Those that are dead or stopped, by id. */
  fenced(): readonly BrokerPlace[] {
    const nodes = [...this.#parts.image().nodes().values()]
    return nodes.filter((node) => !isServing(node) && node.id !== this.nodeId).map(placeOf)
  }

  /** Ids of the brokers that take partitions: this one alone, as long as none has announced itself. */
  receivers(): readonly number[] {
    const running = [...this.#parts.image().nodes().values()].filter(({ state }) => state === 'running')
    return running.length > 0 ? running.map(({ id }) => id) : [this.nodeId]
  }

  partition(topic: string, index: number): Partition | undefined {
    return this.#parts.image().topic(topic)?.partitions[index]
  }

  /** The broker that leads a partition; undefined when there is no such partition, or its leader is away. */
  leader(topic: string, index: number): BrokerPlace | undefined {
    const partition = this.partition(topic, index)
    return partition === undefined ? undefined : this.broker(partition.leader)
  }
}

function isServing({ state }: ClusterNode): boolean {
  return state === 'running' || state === 'draining'
}

function placeOf({ id, host, port, rack }: ClusterNode): BrokerPlace {
  return { nodeId: id, host, port, rack }
}
