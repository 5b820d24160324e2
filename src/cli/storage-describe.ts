/** `longhaul storage describe [TARGET]`: totals, a topic, a partition, or an object with its index. */
import { Command } from 'commander'
import type { StorageTotals, UseTotals } from '../admin/storage/storage-summary.ts'
import type { StoredData } from '../admin/storage/stored-data.ts'
import type { StoredState, TrackedObject } from '../admin/storage/stored-state.ts'
import { Fault } from '../runtime/fault.ts'
import { addStorageOptions, readableBytes, type StorageOptions, withStorage } from './storage-access.ts'
import { loadStateAndLogs, tellLogFindings } from './storage-ls.ts'
import { type Surroundings, writeLine } from './surroundings.ts'
import { json, table } from './table.ts'

interface Options extends StorageOptions {
  readonly json?: boolean
}

export function storageDescribeCommand(surroundings: Surroundings): Command {
  const command = new Command('describe')
    .description('describe everything that is stored, a topic, a partition or an object')
    .argument('[target]', 'TOPIC, TOPIC-PARTITION, or object:ID with an id or key of `storage ls objects`')
    .option('--json', 'print JSON')
  return addStorageOptions(command)
    .addHelpText('after', '\nExamples:\n  longhaul storage describe\n  longhaul storage describe object:12')
    .action((target: string | undefined, options: Options) =>
      withStorage(options, surroundings, async (data) => {
        if (target === undefined) await describeAll(data, options, surroundings)
        else if (target.startsWith('object:')) await describeObject(data, target.slice(7), options, surroundings)
        else await describeTopic(data, target, options, surroundings)
      })
    )
}

async function describeAll(data: StoredData, options: Options, { output, errors }: Surroundings): Promise<void> {
  const { storageTotals, useTotals } = await import('../admin/storage/storage-summary.ts')
  const { loadStorageUse } = await import('../metadata/storage-use.ts')
  const { state, logs } = await loadStateAndLogs(data)
  const totals = storageTotals(state, logs)
  const use = useTotals([...(await loadStorageUse(data.database)).values()])
  if (options.json) return await writeLine(output, json({ ...totals, use }, 2))
  await tellLogFindings(logs, errors)
  await writeLine(output, totalLines(totals, use))
}

function totalLines(totals: StorageTotals, use: UseTotals | undefined): string {
  const { objects, objectsPerStream, log } = totals
  const known = (value: number | undefined, digits = 3): string =>
    value === undefined ? 'unknown: nothing is stored yet' : value.toPrecision(digits)
  const rows: [string, string][] = [
    ['topics, partitions', `${totals.topics}, ${totals.partitions}`],
    ['payload in objects', readableBytes(totals.logicalBytes)],
    ['objects', `${objects.committed} with ${readableBytes(totals.storedBytes)}`],
    ['space amplification', known(totals.spaceAmplification)],
    ['waiting for deletion', `${objects.destroyed} with ${readableBytes(totals.destroyedBytes)}`],
    ['announced, not committed', String(objects.prepared)],
    ['objects announced so far', String(totals.objectsAnnounced)],
    ['objects per stream', `median ${objectsPerStream.median}, largest ${objectsPerStream.max}`],
    ['objects per GB', known(totals.objectsPerGB)],
    ['metadata rows', `${totals.metadataRows} of objects and ranges, ${known(totals.metadataRowsPerGB)} per GB`],
    ['write-ahead log', log === undefined ? 'unknown: it could not be read' : logLine(log)],
    ['payload uploaded so far', use === undefined ? NOT_COUNTED : readableBytes(use.uploadedBytes)],
    ['write amplification', known(use?.writeAmplification)],
    ['bytes read per byte uploaded', known(use?.readAmplification)],
    ['requests per GB uploaded', use === undefined ? NOT_COUNTED : requestsLine(use)]
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')
}

/** Nodes write down what they asked of their stores, every half minute and when they stop. */
const NOT_COUNTED = 'unknown: no node has written it down yet'

function requestsLine({ putsPerGB, getsPerGB, listsPerGB, deletesPerGB }: UseTotals): string {
  const [puts, gets, lists, deletes] = [putsPerGB, getsPerGB, listsPerGB, deletesPerGB].map((count) => count.toFixed(1))
  return `${puts} PUT, ${gets} GET, ${lists} LIST, ${deletes} DELETE`
}

function logLine(log: NonNullable<StorageTotals['log']>): string {
  const { placeBytes, bytes, entries, unsavedBytes } = log
  const inUse = `${entries} entries with ${readableBytes(bytes)}`
  return `${readableBytes(placeBytes)} of space; ${inUse}, of which ${readableBytes(unsavedBytes)} are in no object yet`
}

async function describeTopic(
  data: StoredData,
  target: string,
  options: Options,
  { output }: Surroundings
): Promise<void> {
  const { streamRows } = await import('../admin/storage/storage-summary.ts')
  const { state, logs } = await loadStateAndLogs(data)
  const rows = streamRows(state, logs).filter(
    (row) => row.topic === target || `${row.topic}-${row.partition}` === target
  )
  if (rows.length === 0) {
    throw new Fault('missing', `no topic or partition ${target}: \`longhaul storage ls\` lists them`)
  }
  const streams = rows.map((row) => ({ ...row, held: heldRanges(state, row.streamId) }))
  if (options.json) return await writeLine(output, json(streams, 2))
  for (const { held, ...row } of streams) {
    const wal = row.logBytes === undefined ? 'an unknown number of bytes' : readableBytes(row.logBytes)
    const cleaned = row.cleanedOffset > 0 ? `, compacted by key up to ${row.cleanedOffset}` : ''
    await writeLine(
      output,
      `${row.topic}-${row.partition}: stream ${row.streamId}, epoch ${row.epoch}, offsets ${row.startOffset} to ${row.endOffset}` +
        ` in objects (${readableBytes(row.bytes)})${cleaned}; ${wal} in the write-ahead log alone`
    )
    if (held.length === 0) continue
    const headers = ['START', 'END', 'BYTES', 'LAST TIMESTAMP', 'OBJECT', 'KEY']
    const cells = held.map((range) => [
      range.startOffset,
      range.endOffset,
      readableBytes(range.bytes),
      readableTime(range.maxTimestamp),
      range.objectId,
      range.key
    ])
    await writeLine(output, table(headers, cells))
  }
}

function heldRanges(state: StoredState, streamId: number) {
  return (state.ranges.get(streamId) ?? []).map(({ streamId: _, ...range }) => ({
    ...range,
    key: state.objects.get(range.objectId)?.key ?? 'unknown'
  }))
}

async function describeObject(
  data: StoredData,
  name: string,
  options: Options,
  { output }: Surroundings
): Promise<void> {
  const { loadStoredState, rangesByObject, streamNames } = await import('../admin/storage/stored-state.ts')
  const { loadLayout } = await import('../admin/storage/object-layout.ts')
  const state = await loadStoredState(data.database)
  const object = findObject(state, name)
  const store = data.stores.store(object.profile)
  const { size } = await store.head(object.key)
  const layout = await loadLayout(store, object.key, size)
  const ranges = rangesByObject(state).get(object.id) ?? []
  if (options.json) return await writeLine(output, json({ ...object, storedBytes: size, ranges, ...layout }, 2))
  const nameOf = streamNames(state)
  await writeLine(
    output,
    `object ${object.id}, ${object.key} in profile ${object.profile}: ${object.state} since ${readableTime(object.since)}, ` +
      `${size} bytes, index at byte ${layout.indexPosition} with ${layout.indexBytes} bytes`
  )
  const shown = ranges.map(({ streamId, startOffset, endOffset, bytes, maxTimestamp }) => [
    nameOf(streamId),
    startOffset,
    endOffset,
    bytes,
    readableTime(maxTimestamp)
  ])
  await writeLine(
    output,
    `\nranges in the metadata:\n${table(['PARTITION', 'START', 'END', 'BYTES', 'LAST TIMESTAMP'], shown)}`
  )
  const blocks = layout.blocks.map((block) => [
    block.position,
    block.bytes,
    nameOf(block.streamId),
    block.firstOffset,
    block.lastOffset,
    block.entries,
    readableTime(block.maxTimestamp)
  ])
  const headers = ['POSITION', 'BYTES', 'PARTITION', 'FIRST', 'LAST', 'ENTRIES', 'LAST TIMESTAMP']
  await writeLine(output, `\nblocks in the index:\n${table(headers, blocks)}`)
}

function findObject(state: StoredState, name: string): TrackedObject {
  const found = /^\d+$/.test(name)
    ? state.objects.get(Number(name))
    : [...state.objects.values()].find(({ key }) => key === name)
  if (found !== undefined) return found
  throw new Fault('missing', `the metadata knows no object ${name}: \`longhaul storage ls objects\` lists them`)
}

/** ISO 8601, or - for a time that nobody gave. */
export function readableTime(ms: number): string {
  const time = new Date(ms)
  return ms < 0 || Number.isNaN(time.getTime()) ? '-' : time.toISOString()
}
