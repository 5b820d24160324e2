/** `longhaul storage ls [streams|objects]` */
import { Argument, Command } from 'commander'
import type { LogSurvey } from '../admin/storage/log-survey.ts'
import type { StoredData } from '../admin/storage/stored-data.ts'
import type { StoredState } from '../admin/storage/stored-state.ts'
import { addStorageOptions, readableBytes, type StorageOptions, withStorage } from './storage-access.ts'
import { type Surroundings, type Terminal, writeLine } from './surroundings.ts'
import { json, table } from './table.ts'

interface Options extends StorageOptions {
  readonly json?: boolean
}

export function storageLsCommand(surroundings: Surroundings): Command {
  const command = new Command('ls')
    .description('list what is stored: streams (one per partition) or objects')
    .addArgument(new Argument('[what]', 'what to list').choices(['streams', 'objects']).default('streams'))
    .option('--json', 'print JSON')
  return addStorageOptions(command)
    .addHelpText('after', '\nExample:\n  longhaul storage ls objects --data-dir ./data')
    .action((what: string, options: Options) =>
      withStorage(options, surroundings, (data) =>
        what === 'streams' ? listStreams(data, options, surroundings) : listObjects(data, options, surroundings)
      )
    )
}

async function listStreams(data: StoredData, options: Options, { output, errors }: Surroundings): Promise<void> {
  const { streamRows } = await import('../admin/storage/storage-summary.ts')
  const { state, logs } = await loadStateAndLogs(data)
  const rows = streamRows(state, logs)
  if (options.json) return await writeLine(output, json(rows, 2))
  await tellLogFindings(logs, errors)
  const headers = ['PARTITION', 'STREAM', 'EPOCH', 'START', 'END', 'OBJECTS', 'RANGES', 'BYTES', 'IN WAL ONLY']
  const cells = rows.map((row) => [
    row.topic === undefined ? '(none)' : `${row.topic}-${row.partition}`,
    row.streamId,
    row.epoch,
    row.startOffset,
    row.endOffset,
    row.objects,
    row.ranges,
    readableBytes(row.bytes),
    row.logBytes === undefined ? 'unknown' : readableBytes(row.logBytes)
  ])
  await writeLine(output, table(headers, cells))
}

async function listObjects(data: StoredData, options: Options, { output, clock }: Surroundings): Promise<void> {
  const { loadStoredState } = await import('../admin/storage/stored-state.ts')
  const { objectRows } = await import('../admin/storage/storage-summary.ts')
  const rows = objectRows(await loadStoredState(data.database), clock.now())
  if (options.json) return await writeLine(output, json(rows, 2))
  const headers = ['OBJECT', 'KEY', 'PROFILE', 'STATE', 'AGE', 'BYTES', 'STREAMS', 'RANGES']
  const cells = rows.map((row) => [
    row.id,
    row.key,
    row.profile,
    row.state,
    readableAge(row.ageMs),
    readableBytes(row.bytes),
    row.streams,
    row.ranges
  ])
  await writeLine(output, table(headers, cells))
}

/** The metadata, and the logs: what is in both is told by the metadata's ends. */
export async function loadStateAndLogs(
  data: StoredData
): Promise<{ readonly state: StoredState; readonly logs: readonly LogSurvey[] }> {
  const { loadStoredState } = await import('../admin/storage/stored-state.ts')
  const state = await loadStoredState(data.database)
  const logs: LogSurvey[] = []
  for (const log of data.logs) logs.push(await log.survey((streamId) => state.streams.get(streamId)?.endOffset))
  return { state, logs }
}

/** Why numbers of the logs are missing. */
export async function tellLogFindings(logs: readonly LogSurvey[], errors: Terminal): Promise<void> {
  for (const { place, problem } of logs.flatMap(({ findings }) => findings)) {
    await writeLine(errors, `${place}: ${problem}`)
  }
}

function readableAge(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`
  return `${Math.round(seconds / 86_400)} d`
}
