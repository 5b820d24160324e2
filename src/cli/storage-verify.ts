/** `longhaul storage verify`: reads everything and says what contradicts what. */
import { Command } from 'commander'
import type { Finding } from '../admin/storage/finding.ts'
import type { LogSurvey } from '../admin/storage/log-survey.ts'
import type { VerificationProgress, VerificationTotals } from '../admin/storage/storage-verification.ts'
import type { Clock } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import { wholeNumber } from './option-values.ts'
import { addStorageOptions, readableBytes, type StorageOptions, withStorage } from './storage-access.ts'
import { type Surroundings, type Terminal, writeLine } from './surroundings.ts'
import { json } from './table.ts'

const PROGRESS_INTERVAL_MS = 2_000

interface Options extends StorageOptions {
  readonly topic?: string
  readonly concurrency: number
  readonly records?: boolean
  readonly json?: boolean
}

export function storageVerifyCommand(surroundings: Surroundings): Command {
  const command = new Command('verify')
    .description('read everything that is stored, and check every checksum, index and offset against the metadata')
    .option('--topic <name>', 'only what belongs to this topic')
    .option('--concurrency <n>', 'objects that are read at the same time', wholeNumber(1, 256), 4)
    .option('--records', 'also decode every record batch: CRC-32C, offsets, count')
    .option('--json', 'print a line of JSON per finding, and one with the totals')
  return addStorageOptions(command)
    .addHelpText(
      'after',
      '\nExample:\n  longhaul storage verify --records\n' +
        '\nIt changes nothing and may run beside a node. Status 1: damage was found; 3: something could not be read.'
    )
    .action((options: Options) => verify(options, surroundings))
}

async function verify(options: Options, surroundings: Surroundings): Promise<void> {
  const { output, errors, clock, stop } = surroundings
  const { verifyStorage } = await import('../admin/storage/storage-verification.ts')
  const { checkRecords } = await import('../admin/storage/record-check.ts')
  // Findings may come faster than a slow reader takes them; their order is that of one chain of writes.
  let written = Promise.resolve()
  const found = (finding: Finding): void => {
    written = written.then(() => writeLine(output, options.json ? json(finding) : findingLine(finding)))
  }
  const totals = await withStorage(options, surroundings, (data) =>
    verifyStorage(data, {
      ...(options.topic === undefined ? {} : { topic: options.topic }),
      ...(options.records ? { checkEntry: checkRecords } : {}),
      concurrency: options.concurrency,
      found,
      progress: progressOn(errors, clock),
      stop
    })
  )
  await written
  await writeLine(output, options.json ? json(totalsOf(totals)) : totalsLine(totals, options))
  const { damage, unreadable } = totals.findings
  if (damage > 0) throw new Fault('corrupt', `${damage} of the findings are damage: each says what to do`)
  if (unreadable > 0) throw new Fault('unavailable', `${unreadable} places could not be read: verify again`)
}

function findingLine({ kind, place, problem, remedy }: Finding): string {
  return `${kind}: ${place}: ${problem.replaceAll('\n', ' ')}. To do: ${remedy}.`
}

function progressOn(errors: Terminal, clock: Clock): (progress: VerificationProgress) => void {
  let shownMs = clock.monotonic()
  return ({ objects, objectsTotal, bytes, bytesTotal }) => {
    if (clock.monotonic() - shownMs < PROGRESS_INTERVAL_MS) return
    shownMs = clock.monotonic()
    const line = `${objects} of ${objectsTotal} objects, ${readableBytes(bytes)} of ${readableBytes(bytesTotal)}`
    errors.stream.write(`${line}\n`)
  }
}

function totalsOf({ logs, ...totals }: VerificationTotals): Record<string, unknown> {
  return { ...totals, logs: logs.map(({ runs: _, findings: __, ...numbers }) => numbers) }
}

function totalsLine(totals: VerificationTotals, options: Options): string {
  const { streams, objects, blocks, entries, records, bytes, objectsGone, logs, orphans, findings } = totals
  const lines = [
    `${streams} streams, ${objects} objects, ${blocks} blocks, ${entries} entries, ${readableBytes(bytes)}` +
      `${options.records ? `, ${records} records` : ''}`,
    ...logs.map(logLine)
  ]
  if (objectsGone > 0) lines.push(`${objectsGone} objects were compacted or deleted by a node meanwhile`)
  if (orphans !== undefined) lines.push(`${orphans.objects} orphans with ${readableBytes(orphans.bytes)}`)
  lines.push(`findings: ${findings.damage} damage, ${findings.unreadable} unreadable, ${findings.orphan} orphans`)
  return lines.join('\n')
}

function logLine({ name, segments, entries, bytes, torn }: LogSurvey): string {
  const end = torn ? '; its end is torn by a crash, which is no damage: that was never acknowledged' : ''
  return `${name}: ${segments} segments in use, ${entries} entries, ${readableBytes(bytes)}${end}`
}
