/** The coordinators that a broker runs for the internal partitions it leads, put together the same way everywhere. */
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import { type CoordinatorSettings, defaultCoordinatorSettings, GroupCoordinator } from './groups/group-coordinator.ts'
import { InternalTopicLogs } from './internal-topic-logs.ts'
import { OFFSETS_TOPIC } from './topic-names.ts'
import type { Topics } from './topics.ts'

export interface Coordinators {
  readonly groups: GroupCoordinator
}

export interface CoordinatorsOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly topics: Topics
  /** Of `__consumer_offsets`, when the first group comes (Kafka's `offsets.topic.num.partitions`). */
  readonly offsetsPartitions: number
  readonly groupSettings?: Partial<CoordinatorSettings>
}

export function createCoordinators(options: CoordinatorsOptions): Coordinators {
  const { clock, random, log, topics } = options
  const groups = new GroupCoordinator({
    clock,
    random,
    log,
    logs: new InternalTopicLogs({ topic: OFFSETS_TOPIC, partitions: options.offsetsPartitions, topics, clock }),
    topics: {
      topicExists: (topic, partition) => topics.partition(topic, partition) !== undefined,
      topicName: (id) => topics.byId(id)?.name,
      topicId: (topic) => topics.get(topic)?.id
    },
    settings: { ...defaultCoordinatorSettings, ...options.groupSettings }
  })
  return { groups }
}

/** Nobody is answered by them any more; what they were storing may still become durable. */
export function closeCoordinators({ groups }: Coordinators): void {
  groups.close()
}
