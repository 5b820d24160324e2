/** Opens the log of a dead node, from where the node said that it is. */
import type { DeadLog } from '../broker/node-recovery.ts'
import type { ObjectStores } from '../object-store/object-stores.ts'
import { DEFAULT_PROFILE } from '../object-store/object-stores.ts'
import type { Clock } from '../runtime/clock.ts'
import { pathOfLocation } from '../runtime/configuration.ts'
import { Fault, isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import { FileWal } from '../stream/wal/file-wal.ts'
import { InheritedWal } from '../stream/wal/inherited-wal.ts'
import { ObjectWal } from '../stream/wal/object-wal.ts'
import { ReadOnlyWalDevice } from '../stream/wal/read-only-wal-device.ts'
import type { Wal } from '../stream/wal/wal.ts'
import { readLogId } from '../stream/wal/wal-identity.ts'

export interface DeadLogParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly stores: ObjectStores
  /** See `Metadata.walMark`. */
  readonly walMark: (nodeId: number) => Promise<string | undefined>
  readonly bytesMax: number
}

/** Fault `missing` when a log in files cannot be reached from this machine. */
export async function openDeadLog(parts: DeadLogParts, { nodeId, nodeEpoch, place, mark }: DeadLog): Promise<Wal> {
  const { stores, walMark, ...common } = parts
  if (place.wal === 'object:') {
    const store = stores.store(DEFAULT_PROFILE)
    return new ObjectWal({ ...common, store, nodeId, epoch: nodeEpoch, loadMark: () => walMark(nodeId) })
  }
  const device = new ReadOnlyWalDevice(pathOfLocation(place.wal))
  try {
    const logId = await readLogId(device)
    if (logId === undefined && mark !== undefined) throw new Fault('missing', 'there is no log in that folder')
    const wal = new FileWal({ ...common, device, ...(logId !== undefined && { logId }), mark })
    return new InheritedWal(wal, () => device.close())
  } catch (error) {
    await device.close()
    if (!isFault(error, 'missing')) throw error
    throw new Fault(
      'missing',
      `the log of node ${nodeId} is in ${place.wal}, which this machine does not have (${error.message}): ` +
        'mount its volume here at the same path, or start the node again where it was',
      { cause: error }
    )
  }
}
