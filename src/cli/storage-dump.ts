/** `longhaul storage dump`: prints entries as they are stored, batch by batch. */
import { basename, dirname, join, resolve } from 'node:path'
import { Command } from 'commander'
import type { StoredData } from '../admin/storage/stored-data.ts'
import type { EntryOrProblem } from '../admin/storage/stored-entry.ts'
import { pathOfLocation } from '../runtime/configuration.ts'
import { Fault } from '../runtime/fault.ts'
import { wholeNumber } from './option-values.ts'
import { addStorageOptions, type StorageOptions, storageConfiguration, withStorage } from './storage-access.ts'
import { type Surroundings, writeLine } from './surroundings.ts'
import { json } from './table.ts'

interface Options extends StorageOptions {
  readonly topic?: string
  readonly partition?: number
  readonly fromOffset?: number
  readonly object?: string
  readonly profile: string
  readonly segment?: string
  readonly max?: number
  readonly records?: boolean
  readonly json?: boolean
}

export function storageDumpCommand(surroundings: Surroundings): Command {
  const command = new Command('dump')
    .description('print the batches that a partition, an object or a segment of the write-ahead log holds')
    .option('--topic <name>', 'dump a partition: its topic')
    .option('--partition <n>', 'its number', wholeNumber(0))
    .option('--from-offset <n>', 'first offset, by default the first that is stored', wholeNumber(0))
    .option('--object <key>', 'dump an object, also one of the write-ahead log, by its key in the object store')
    .option('--profile <name>', 'object-store profile that holds the object', 'default')
    .option('--segment <file>', 'dump a segment of the write-ahead log: a path, or a name in the folder of --wal')
    .option('--max <n>', 'batches to print', wholeNumber(1))
    .option('--records', 'print the records too: keys and values as JSON strings, or x"hex" when they are not UTF-8')
    .option('--json', 'print a line of JSON per batch')
  return addStorageOptions(command)
    .addHelpText(
      'after',
      '\nExample:\n  longhaul storage dump --topic telemetry --partition 0 --from-offset 100 --max 5 --records'
    )
    .action((options: Options) => dump(options, surroundings))
}

async function dump(options: Options, surroundings: Surroundings): Promise<void> {
  const sources = [options.topic, options.object, options.segment].filter((source) => source !== undefined)
  if (sources.length !== 1) {
    throw new Fault('invalid', 'say what to dump: --topic and --partition, or --object, or --segment')
  }
  if (options.segment !== undefined) return await dumpSegment(options.segment, options, surroundings)
  await withStorage(options, surroundings, (data) =>
    options.object === undefined ? dumpPartition(data, options, surroundings) : dumpObject(data, options, surroundings)
  )
}

async function dumpPartition(data: StoredData, options: Options, surroundings: Surroundings): Promise<void> {
  const { topic = '', partition, fromOffset = 0 } = options
  const { findTopic, loadStoredState } = await import('../admin/storage/stored-state.ts')
  const { readStream } = await import('../admin/storage/stored-entries.ts')
  const { partitions } = findTopic(await loadStoredState(data.database), topic)
  const found = partitions.find(({ index }) => index === partition)
  if (found === undefined) {
    throw new Fault('invalid', `${topic} has partitions 0 to ${partitions.length - 1}: name one with --partition`)
  }
  await print(readStream(data, found.streamId, fromOffset), () => `${topic}-${partition}`, options, surroundings)
}

async function dumpObject(data: StoredData, options: Options, surroundings: Surroundings): Promise<void> {
  const { loadStoredState, streamNames } = await import('../admin/storage/stored-state.ts')
  const { readObject } = await import('../admin/storage/stored-entries.ts')
  const { findLogObject } = await import('../admin/storage/object-log.ts')
  const { object: key = '' } = options
  const store = data.stores.store(options.profile)
  const nameOf = streamNames(await loadStoredState(data.database))
  await print((await findLogObject(store, key)) ?? readObject(store, key), nameOf, options, surroundings)
}

/** Needs no metadata: streams go by their ids. */
async function dumpSegment(segment: string, options: Options, surroundings: Surroundings): Promise<void> {
  const { ReadOnlyWalDevice } = await import('../stream/wal/read-only-wal-device.ts')
  const { readSegment } = await import('../admin/storage/file-log.ts')
  const path = segment.includes('/')
    ? resolve(surroundings.workingDirectory, segment)
    : join(pathOfLocation(storageConfiguration(options, surroundings).wal), segment)
  const device = new ReadOnlyWalDevice(dirname(path))
  try {
    const file = await device.open(basename(path))
    await print(readSegment(file, basename(path)), (streamId) => `stream ${streamId}`, options, surroundings)
  } finally {
    await device.close()
  }
}

async function print(
  items: AsyncIterable<EntryOrProblem> | Iterable<EntryOrProblem>,
  nameOf: (streamId: number) => string,
  options: Options,
  { output, errors, stop }: Surroundings
): Promise<void> {
  // Loaded only here: it brings the compression codecs along.
  const { batchAsJson, batchAsText } = await import('./stored-batch.ts')
  let printed = 0
  let damaged = 0
  for await (const item of items) {
    if (stop.aborted) return
    if ('entry' in item) {
      const name = nameOf(item.streamId)
      const records = options.records ?? false
      await writeLine(
        output,
        await (options.json ? batchAsJson(item, name, records) : batchAsText(item, name, records))
      )
      printed++
      if (printed === options.max) break
    } else {
      damaged++
      await writeLine(options.json ? output : errors, options.json ? json(item) : `${item.place}: ${item.problem}`)
    }
  }
  if (damaged > 0)
    throw new Fault('corrupt', `${damaged} blocks are damaged and left out: run \`longhaul storage verify\``)
}
