/**
 * A write-ahead log in files, for those who only look at it.
 *
 * A node may append to the log, trim it and use its files again meanwhile, so that one pass can meet what looks like
 * damage. Real damage stays where it is: it counts when two passes in a row find the very same.
 */
import { Fault, isFault } from '../../runtime/fault.ts'
import { silentLog } from '../../runtime/log.ts'
import { isSegmentName } from '../../stream/wal/segment-pool.ts'
import type { WalDevice, WalFile } from '../../stream/wal/wal-device.ts'
import { decodeEntry, ENTRY_HEADER_BYTES, type EntryHead, peekEntry } from '../../stream/wal/wal-entry.ts'
import { readLogId, requireMarkedLog, UNNAMED } from '../../stream/wal/wal-identity.ts'
import { recoverLog } from '../../stream/wal/wal-recovery.ts'
import { decodeSegmentPage, SEGMENT_PAGE_BYTES, type SegmentHeader } from '../../stream/wal/wal-segment.ts'
import { failedSurvey, type LogSource, type LogSurvey, RunCollector, type SavedTo } from './log-survey.ts'
import type { StoredEntry } from './stored-entry.ts'

const PASSES_MAX = 6
/** How much of a segment is read at once. */
const WINDOW_BYTES = 4 * 1024 * 1024

/** Opens the log's files anew; `close` gives them back. */
export type OpenDevice = () => WalDevice & { close(): Promise<void> }

export class FileLog implements LogSource {
  readonly name: string
  readonly #open: OpenDevice
  readonly #loadMark: () => Promise<string | undefined>

  /** @param loadMark what the metadata says of the log of the node that the configuration names. */
  constructor(folder: string, open: OpenDevice, loadMark: () => Promise<string | undefined>) {
    this.name = `write-ahead log ${folder}`
    this.#open = open
    this.#loadMark = loadMark
  }

  async survey(savedTo: SavedTo = () => undefined): Promise<LogSurvey> {
    let before: Fault | undefined
    for (let pass = 1; ; pass++) {
      const outcome = await this.#readOnce(savedTo)
      if (!isFault(outcome)) return outcome
      if (before?.message === outcome.message) return failedSurvey(this.name, outcome)
      if (pass === PASSES_MAX) {
        const message = `it changed faster than it could be read: ${outcome.message}`
        return failedSurvey(this.name, new Fault('unavailable', message, { cause: outcome }))
      }
      before = outcome
    }
  }

  /** Over the segments in use, each up to the first place without an intact entry. */
  async *entries(): AsyncGenerator<StoredEntry> {
    const device = this.#open()
    try {
      for (const { name, file } of await segmentsInUse(device)) yield* readSegment(file, name)
    } finally {
      await device.close()
    }
  }

  async #readOnce(savedTo: SavedTo): Promise<LogSurvey | Fault> {
    const device = this.#open()
    const found = new RunCollector(savedTo)
    let torn = false
    const log = {
      ...silentLog,
      warn: () => {
        torn = true
      }
    }
    try {
      // Before the log is read: a node may move it on meanwhile.
      const mark = await this.#loadMark()
      const { live, end } = await recoverLog(device, log, (record) => found.add(record))
      if (mark?.startsWith('file:')) requireMarkedLog(mark, (await readLogId(device)) ?? UNNAMED, end)
      const placeBytes = (await device.list()).reduce((sum, file) => sum + file.bytes, 0)
      const { entries, bytes, runs } = found
      return { name: this.name, segments: live.length, placeBytes, entries, bytes, torn, runs, findings: [] }
    } catch (error) {
      if (isFault(error)) return error
      throw error
    } finally {
      await device.close()
    }
  }
}

/**
 * The intact entries of a segment up to the first place without one. Fault `corrupt` when the file has no header.
 * @param name of the file, for what is handed out.
 */
export async function* readSegment(file: WalFile, name: string): AsyncGenerator<StoredEntry> {
  const { header } = decodeSegmentPage(await file.read(0, SEGMENT_PAGE_BYTES))
  if (header === undefined) {
    throw new Fault('corrupt', `${name} has no intact segment header: it is new or spare, or damaged`)
  }
  let position = 0
  let windowBytes = WINDOW_BYTES
  for (;;) {
    const window = await file.read(SEGMENT_PAGE_BYTES + position, windowBytes)
    let used = 0
    for (;;) {
      const found = decodeEntry(window, used)
      if (found === undefined || !isAt(found.head, header, position + used)) break
      const place = `${name} at byte ${SEGMENT_PAGE_BYTES + position + used}`
      used += found.head.bytes
      yield { streamId: found.record.streamId, entry: found.record.entry, place }
    }
    position += used
    if (used > 0) {
      windowBytes = WINDOW_BYTES
      continue
    }
    // Not even one entry: it is larger than the window, or this is the end.
    const head = window.length < ENTRY_HEADER_BYTES ? undefined : peekEntry(window, 0)
    const cutOff = head !== undefined && head.bytes > window.length && window.length === windowBytes
    if (!cutOff || !isAt(head, header, position)) return
    windowBytes = head.bytes
  }
}

async function segmentsInUse(device: WalDevice): Promise<{ name: string; file: WalFile }[]> {
  const found: { name: string; file: WalFile; sequence: number }[] = []
  for (const { name } of await device.list()) {
    if (!isSegmentName(name)) continue
    const file = await device.open(name)
    const { header, freed } = decodeSegmentPage(await file.read(0, SEGMENT_PAGE_BYTES))
    if (header === undefined || (freed !== undefined && freed.sequence >= header.sequence)) continue
    found.push({ name, file, sequence: header.sequence })
  }
  return found.sort((a, b) => a.sequence - b.sequence)
}

function isAt(head: EntryHead, header: SegmentHeader, position: number): boolean {
  return head.sequence === header.sequence && head.salt === header.salt && head.position === header.base + position
}
