/**
 * Bugs that the simulation must find, as wrappers around the engine's surroundings: no product code knows of them.
 * Each is the mistake that its name says, in the least code that makes it.
 */
import type { Metadata } from '../../../src/metadata/metadata.ts'
import type { ObjectStore } from '../../../src/object-store/object-store.ts'
import type { ObjectStores } from '../../../src/object-store/object-stores.ts'
import { isFault } from '../../../src/runtime/fault.ts'
import type { Rewrite } from '../../../src/stream/compaction/stream-rewriting.ts'
import type { Entry } from '../../../src/stream/entry.ts'
import type { Stream } from '../../../src/stream/stream.ts'
import type { Wal } from '../../../src/stream/wal/wal.ts'
import type { WalDevice, WalFile } from '../../../src/stream/wal/wal-device.ts'
import type { StreamTruth } from './stream-truth.ts'

/** What readers see of a stream. */
export interface StreamView {
  readonly startOffset: number
  readonly endOffset: number
  read(fromOffset: number, bytesMax: number): readonly Entry[] | Promise<readonly Entry[]>
}

export interface PlantedBug {
  /** Which write-ahead logs it can live in; both when undefined. */
  readonly walKind?: 'file' | 'object'
  readonly device?: (device: WalDevice) => WalDevice
  /** Around the store of the object WAL's own objects and of everything else. */
  readonly store?: (store: ObjectStore) => ObjectStore
  readonly wal?: (wal: Wal) => Wal
  readonly metadata?: (metadata: Metadata, stores: ObjectStores) => Metadata
  /** At which offset the owner's state is captured when it should be at `offset`. */
  readonly captureAt?: (offset: number, nextOffset: number) => number
  readonly rewrite?: (rewrite: Rewrite) => Rewrite
  readonly view?: (stream: Stream, truth: StreamTruth) => StreamView
}

/** `target` with some of its members replaced. */
function withMembers<T extends object>(target: T, members: Partial<T>): T {
  return new Proxy(target, {
    get(_, name) {
      const member = Reflect.get(name in members ? members : target, name) as unknown
      return typeof member === 'function' ? member.bind(target) : member
    }
  })
}

const ackBeforeFsync: PlantedBug = {
  walKind: 'file',
  device(device) {
    const lying = (file: WalFile): WalFile => ({
      write: (buffers, position) => file.write(buffers, position),
      read: (position, length) => file.read(position, length),
      close: () => file.close(),
      async sync() {
        file.sync().catch(() => undefined)
      }
    })
    return {
      list: () => device.list(),
      remove: (name) => device.remove(name),
      create: async (name) => lying(await device.create(name)),
      open: async (name) => lying(await device.open(name))
    }
  }
}

const ackBeforePut: PlantedBug = {
  walKind: 'object',
  store: (store) =>
    withMembers(store, {
      async put(key, parts, options) {
        const stored = store.put(key, parts, options)
        if (key.startsWith('wal/')) stored.catch(() => undefined)
        else await stored
      }
    })
}

const deleteBeforeCommitIsKnown: PlantedBug = {
  metadata: (metadata, stores) =>
    withMembers(metadata, {
      async commitUpload(upload) {
        try {
          await metadata.commitUpload(upload)
        } catch (error) {
          if (isFault(error, 'unavailable')) await deleteObjects(metadata, stores, upload.objects)
          throw error
        }
      }
    })
}

/** Tidies up after a commit that "failed". */
async function deleteObjects(
  metadata: Metadata,
  stores: ObjectStores,
  objects: readonly { readonly objectId: number }[]
): Promise<void> {
  for (const { objectId } of objects) {
    const key =
      metadata.image.object(objectId)?.key ?? `objects/${spread(objectId)}/${String(objectId).padStart(16, '0')}`
    for (const profile of stores.profiles())
      await stores
        .store(profile)
        .delete([key])
        .catch(() => undefined)
  }
}

/** As `metadata/objects.ts` spreads keys. */
function spread(objectId: number): string {
  return (Math.imul(objectId, 0x9e3779b1) >>> 24).toString(16).padStart(2, '0')
}

const watermarkBeforeDurability: PlantedBug = {
  view: (stream, truth) => ({
    get startOffset() {
      return stream.startOffset
    },
    get endOffset() {
      return stream.nextOffset
    },
    read(fromOffset, bytesMax) {
      if (fromOffset < stream.endOffset) return stream.read(fromOffset, bytesMax)
      return truth.entries.map(({ entry }) => entry).filter((entry) => entry.lastOffset >= fromOffset)
    }
  })
}

const trimBeforeCommit: PlantedBug = {
  wal: (wal) =>
    withMembers(wal, {
      mark(position) {
        // The mark goes into the commit; the log is given up before anybody knows how that ends.
        wal.trim(position).catch(() => undefined)
        return wal.mark(position)
      }
    })
}

const snapshotOfTheFuture: PlantedBug = { captureAt: (_, nextOffset) => nextOffset }

/** Gives up what it replaces before the replacement is known. */
const compactionDeletesTooEarly: PlantedBug = {
  metadata: (metadata, stores) =>
    withMembers(metadata, {
      async commitCompaction(compaction) {
        await deleteObjects(metadata, stores, compaction.removed)
        await metadata.commitCompaction(compaction)
      }
    })
}

const compactionLosesAnEntry: PlantedBug = {
  rewrite: (rewrite) => ({
    ...rewrite,
    keep: async (entry) => (entry.baseOffset % 2 === 0 ? undefined : rewrite.keep(entry))
  })
}

/** Keeps what lies beside the entries only where it wrote nothing again. */
const compactionLosesNotes: PlantedBug = { rewrite: (rewrite) => ({ ...rewrite, keepNote: () => undefined }) }

/** A store that ignores `If-None-Match: *`, or a log that forgets to ask for it: nothing fences the old owner. */
const noFence: PlantedBug = {
  walKind: 'object',
  store: (store) => withMembers(store, { put: (key, parts) => store.put(key, parts) })
}

export const plantedBugs: Readonly<Record<string, PlantedBug>> = {
  'ack-before-fsync': ackBeforeFsync,
  'ack-before-put': ackBeforePut,
  'delete-before-commit-is-known': deleteBeforeCommitIsKnown,
  'watermark-before-durability': watermarkBeforeDurability,
  'trim-before-commit': trimBeforeCommit,
  'snapshot-of-the-future': snapshotOfTheFuture,
  'compaction-deletes-too-early': compactionDeletesTooEarly,
  'compaction-loses-an-entry': compactionLosesAnEntry,
  'compaction-loses-notes': compactionLosesNotes,
  'no-fence': noFence
}
