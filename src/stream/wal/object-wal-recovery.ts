/**
 * Takes the object write-ahead log of a node over: reads it to its end and fences it there, so that nobody before us can
 * append any more.
 *
 * A log ends at its first missing key. Our fence is put under that key, if it is still absent: from then on the old
 * owner's PUT of that key fails, and as it acknowledges in order, it acknowledges nothing more. Everything it did
 * acknowledge lies before the fence, hence was read. The fence names our log, where whoever comes next goes on reading.
 * Of two who take over at once, one fence stands: the higher epoch follows the other's log and fences that too, the lower
 * one meets a fence of a higher epoch and gives up.
 *
 * The mark says where to begin; what lies before may be gone. It is read again at the end: had anybody committed a later
 * one meanwhile, what we took for the end could be a place that was trimmed. LIST is asked only for proof of damage.
 */
import type { ObjectStore } from '../../object-store/object-store.ts'
import { getIfPresent } from '../../object-store/presence.ts'
import { Fault } from '../../runtime/fault.ts'
import { isHole, type LogAccess, lastOf } from './object-wal-hole.ts'
import { decodeObject, encodeFence } from './object-wal-object.ts'
import { decodeMark, keyOf, type LogPlace, positionIn, ROOT, SEQUENCE_MAX } from './object-wal-place.ts'
import type { ExclusivePuts } from './object-wal-put.ts'
import { persist, type RetryEffects } from './object-wal-retry.ts'
import type { ReplayedRecord } from './wal.ts'

/** Objects that are read ahead: enough to hide the latency, few enough for 8 MiB each. */
const READ_AHEAD = 4

export interface TakeOverParts {
  readonly nodeId: number
  /** Ours. */
  readonly epoch: number
  readonly nonce: Buffer
  readonly store: Pick<ObjectStore, 'get' | 'list'>
  readonly puts: ExclusivePuts
  readonly effects: RetryEffects
  /** What the metadata says, now. */
  readonly loadMark: () => Promise<string | undefined>
}

/** A batch that holds records of the log. */
export interface LiveObject {
  readonly place: LogPlace
  readonly records: number
  readonly bytes: number
}

export interface TakenLog {
  /** In the order of the log. */
  readonly live: LiveObject[]
  /** Where the replay began: objects with a lower sequence hold nothing any more. */
  readonly begin: LogPlace
  /** Where our own log begins. */
  readonly next: LogPlace
}

/** Faults: `fenced` (somebody newer is the owner), `corrupt`, `invalid` (no mark of this kind of log), `closed`. */
export async function takeOver(parts: TakeOverParts, visit: (record: ReplayedRecord) => void): Promise<TakenLog> {
  const mark = await parts.loadMark()
  const begin = mark === undefined ? ROOT : decodeMark(mark)
  requireOlder(parts, begin)
  const live: LiveObject[] = []
  const reader = new ObjectReader(parts)
  for (let place = begin; ; ) {
    const bytes = await reader.read(place)
    if (bytes === undefined) {
      const next = await fence(parts, place, mark)
      if (next !== undefined) {
        if ((await parts.loadMark()) !== mark) throw overtaken(parts)
        return { live, begin, next }
      }
      // Somebody was faster: what lies there now is read like everything before.
      continue
    }
    const object = decodeObject(bytes, parts.nodeId, place)
    if (object.kind === 'fence') {
      place = followed(parts, place, object.successor)
      continue
    }
    const { sequence } = place
    let index = 0
    for (const record of object.records) visit({ ...record, end: positionIn(sequence, ++index) })
    live.push({ place, records: object.records.length, bytes: bytes.length })
    place = { epoch: place.epoch, sequence: sequence + 1 }
  }
}

/** Ends the log at `place`, which was missing. Where ours begins; undefined when somebody has written there meanwhile. */
async function fence(parts: TakeOverParts, place: LogPlace, mark: string | undefined): Promise<LogPlace | undefined> {
  const { nodeId, epoch, nonce, puts } = parts
  if (place.sequence >= SEQUENCE_MAX) throw new Fault('invalid', 'the write-ahead log has used up its sequences')
  if (await isHole(accessOf(parts), nodeId, place)) {
    if ((await parts.loadMark()) !== mark) throw overtaken(parts)
    throw new Fault(
      'corrupt',
      `write-ahead log: object ${keyOf(nodeId, place)} is missing, and later ones show that it was stored: ` +
        'restore it, or the metadata that belongs to this bucket'
    )
  }
  const next = { epoch, sequence: place.sequence + 1 }
  return (await puts.put(keyOf(nodeId, place), encodeFence({ nodeId, place, nonce }, next))) ? next : undefined
}

/** The log as it is looked at here: for as long as the store is away. */
function accessOf({ store, effects }: Pick<TakeOverParts, 'store' | 'effects'>): LogAccess {
  return {
    last: (prefix) => persist(effects, 'list the write-ahead log', () => lastOf(store.list(prefix))),
    getIfPresent: (key, range) => persist(effects, `read ${key}`, () => getIfPresent(store, key, range))
  }
}

/** A fence leads forward, and never to our own log: that begins behind the fence that we have yet to write. */
function followed(parts: TakeOverParts, from: LogPlace, successor: LogPlace): LogPlace {
  requireOlder(parts, successor)
  if (successor.epoch > from.epoch && successor.sequence === from.sequence + 1) return successor
  const target = keyOf(parts.nodeId, successor)
  throw new Fault('corrupt', `write-ahead log: the fence ${keyOf(parts.nodeId, from)} leads to ${target}`)
}

function requireOlder({ nodeId, epoch }: TakeOverParts, place: LogPlace): void {
  if (place.epoch < epoch) return
  const reason =
    place.epoch > epoch
      ? 'another process has started as the same node'
      : 'the metadata gave the epoch out before; was it restored from a copy?'
  throw new Fault(
    'fenced',
    `the write-ahead log of node ${nodeId} is held by epoch ${place.epoch}, ours is ${epoch}: ${reason}`
  )
}

function overtaken({ nodeId, epoch }: TakeOverParts): Fault {
  return new Fault(
    'fenced',
    `the write-ahead log of node ${nodeId} was trimmed by another process while epoch ${epoch} took it over: start again`
  )
}

/** Reads consecutive objects of a log, some ahead of their turn once it goes on for a while. */
class ObjectReader {
  readonly #parts: TakeOverParts
  #ahead = new Map<string, Promise<Buffer | undefined>>()
  #epoch = -1
  #found = 0

  constructor(parts: TakeOverParts) {
    this.#parts = parts
  }

  /** The object at `place`; undefined when there was none, perhaps a moment ago. */
  async read(place: LogPlace): Promise<Buffer | undefined> {
    if (place.epoch !== this.#epoch) {
      // What was read ahead lies behind a fence.
      this.#ahead.clear()
      this.#epoch = place.epoch
      this.#found = 0
    }
    for (let step = 0; step <= Math.min(this.#found, READ_AHEAD); step++) {
      this.#start({ epoch: place.epoch, sequence: place.sequence + step })
    }
    const key = keyOf(this.#parts.nodeId, place)
    const bytes = await this.#ahead.get(key)
    this.#ahead.delete(key)
    this.#found++
    return bytes
  }

  #start(place: LogPlace): void {
    const key = keyOf(this.#parts.nodeId, place)
    if (this.#ahead.has(key)) return
    const reading = accessOf(this.#parts).getIfPresent(key)
    // Whoever waits for it hears of the error; of what is never waited for nobody needs to.
    reading.catch(() => {})
    this.#ahead.set(key, reading)
  }
}
