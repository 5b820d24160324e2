/**
 * Reads everything that is stored and compares it with the metadata: the metadata with itself, the write-ahead log,
 * every live object, and what lies in the stores beside them. Changes nothing.
 *
 * It may run beside a node. What looks wrong is looked at again with the metadata of that moment before it is reported,
 * so that what was compacted, trimmed or uploaded meanwhile raises no false alarm. Memory: the metadata, and a few
 * megabytes per object that is read at the same time.
 */
import { Fault, isFault } from '../../runtime/fault.ts'
import type { Finding, FindingKind } from './finding.ts'
import { checkContinuation, type LogSurvey } from './log-survey.ts'
import { type CheckedObject, checkObject, type EntryCheck } from './object-check.ts'
import { type OrphanTotals, searchOrphans } from './orphan-search.ts'
import { checkState } from './state-check.ts'
import type { StoredData } from './stored-data.ts'
import {
  denseOffsets,
  findCommitted,
  findTopic,
  loadStoredState,
  rangesByObject,
  type StoredState,
  streamNames,
  type TrackedObject
} from './stored-state.ts'

export interface VerificationOptions {
  /** Only what belongs to this topic; orphans are not looked for then. */
  readonly topic?: string
  /** Objects that are read at the same time. */
  readonly concurrency: number
  readonly checkEntry?: EntryCheck
  /** Called as soon as each is certain. */
  readonly found: (finding: Finding) => void
  readonly progress: (progress: VerificationProgress) => void
  /** Ends the verification early, with Fault `closed`. */
  readonly stop: AbortSignal
}

export interface VerificationProgress {
  readonly objects: number
  readonly objectsTotal: number
  readonly bytes: number
  readonly bytesTotal: number
}

export interface VerificationTotals {
  readonly streams: number
  readonly objects: number
  readonly blocks: number
  readonly entries: number
  readonly records: number
  readonly bytes: number
  /** Objects that were compacted or trimmed away before they could be read. */
  readonly objectsGone: number
  readonly logs: readonly LogSurvey[]
  readonly orphans: OrphanTotals | undefined
  readonly findings: Readonly<Record<FindingKind, number>>
}

interface Suspect {
  readonly id: number
  readonly findings: readonly Finding[]
}

/** Damaged objects that are looked at again with one reload of the metadata. */
const SUSPECTS_AT_ONCE = 256

/** Fault `missing` when there is no such topic; `closed` when it was stopped. */
export async function verifyStorage(data: StoredData, options: VerificationOptions): Promise<VerificationTotals> {
  return new Verification(data, options).run()
}

class Verification {
  readonly #data: StoredData
  readonly #options: VerificationOptions
  readonly #findings: Record<FindingKind, number> = { damage: 0, unreadable: 0, orphan: 0 }
  readonly #totals = { objects: 0, blocks: 0, entries: 0, records: 0, bytes: 0, objectsGone: 0 }

  constructor(data: StoredData, options: VerificationOptions) {
    this.#data = data
    this.#options = options
  }

  async run(): Promise<VerificationTotals> {
    // Logs come first: whatever leaves one while it is read is in the state that is loaded after it.
    const logs: LogSurvey[] = []
    for (const log of this.#data.logs) logs.push(await log.survey())
    const state = await loadStoredState(this.#data.database)
    const wanted = wantedStreams(state, this.#options.topic)
    for (const log of logs) this.#report(log.findings)
    this.#report(checkState(state))
    for (const log of logs) this.#report(checkContinuation(log, state, (id) => wanted.has(id)))
    const orphans = this.#options.topic === undefined ? await this.#searchOrphans(state) : undefined
    await this.#checkObjects(state)
    return { streams: wanted.size, ...this.#totals, logs, orphans, findings: this.#findings }
  }

  async #searchOrphans(state: StoredState): Promise<OrphanTotals | undefined> {
    try {
      return await searchOrphans({ ...this.#data, state }, (orphan) => this.#report([orphan]))
    } catch (error) {
      if (!isFault(error)) throw error
      const remedy = 'see that the object store answers, and verify again'
      this.#report([{ kind: 'unreadable', place: 'list of objects', problem: error.message, remedy }])
      return undefined
    }
  }

  async #checkObjects(state: StoredState): Promise<void> {
    const plan = this.#plan(state)
    const bytesTotal = plan.objects.reduce((sum, { bytes }) => sum + bytes, 0)
    let objects = 0
    let bytes = 0
    const suspects: number[] = []
    await this.#checkEach(plan, (object, checked) => {
      objects++
      bytes += object.bytes
      this.#options.progress({ objects, objectsTotal: plan.objects.length, bytes, bytesTotal })
      if (checked.findings.length === 0) this.#count(checked)
      else suspects.push(object.id)
    })
    for (let first = 0; first < suspects.length; first += SUSPECTS_AT_ONCE) {
      await this.#checkAgain(suspects.slice(first, first + SUSPECTS_AT_ONCE))
    }
  }

  /** Compaction, trim or deletion may have come between the metadata and the object: judged anew, by newer metadata. */
  async #checkAgain(objectIds: readonly number[]): Promise<void> {
    const plan = this.#plan(await loadStoredState(this.#data.database), new Set(objectIds))
    const suspects: Suspect[] = []
    await this.#checkEach(plan, (object, checked) => {
      this.#count(checked)
      if (checked.findings.length > 0) suspects.push({ id: object.id, findings: checked.findings })
    })
    const ids = suspects.map(({ id }) => id)
    const committed = await findCommitted(this.#data.database, ids)
    for (const { id, findings } of suspects) {
      if (committed.has(id)) this.#report(findings)
    }
    this.#totals.objectsGone += objectIds.length - plan.objects.length + ids.length - committed.size
  }

  /** Live objects with what is expected of them. @param ids only these. */
  #plan(state: StoredState, ids?: ReadonlySet<number>): ObjectPlan {
    const { topic, checkEntry } = this.#options
    const wanted = wantedStreams(state, topic)
    const ranges = rangesByObject(state)
    const isWanted = ({ id, state }: TrackedObject): boolean =>
      state === 'committed' &&
      (ids === undefined || ids.has(id)) &&
      (topic === undefined || (ranges.get(id) ?? []).some(({ streamId }) => wanted.has(streamId)))
    const shared = {
      // Without a topic everything is read, also what nothing refers to any more.
      wanted: topic === undefined ? () => true : (streamId: number) => wanted.has(streamId),
      denseFrom: denseOffsets(state),
      nameOf: streamNames(state),
      ...(checkEntry === undefined ? {} : { checkEntry })
    }
    return {
      objects: [...state.objects.values()].filter(isWanted),
      check: (object) =>
        checkObject({
          ...shared,
          store: this.#data.stores.store(object.profile),
          object,
          ranges: ranges.get(object.id) ?? []
        })
    }
  }

  async #checkEach(
    { objects, check }: ObjectPlan,
    done: (object: TrackedObject, checked: CheckedObject) => void
  ): Promise<void> {
    let next = 0
    const work = async (): Promise<void> => {
      for (let object = objects[next++]; object !== undefined; object = objects[next++]) {
        if (this.#options.stop.aborted) throw new Fault('closed', 'stopped before everything was verified')
        done(object, await check(object))
      }
    }
    await Promise.all(Array.from({ length: Math.min(this.#options.concurrency, objects.length) }, work))
  }

  #count({ blocks, entries, records, bytes }: CheckedObject): void {
    this.#totals.objects++
    this.#totals.blocks += blocks
    this.#totals.entries += entries
    this.#totals.records += records
    this.#totals.bytes += bytes
  }

  #report(findings: readonly Finding[]): void {
    for (const finding of findings) {
      this.#findings[finding.kind]++
      this.#options.found(finding)
    }
  }
}

interface ObjectPlan {
  readonly objects: readonly TrackedObject[]
  readonly check: (object: TrackedObject) => Promise<CheckedObject>
}

function wantedStreams(state: StoredState, topicName: string | undefined): ReadonlySet<number> {
  if (topicName === undefined) return new Set(state.streams.keys())
  return new Set(findTopic(state, topicName).partitions.map(({ streamId }) => streamId))
}
