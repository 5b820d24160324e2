/**
 * Reads a topic as a member of a consumer group. What is committed was printed: after a crash records are printed
 * again, never skipped.
 */
import type { Consumer } from '@platformatic/kafka'
import type { Clock } from '../runtime/clock.ts'
import type { ConsumedRecord } from './consumed-record.ts'

const commitIntervalMs = 1_000

/** When to stop reading. */
export interface Limits {
  readonly recordsMax: number
  readonly idleMsMax: number
  readonly stop: AbortSignal
}

export interface Membership {
  readonly consumer: Consumer
  readonly topic: string
  /** Where to start in partitions without a committed offset: at the oldest record instead of after the newest. */
  readonly fromBeginning: boolean
  readonly clock: Clock
  readonly limits: Limits
  readonly print: (record: ConsumedRecord) => Promise<void>
}

export async function readAsMember(membership: Membership): Promise<void> {
  const { consumer, topic, fromBeginning, clock, limits, print } = membership
  const stream = await consumer.consume({
    topics: [topic],
    mode: 'committed',
    fallbackMode: fromBeginning ? 'earliest' : 'latest',
    autocommit: false,
    sessionTimeout: 10_000,
    heartbeatInterval: 3_000
  })
  const printed = new Map<number, bigint>()
  const watch = watchIdleness(clock, limits, () => stream.destroy())
  let count = 0
  let committedAt = clock.monotonic()
  try {
    for await (const message of stream) {
      watch.arrived()
      const { partition, offset, timestamp, key, value, headers } = message
      // Absent keys and values are undefined at run time, whatever the library's type says.
      await print({
        topic,
        partition,
        offset,
        timestamp,
        key: key ?? null,
        value: value ?? null,
        headers: [...headers]
      })
      printed.set(partition, offset + 1n)
      if (++count >= limits.recordsMax) break
      if (clock.monotonic() - committedAt < commitIntervalMs) continue
      await commit(consumer, topic, printed)
      committedAt = clock.monotonic()
    }
  } catch (error) {
    if (!watch.ended()) throw error
  } finally {
    watch.close()
  }
  await commit(consumer, topic, printed)
  await consumer.leaveGroup(true)
}

async function commit(consumer: Consumer, topic: string, printed: Map<number, bigint>): Promise<void> {
  if (printed.size === 0) return
  const offsets = [...printed].map(([partition, offset]) => ({ topic, partition, offset, leaderEpoch: -1 }))
  await consumer.commit({ offsets })
  printed.clear()
}

/** Calls `end` once, when the user stops or when nothing arrived for too long. */
function watchIdleness(clock: Clock, { idleMsMax, stop }: Limits, end: () => void) {
  let ended = false
  const finish = () => {
    ended = true
    end()
  }
  const startTimer = () => (Number.isFinite(idleMsMax) ? clock.after(idleMsMax, finish) : () => {})
  let cancel = startTimer()
  stop.addEventListener('abort', finish, { once: true })
  return {
    ended: () => ended,
    arrived() {
      cancel()
      cancel = startTimer()
    },
    close() {
      cancel()
      stop.removeEventListener('abort', finish)
    }
  }
}
