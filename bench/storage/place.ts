/**
 * A storage engine as a node has it, without the broker above: opened in a folder of its own, with streams to write to.
 */
import { join } from 'node:path'
import { openStorage, type Storage } from '../../src/node/storage.ts'
import { loadConfiguration } from '../../src/runtime/configuration.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { systemRandom } from '../../src/runtime/system-random.ts'
import type { Stream } from '../../src/stream/stream.ts'

export interface Place {
  readonly storage: Storage
  readonly streams: readonly Stream[]
  close(): Promise<void>
}

export interface PlaceOptions {
  readonly folder: string
  readonly streams: number
  /** Settings of the node, by name; locations below `folder` unless given. */
  readonly settings?: Readonly<Record<string, unknown>>
}

const TOPIC = 'bench'

export async function openPlace({ folder, streams: count, settings = {} }: PlaceOptions): Promise<Place> {
  const configuration = loadConfiguration({
    flags: { dataDir: join(folder, 'data'), ...settings },
    env: {},
    readFile: () => '',
    workingDirectory: folder
  })
  const storage = await openStorage(configuration, {
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    failed: (fault) => {
      throw fault
    }
  })
  const { metadata, engine } = storage
  const topic =
    metadata.image.topic(TOPIC) ??
    (await metadata.createTopic({ name: TOPIC, partitions: count, configs: {}, internal: false, leaders: [1] }))
  const opened = await engine.open(topic.partitions.map(({ streamId }) => streamId))
  for (const { own } of opened) {
    own({ capture: () => ({ snapshot: undefined, note: undefined }), profile: () => 'default' })
  }
  return { storage, streams: opened.map(({ stream }) => stream), close: () => storage.close() }
}

/** Appends `bytes` in payloads made by `next`, keeping about `windowBytes` under way; resolves when all are durable. */
export async function appendAll(
  { storage }: Place,
  bytes: number,
  windowBytes: number,
  next: () => { readonly stream: Stream; readonly payload: Buffer }
): Promise<void> {
  let underWay = 0
  let failure: unknown
  let wake: () => void = () => {}
  for (let begun = 0; begun < bytes; ) {
    await storage.engine.room()
    const { stream, payload } = next()
    const { nextOffset: baseOffset } = stream
    begun += payload.length
    underWay += payload.length
    stream
      .append({ baseOffset, lastOffset: baseOffset, maxTimestamp: systemClock.now(), payload })
      .catch((error) => {
        failure = error
      })
      .finally(() => {
        underWay -= payload.length
        wake()
      })
    while (underWay >= windowBytes) await new Promise<void>((resolve) => (wake = resolve))
  }
  while (underWay > 0) await new Promise<void>((resolve) => (wake = resolve))
  if (failure !== undefined) throw failure
}

/** Payloads of this run: incompressible, and not the same twice in a row. */
export function payloads(bytes: number): () => Buffer {
  const pool = systemRandom.bytes(bytes + 4096)
  let at = 0
  return () => {
    at = (at + 61) % 4096
    return pool.subarray(at, at + bytes)
  }
}
