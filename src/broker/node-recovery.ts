/**
 * The recovery of a dead node: its log is read back in its name, what only the log holds goes into objects, and the
 * partitions go to nodes that live. No retained byte is copied.
 *
 * Invariant: it acts under the epoch that the fence gave the dead node, so that neither the node itself nor another
 * recovery can do the same at the same time. Repeating it, also after a part of it has happened, does the rest.
 */
import type { Recovered, RecoveryTask } from '../cluster/recovery.ts'
import { spreadOver } from '../cluster/spread.ts'
import type { Metadata, NodePlace, Partition as PartitionRow } from '../metadata/metadata.ts'
import type { ObjectStores } from '../object-store/object-stores.ts'
import type { Clock } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import { StreamEngine, type StreamEngineSettings } from '../stream/stream-engine.ts'
import type { Wal } from '../stream/wal/wal.ts'
import { LedPartitions, type LedPartitionsParts } from './led-partitions.ts'

/** Handed over in one transaction, when nothing has to be stored before. */
const ROWS_AT_ONCE = 500

/** The log of a dead node, to be opened in its name. */
export interface DeadLog {
  readonly nodeId: number
  /** From the fence. */
  readonly nodeEpoch: number
  readonly place: NodePlace
  /** See `Metadata.walMark`. */
  readonly mark: string | undefined
}

export interface NodeRecoveryParts extends Pick<LedPartitionsParts, 'settings' | 'producerExpirationMs'> {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metadata: Metadata
  readonly stores: ObjectStores
  /** Fault `missing` or `unavailable` when the log cannot be reached from here. */
  readonly openLog: (log: DeadLog) => Promise<Wal>
  readonly engineSettings: StreamEngineSettings
}

/** Faults beside those of its parts: `unavailable` when no node lives that could take the partitions. */
export async function recoverNode(task: RecoveryTask, parts: NodeRecoveryParts): Promise<Recovered> {
  const { metadata, clock, log } = parts
  const { id: nodeId, epoch: nodeEpoch } = task.node
  await metadata.poll()
  const place = metadata.image.nodes().get(nodeId)
  if (place === undefined || ledBy(metadata, nodeId).length === 0) return { partitions: 0, records: 0, bytes: 0 }
  const wal = await parts.openLog({ nodeId, nodeEpoch, place, mark: await metadata.walMark(nodeId) })
  let failure: Error | undefined
  const failed = (fault: Error) => {
    failure ??= fault
  }
  const engine = new StreamEngine({ ...parts, nodeId, nodeEpoch, wal, failed, settings: parts.engineSettings })
  try {
    task.reached('opened')
    const recovered = await engine.recover()
    task.reached('replayed')
    const unsaved = new Set(recovered.streamIds)
    const rows = ledBy(metadata, nodeId)
    const receivers = spreadOver(rows, survivors(metadata, nodeId))
    const to = new Map([...receivers].map(([row, id]) => [row.streamId, id]))
    const only = (streamId: number) => unsaved.has(streamId)
    const led = new LedPartitions({ ...parts, nodeId, nodeEpoch, engine, clock, log, only, mayServe: () => true })
    await led.open()
    await engine.flush()
    task.reached('committed')
    if (failure !== undefined) throw failure
    await handOverSaved(parts, task, to, only)
    await led.handOver([...led.all()].map((partition) => ({ partition, to: to.get(partition.stream.id) ?? -1 })))
    await led.close()
    return { partitions: rows.length, records: recovered.records, bytes: recovered.bytes }
  } finally {
    await engine.close()
  }
}

function ledBy({ image }: Metadata, nodeId: number): PartitionRow[] {
  return [...image.topics()].flatMap(({ partitions }) => partitions.filter(({ leader }) => leader === nodeId))
}

function survivors({ image }: Metadata, nodeId: number) {
  const running = [...image.nodes().values()].filter(({ id, state }) => state === 'running' && id !== nodeId)
  if (running.length === 0) throw new Fault('unavailable', `no node is running that could take what node ${nodeId} led`)
  return running
}

/** Streams that objects hold all of need not be opened to be given away. */
async function handOverSaved(
  { metadata }: NodeRecoveryParts,
  { node, signal }: RecoveryTask,
  to: ReadonlyMap<number, number>,
  isUnsaved: (streamId: number) => boolean
): Promise<void> {
  const saved = [...to].filter(([streamId]) => !isUnsaved(streamId))
  for (let at = 0; at < saved.length && !signal.aborted; at += ROWS_AT_ONCE) {
    const streams = saved.slice(at, at + ROWS_AT_ONCE).flatMap(([streamId, receiver]) => {
      const stream = metadata.image.stream(streamId)
      return stream === undefined ? [] : [{ streamId, epoch: stream.epoch, endOffset: stream.endOffset, to: receiver }]
    })
    await metadata.handOver({ nodeId: node.id, nodeEpoch: node.epoch, streams })
  }
}
