/** What the whole node must hold, kept outside of it: topics, the truth of each of their streams, and what was broken. */

import type { Topic } from '../../../src/metadata/metadata.ts'
import type { History } from './history.ts'
import { StreamTruth, type TopicTruth } from './stream-truth.ts'

export class Truth {
  readonly topics = new Map<string, TopicTruth>()
  readonly streams = new Map<number, StreamTruth>()
  readonly violations: string[] = []
  readonly counts = {
    appended: 0,
    acknowledged: 0,
    acknowledgedBytes: 0,
    reads: 0,
    lookUps: 0,
    rewrites: 0,
    crashes: 0,
    lives: 0,
    takeovers: 0
  }
  readonly #history: History

  constructor(history: History) {
    this.#history = history
  }

  /** Each complaint is a promise that the engine broke. */
  complain(complaints: readonly string[]): void {
    for (const complaint of complaints) {
      this.#history.note(`VIOLATION ${complaint}`)
      this.violations.push(complaint)
    }
  }

  /** A new process has found these topics. */
  foundTopics(found: readonly Topic[]): string[] {
    const complaints: string[] = []
    const names = new Set(found.map(({ name }) => name))
    for (const topic of this.topics.values()) {
      // A dead process may still have asked for one that nobody was told of: it may come yet.
      if (names.has(topic.name) || topic.id === undefined) continue
      if (topic.deletion === 'none') complaints.push(`topic ${topic.name} is gone`)
      this.deleted(topic)
    }
    for (const { name, id, partitions } of found) {
      const topic = this.topics.get(name)
      if (topic === undefined || topic.deletion === 'done') complaints.push(`topic ${name} is back`)
      else
        this.created(
          topic,
          id,
          partitions.map(({ streamId }) => streamId)
        )
    }
    return complaints
  }

  /** A topic may vanish at any moment, because somebody asked for it. */
  get isDeleting(): boolean {
    return [...this.topics.values()].some(({ deletion }) => deletion === 'asked')
  }

  created(topic: TopicTruth, id: string, streamIds: readonly number[]): void {
    topic.id = id
    for (const streamId of streamIds) {
      if (!this.streams.has(streamId)) this.streams.set(streamId, new StreamTruth(streamId, topic))
    }
  }

  deleted(topic: TopicTruth): void {
    topic.deletion = 'done'
    for (const [id, stream] of this.streams) if (stream.topic === topic) this.streams.delete(id)
  }

  stream(streamId: number): StreamTruth {
    const stream = this.streams.get(streamId)
    if (stream === undefined) throw new Error(`stream ${streamId} belongs to no topic`)
    return stream
  }
}
