/**
 * What a write-ahead log holds of each stream, and whether it goes on where the objects end. How a log is read is the
 * business of `file-log.ts` and `object-log.ts`; here is what both hand out.
 */
import type { Fault } from '../../runtime/fault.ts'
import type { WalRecord } from '../../stream/wal/wal.ts'
import { damage, type Finding } from './finding.ts'
import type { EntryOrProblem } from './stored-entry.ts'
import { type StoredState, streamNames } from './stored-state.ts'

/** Where objects end, by stream: what the log holds beyond is in the log alone. */
export type SavedTo = (streamId: number) => number | undefined

/**
 * A log that is read and never changed. A node may append to it and trim it meanwhile: that is no damage.
 */
export interface LogSource {
  /** Names the log in what is reported. */
  readonly name: string
  /** Reads all of it. Damage is among the findings; other faults too, as `unreadable`. */
  survey(savedTo?: SavedTo): Promise<LogSurvey>
  /** Its entries, in order. Faults of the device or the store. */
  entries(): AsyncGenerator<EntryOrProblem>
}

/** Entries of one stream without a gap between their offsets: [startOffset, endOffset). */
export interface LogRun {
  readonly startOffset: number
  endOffset: number
  entries: number
  /** Payload bytes. */
  bytes: number
  /** Largest epoch under which one of them was appended. */
  epoch: number
}

export interface LogSurvey {
  readonly name: string
  /** Segment files or objects that hold the log. */
  readonly segments: number
  /** Bytes of everything that lies in the log's place, also of what waits to be used again or deleted. */
  readonly placeBytes: number
  readonly entries: number
  /** Payload bytes of entries. */
  readonly bytes: number
  /** The end of the log was torn by a crash: never acknowledged, and no damage. */
  readonly torn: boolean
  /** By stream, in the order of the log. */
  readonly runs: ReadonlyMap<number, readonly LogRun[]>
  readonly findings: readonly Finding[]
}

/** Gathers what a log holds while it is read. */
export class RunCollector {
  readonly runs = new Map<number, LogRun[]>()
  readonly #savedTo: SavedTo
  entries = 0
  bytes = 0

  constructor(savedTo: SavedTo) {
    this.#savedTo = savedTo
  }

  add({ streamId, epoch, entry }: WalRecord): void {
    this.entries++
    this.bytes += entry.payload.length
    const ofStream = this.runs.get(streamId) ?? []
    if (ofStream.length === 0) this.runs.set(streamId, ofStream)
    let run = ofStream.at(-1)
    // A run ends where objects do, so that what is in the log alone can be told apart.
    if (run?.endOffset !== entry.baseOffset || entry.baseOffset === this.#savedTo(streamId)) {
      run = { startOffset: entry.baseOffset, endOffset: entry.baseOffset, entries: 0, bytes: 0, epoch }
      ofStream.push(run)
    }
    run.endOffset = entry.lastOffset + 1
    run.entries++
    run.bytes += entry.payload.length
    run.epoch = Math.max(run.epoch, epoch)
  }
}

/** Of a stream's runs, what objects do not hold yet. */
export function unsavedRuns(survey: LogSurvey, streamId: number, endOffset: number): readonly LogRun[] {
  return (survey.runs.get(streamId) ?? []).filter((run) => run.endOffset > endOffset)
}

/**
 * Every stream must go on in the log where its objects end.
 * @param state loaded after the survey: what was uploaded meanwhile is then in objects.
 */
export function checkContinuation(survey: LogSurvey, state: StoredState, wanted: (id: number) => boolean): Finding[] {
  const nameOf = streamNames(state)
  const remedy =
    'keep a copy of the log; if an old metadata database or log was put back, put both back from one moment'
  const findings: Finding[] = []
  for (const streamId of survey.runs.keys()) {
    const stream = state.streams.get(streamId)
    if (stream === undefined || !wanted(streamId)) continue
    const report = (problem: string): void =>
      void findings.push(damage(`${survey.name}, ${nameOf(streamId)}`, problem, remedy))
    let end = stream.endOffset
    for (const run of unsavedRuns(survey, streamId, stream.endOffset)) {
      if (run.startOffset > end)
        report(`it goes on at offset ${run.startOffset}, but before it the stream ends at ${end}`)
      if (run.epoch > stream.epoch) {
        report(`appended under epoch ${run.epoch}, the metadata knows epoch ${stream.epoch}: it is older than the log`)
      }
      end = Math.max(end, run.endOffset)
    }
  }
  return findings
}

/** The survey of a log that cannot be read at all. */
export function failedSurvey(name: string, fault: Fault): LogSurvey {
  return {
    name,
    segments: 0,
    placeBytes: 0,
    entries: 0,
    bytes: 0,
    torn: false,
    runs: new Map(),
    findings: [logFinding(name, fault)]
  }
}

function logFinding(place: string, { kind, message: problem }: Fault): Finding {
  if (kind === 'corrupt' || kind === 'invalid') {
    const remedy = 'keep a copy of the log; a node refuses to start on it, because acknowledged records may be lost'
    return damage(place, problem, remedy)
  }
  if (kind === 'missing') return damage(place, problem, 'put the log back, or name the right place with --wal')
  const remedy = 'see that the log can be read, and verify again; with the node stopped if it changes too fast'
  return { kind: 'unreadable', place, problem, remedy }
}
