/**
 * Coordinators come and go with the partitions of their topics: what this broker comes to lead is loaded before anybody
 * asks, so that sessions and transactions run out there too; what it leads no more is given up at once. What groups know of a
 * topic goes with the topic, whichever broker deleted it.
 *
 * Not here: what has been loaded is loaded anew by requests, when its log could not be written.
 */
import { isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { Partition } from './partition/partition.ts'
import type { Topics } from './topics.ts'

/** Loading reads a log from its beginning: so many at once, for each coordinator. What is asked for comes before its turn. */
const LOADS_AT_ONCE = 8

export interface FollowingCoordinator {
  /** Settles, without failing, when it is known what became of it. */
  load(partition: number): Promise<void>
  unload(partition: number): void
}

export interface LeadershipParts {
  readonly log: Log
  readonly topics: Pick<Topics, 'onOpened' | 'onClosed' | 'names' | 'revision'>
  /** See `Metadata.subscribe`. */
  readonly subscribe: (listener: () => void) => () => void
  /** By the topic that each of them keeps its state in. */
  readonly coordinators: ReadonlyMap<string, FollowingCoordinator>
  readonly onClosed: (partition: Partition) => void
  /** A topic is gone. Throws `Fault` when that could not be dealt with: nobody asks again. */
  readonly onDeleted: (topic: string) => Promise<void>
}

/** Returns how to stop. */
export function followLeadership(parts: LeadershipParts): () => void {
  const { topics, coordinators } = parts
  const queues = new Map([...coordinators].map(([topic, coordinator]) => [topic, new LoadQueue(coordinator)]))
  const stops = [
    topics.onOpened(({ topicName, index }) => queues.get(topicName)?.opened(index)),
    topics.onClosed((partition) => {
      queues.get(partition.topicName)?.closed(partition.index)
      parts.onClosed(partition)
    }),
    followDeletions(parts)
  ]
  return () => {
    for (const stop of stops) stop()
    for (const queue of queues.values()) queue.clear()
  }
}

class LoadQueue {
  readonly #coordinator: FollowingCoordinator
  readonly #waiting = new Set<number>()
  #running = 0

  constructor(coordinator: FollowingCoordinator) {
    this.#coordinator = coordinator
  }

  opened(partition: number): void {
    this.#waiting.add(partition)
    this.#next()
  }

  closed(partition: number): void {
    this.#waiting.delete(partition)
    this.#coordinator.unload(partition)
  }

  clear(): void {
    this.#waiting.clear()
  }

  #next(): void {
    for (const partition of this.#waiting) {
      if (this.#running >= LOADS_AT_ONCE) return
      this.#waiting.delete(partition)
      this.#running++
      void this.#coordinator.load(partition).then(() => {
        this.#running--
        this.#next()
      })
    }
  }
}

function followDeletions({ log, topics, subscribe, onDeleted }: LeadershipParts): () => void {
  let names = new Set(topics.names())
  let revision = topics.revision
  return subscribe(() => {
    if (topics.revision === revision) return
    revision = topics.revision
    const before = names
    names = new Set(topics.names())
    for (const topic of before) {
      if (names.has(topic)) continue
      onDeleted(topic).catch((error: unknown) => {
        if (!isFault(error)) throw error
        log.warn({ topic, error: error.message }, 'groups still remember what they committed of a deleted topic')
      })
    }
  })
}
