/**
 * Reads the write-ahead log back after a stop or a crash, and decides where it ends.
 *
 * The last round before a crash was written but perhaps never synced: any of its sectors may be missing, so damage there
 * is a torn tail, even with intact entries of the same round behind it. Everything before that round was synced, so
 * damage there is real and Fault `corrupt`. Three things prove that a place had been synced: an intact entry whose
 * `syncedTo` lies beyond it, a later segment (a round never spans two, so a segment begins only after the one before it
 * is durable), and the mark of a clean close.
 *
 * It does not repair, and it changes nothing except making durable what it read.
 */
import { Fault } from '../../runtime/fault.ts'
import type { Log } from '../../runtime/log.ts'
import { isSegmentName, type SegmentFile } from './segment-pool.ts'
import type { ReplayedRecord, WalPosition } from './wal.ts'
import type { WalDevice } from './wal-device.ts'
import { decodeEntry, ENTRY_HEADER_BYTES, type EntryHead, findEntryMagic, peekEntry } from './wal-entry.ts'
import {
  decodeSegmentPage,
  SEGMENT_PAGE_BYTES,
  type SegmentHeader,
  type SegmentMark,
  type SegmentPage
} from './wal-segment.ts'

/** Segments are read in pieces of this size; payloads that are kept hold on to their piece. */
const WINDOW_BYTES = 4 * 1024 * 1024

/** A segment whose entries belong to the log. */
export interface LiveSegment {
  readonly file: SegmentFile
  readonly header: SegmentHeader
  /** Position after its last entry. */
  readonly end: WalPosition
}

export interface RecoveredLog {
  /** In the order of the log. */
  readonly live: LiveSegment[]
  /** Files that hold nothing of the log. */
  readonly spares: SegmentFile[]
  /** Position after the last record. */
  readonly end: WalPosition
  /** No segment had a higher number. */
  readonly lastSequence: number
}

interface FoundSegment {
  readonly file: SegmentFile
  readonly header: SegmentHeader
  readonly closed: SegmentMark | undefined
}

/** Hands every record of the log to `visit`, in order. Faults: `corrupt`, `invalid` (written by a newer version). */
export async function recoverLog(
  device: WalDevice,
  log: Log,
  visit: (record: ReplayedRecord) => void
): Promise<RecoveredLog> {
  const { found, spares } = await findSegments(device)
  requireConsecutive(found)
  const live: LiveSegment[] = []
  for (const [index, segment] of found.entries()) {
    const next = found[index + 1]
    const end = await replayEntries(segment, next?.header.base, visit)
    if (next !== undefined && end !== next.header.base) {
      throw damaged(segment, end, `segment ${next.header.sequence} continues from position ${next.header.base}`)
    }
    if (next === undefined) await requireTornTail(segment, end, log)
    live.push({ file: segment.file, header: segment.header, end })
  }
  // After a crash of the process alone, what was read may lie in the page cache only, and be lost yet: entries and
  // headers, and also freed marks, which must not vanish after those of later segments became durable.
  for (const { file } of [...live.map((segment) => segment.file), ...spares]) await file.sync()
  const freed = spares.flatMap((file) => file.freed ?? [])
  return {
    live,
    spares,
    end: Math.max(0, ...live.map(({ end }) => end), ...freed.map(({ end }) => end)),
    lastSequence: Math.max(0, ...found.map(({ header }) => header.sequence), ...freed.map(({ sequence }) => sequence))
  }
}

async function findSegments(device: WalDevice): Promise<{ found: FoundSegment[]; spares: SegmentFile[] }> {
  const found: FoundSegment[] = []
  const spares: SegmentFile[] = []
  for (const { name, bytes } of await device.list()) {
    if (!isSegmentName(name)) continue
    const file = await device.open(name)
    const start = await file.read(0, SEGMENT_PAGE_BYTES + ENTRY_HEADER_BYTES)
    const page = decodeSegmentPage(start)
    const segment: SegmentFile = { name, file, length: bytes, freed: page.freed }
    if (page.header === undefined) {
      await requireUnused(segment, page, start)
      spares.push(segment)
    } else if (page.freed !== undefined && page.freed.sequence >= page.header.sequence) {
      spares.push(segment)
    } else {
      found.push({ file: segment, header: page.header, closed: markOf(page.header.sequence, page.closed) })
    }
  }
  found.sort((a, b) => a.header.sequence - b.header.sequence)
  return { found, spares }
}

function requireConsecutive(found: readonly FoundSegment[]): void {
  for (const [index, segment] of found.entries()) {
    const before = found[index - 1]
    if (before === undefined || segment.header.sequence === before.header.sequence + 1) continue
    throw new Fault(
      'corrupt',
      `write-ahead log: segment ${before.header.sequence + 1} is missing at position ${before.header.base} or later; ` +
        `found ${before.file.name} with segment ${before.header.sequence} and ` +
        `${segment.file.name} with segment ${segment.header.sequence}`
    )
  }
}

/** Visits entries up to the first place where no intact one lies, or to `end`. Returns the position reached. */
async function replayEntries(
  { file, header }: FoundSegment,
  end: WalPosition | undefined,
  visit: (record: ReplayedRecord) => void
): Promise<WalPosition> {
  let position = header.base
  let windowBytes = WINDOW_BYTES
  while (position !== end) {
    const window = await file.file.read(fileOffset(header, position), windowBytes)
    let used = 0
    for (;;) {
      const entry = position === end ? undefined : decodeEntry(window, used)
      if (entry === undefined || !isAt(entry.head, header, position)) break
      used += entry.head.bytes
      position += entry.head.bytes
      visit({ ...entry.record, end: position })
    }
    if (used > 0) {
      windowBytes = WINDOW_BYTES
      continue
    }
    // Not even one entry: it is larger than the window, or this is the end.
    const head = peekEntry(window, 0)
    if (head === undefined || !isAt(head, header, position)) break
    if (head.bytes <= windowBytes || fileOffset(header, position) + head.bytes > file.length) break
    windowBytes = head.bytes
  }
  return position
}

/** The last segment ends at `end`, intact: makes sure that nothing proves there was more. */
async function requireTornTail(segment: FoundSegment, end: WalPosition, log: Log): Promise<void> {
  const { file, header, closed } = segment
  if (closed !== undefined && closed.end > end) {
    throw damaged(segment, end, `it was closed with a last position of ${closed.end}`)
  }
  let torn = false
  const proof = await findEntry(file, fileOffset(header, end), (head, offset) => {
    if (!isAt(head, header, header.base + offset - SEGMENT_PAGE_BYTES)) return false
    torn = true
    return head.syncedTo > end
  })
  if (proof !== undefined) {
    throw damaged(segment, end, `the intact entry at position ${proof.position} was written after it was durable`)
  }
  if (torn) {
    log.warn({ segment: file.name, position: end }, 'dropped the torn end of the write-ahead log: never acknowledged')
  }
}

/**
 * A file without an intact header holds nothing of the log: it is new, or a segment's first round was torn. Unless an
 * entry or a mark in it shows that the header had been durable: then the header is damaged.
 */
async function requireUnused(segment: SegmentFile, page: SegmentPage, start: Buffer): Promise<void> {
  if (start.every((byte) => byte === 0)) return
  const freedSequence = page.freed?.sequence ?? 0
  const proof = await findEntry(segment, SEGMENT_PAGE_BYTES, (head, offset) => {
    const base = head.position - (offset - SEGMENT_PAGE_BYTES)
    return head.sequence > freedSequence && head.syncedTo > base
  })
  const sequence = proof?.sequence ?? page.closed?.sequence ?? 0
  if (sequence <= freedSequence) return
  throw new Fault(
    'corrupt',
    `write-ahead log: the header of ${segment.name}, which holds segment ${sequence}, is damaged`
  )
}

/**
 * The first intact entry at or after `from` that `wanted` takes. `wanted` is asked before the checksum is looked at,
 * so that payload bytes that happen to look like a header cost nothing.
 */
async function findEntry(
  { file, length }: SegmentFile,
  from: number,
  wanted: (head: EntryHead, offset: number) => boolean
): Promise<EntryHead | undefined> {
  for (let start = from; ; start += WINDOW_BYTES) {
    // The overlap completes a header that begins at the end of the window.
    const window = await file.read(start, WINDOW_BYTES + ENTRY_HEADER_BYTES - 1)
    let at = findEntryMagic(window, 0)
    while (at !== undefined && at < WINDOW_BYTES) {
      const head = peekEntry(window, at)
      if (head !== undefined && start + at + head.bytes <= length && wanted(head, start + at)) {
        const whole = await file.read(start + at, head.bytes)
        if (decodeEntry(whole, 0) !== undefined) return head
      }
      at = findEntryMagic(window, at + 1)
    }
    if (window.length < WINDOW_BYTES) return undefined
  }
}

function fileOffset(header: SegmentHeader, position: WalPosition): number {
  return SEGMENT_PAGE_BYTES + position - header.base
}

function isAt(head: EntryHead, header: SegmentHeader, position: WalPosition): boolean {
  return head.position === position && head.sequence === header.sequence && head.salt === header.salt
}

function markOf(sequence: number, mark: SegmentMark | undefined): SegmentMark | undefined {
  return mark?.sequence === sequence ? mark : undefined
}

function damaged({ file, header }: FoundSegment, position: WalPosition, proof: string): Fault {
  return new Fault(
    'corrupt',
    `write-ahead log: ${file.name} (segment ${header.sequence}) is damaged at position ${position}, ` +
      `byte ${fileOffset(header, position)} of the file, in the middle of the log: ${proof}`
  )
}
