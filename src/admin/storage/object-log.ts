/**
 * The write-ahead log of a node in an object store, for those who only look at it: they follow the chain of logs from
 * the mark in the metadata to the first missing key, as a node does that takes the log over, but write no fence.
 *
 * The node may trim what is being read. It commits another mark before it deletes anything, so whatever seems to be
 * missing or damaged counts only while the mark is the same as before.
 */
import type { ObjectStore } from '../../object-store/object-store.ts'
import { getIfPresent } from '../../object-store/presence.ts'
import { Fault, isFault } from '../../runtime/fault.ts'
import { isHole, type LogAccess, lastOf } from '../../stream/wal/object-wal-hole.ts'
import { decodeObject, type WalObject } from '../../stream/wal/object-wal-object.ts'
import { decodeMark, keyOf, type LogPlace, prefixOfNode, ROOT } from '../../stream/wal/object-wal-place.ts'
import { damage, type Finding } from './finding.ts'
import { failedSurvey, type LogSource, type LogSurvey, RunCollector, type SavedTo } from './log-survey.ts'
import type { EntryOrProblem, StoredEntry } from './stored-entry.ts'

const PASSES_MAX = 6
const REMEDY = 'restore it from a copy of the store; a node refuses to start on this log'

const LOG_KEY = /^wal\/(\d+)\/(\d+)\/(\d+)$/

/** The entries of one object of a log, undefined when the key is not that of one. Faults of the store, or `corrupt`. */
export async function findLogObject(
  store: Pick<ObjectStore, 'get'>,
  key: string
): Promise<readonly StoredEntry[] | undefined> {
  const [, nodeId, epoch, sequence] = (LOG_KEY.exec(key) ?? []).map(Number)
  if (nodeId === undefined || epoch === undefined || sequence === undefined) return undefined
  const object = decodeObject(await store.get(key), nodeId, { epoch, sequence })
  if (object.kind === 'fence') return []
  return object.records.map(({ streamId, entry }) => ({ streamId, entry, place: key }))
}

/** An object of the log, or what is wrong in its place. */
type Step = { readonly key: string; readonly content: WalObject | Fault }

export interface ObjectLogParts {
  readonly nodeId: number
  readonly store: Pick<ObjectStore, 'get' | 'head' | 'list'>
  /** What the metadata says, now. */
  readonly loadMark: () => Promise<string | undefined>
}

export class ObjectLog implements LogSource {
  readonly name: string
  readonly #parts: ObjectLogParts

  constructor(parts: ObjectLogParts) {
    this.name = `write-ahead log ${prefixOfNode(parts.nodeId)} in the object store`
    this.#parts = parts
  }

  async survey(savedTo: SavedTo = () => undefined): Promise<LogSurvey> {
    try {
      for (let pass = 1; ; pass++) {
        const mark = await this.#parts.loadMark()
        const survey = await this.#readOnce(mark, savedTo)
        if (survey.findings.length === 0 || (await this.#parts.loadMark()) === mark) return survey
        if (pass === PASSES_MAX) throw new Fault('unavailable', 'it is trimmed faster than it can be read')
      }
    } catch (error) {
      if (isFault(error)) return failedSurvey(this.name, error)
      throw error
    }
  }

  async *entries(): AsyncGenerator<EntryOrProblem> {
    for await (const { key, content } of this.#walk(await this.#parts.loadMark())) {
      if (isFault(content)) yield { place: key, problem: content.message, nextOffset: undefined }
      else if (content.kind === 'fence') continue
      else for (const { streamId, entry } of content.records) yield { streamId, entry, place: key }
    }
  }

  async #readOnce(mark: string | undefined, savedTo: SavedTo): Promise<LogSurvey> {
    const found = new RunCollector(savedTo)
    const findings: Finding[] = []
    let segments = 0
    for await (const { key, content } of this.#walk(mark)) {
      if (isFault(content)) findings.push(damage(key, content.message, REMEDY))
      else if (content.kind === 'batch') {
        segments++
        for (const record of content.records) found.add(record)
      }
    }
    let placeBytes = 0
    for await (const { size } of this.#parts.store.list(prefixOfNode(this.#parts.nodeId))) placeBytes += size
    const { entries, bytes, runs } = found
    return { name: this.name, segments, placeBytes, entries, bytes, torn: false, runs, findings }
  }

  async *#walk(mark: string | undefined): AsyncGenerator<Step> {
    const { nodeId } = this.#parts
    let place = mark === undefined ? ROOT : decodeMark(mark)
    for (;;) {
      const key = keyOf(nodeId, place)
      const content = await this.#load(place)
      if (content === undefined) return
      yield { key, content }
      const next = { epoch: place.epoch, sequence: place.sequence + 1 }
      if (isFault(content) || content.kind === 'batch') place = next
      else if (content.successor.epoch > place.epoch && content.successor.sequence === next.sequence) {
        place = content.successor
      } else {
        const target = keyOf(nodeId, content.successor)
        yield { key, content: new Fault('corrupt', `the fence leads to ${target}, which cannot follow`) }
        return
      }
    }
  }

  /** The object at `place`, or the Fault `corrupt` that it is; undefined behind the end of the log. */
  async #load(place: LogPlace): Promise<WalObject | Fault | undefined> {
    const { nodeId, store } = this.#parts
    const bytes = await getIfPresent(store, keyOf(nodeId, place))
    try {
      if (bytes !== undefined) return decodeObject(bytes, nodeId, place)
    } catch (error) {
      if (isFault(error, 'corrupt')) return error
      throw error
    }
    if (!(await this.#wasStored(place))) return undefined
    return new Fault('corrupt', 'it is missing, and a later object shows that it was stored')
  }

  async #wasStored(place: LogPlace): Promise<boolean> {
    const { nodeId, store } = this.#parts
    const access: LogAccess = {
      last: (prefix) => lastOf(store.list(prefix)),
      getIfPresent: (key, range) => getIfPresent(store, key, range)
    }
    try {
      return await isHole(access, nodeId, place)
    } catch (error) {
      // Damage of the last object is found when the walk comes to it; until then it proves nothing.
      if (isFault(error, 'corrupt')) return false
      throw error
    }
  }
}
