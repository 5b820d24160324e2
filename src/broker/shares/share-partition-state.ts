/**
 * What a share group knows of a partition (KIP-932): which records are in flight, who holds them, how often each was
 * delivered, and from where on nothing was. Pure: no I/O, no clock; whoever calls says what time it is.
 *
 *     archived, acknowledged │ available, acquired, acknowledged, archived │ never delivered
 *                       startOffset                                    endOffset
 *
 * Invariants: a record is held by one member at most. What is acknowledged or archived stays so. A change that a member
 * asks for counts once it is stored (`settle`); until then nobody else can have the records, and if it cannot be stored
 * its holder has them again. Nothing before `startOffset` is ever delivered.
 *
 * Unlike Kafka, which keeps batches as they were fetched and falls back to single records, it keeps runs of records that
 * are alike; and a record that was in flight when the state was last stored, without a word of it, is simply available.
 */
import { Fault } from '../../runtime/fault.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { type Acquired, type AcquireRequest, without } from './acquisition.ts'
import { type DeliveryState, type OffsetRange, RecordRuns, type Run } from './record-runs.ts'
import type { StateBatch } from './share-state.ts'

/** Settings of the group as they are now. */
export interface DeliveryLimits {
  /** Deliveries after which a record that comes back is archived. */
  readonly deliveriesMax: number
  /** Records between start and end at which nothing new is delivered. */
  readonly inFlightMax: number
  readonly lockMs: number
  readonly renewals: boolean
}

/** Acknowledgements as in the protocol: 0 gap, 1 accept, 2 release, 3 reject, 4 renew (KIP-1222). */
export interface Acknowledgement extends OffsetRange {
  /** One for all, or one for each offset. */
  readonly types: readonly number[]
}

/** What has to be stored; `settle` has to be told how that went. Without batches there is nothing to store. */
export interface Change {
  readonly id: number
  readonly batches: readonly StateBatch[]
}

export type AcknowledgeError = typeof ErrorCode.INVALID_RECORD_STATE | typeof ErrorCode.INVALID_REQUEST

export interface Refusal {
  readonly errorCode: AcknowledgeError
  readonly errorMessage: string
}

const RENEW = 4
const TARGETS: readonly (DeliveryState | undefined)[] = ['archived', 'acknowledged', 'available', 'archived']
const STORED_STATES = { available: 0, acquired: 1, acknowledged: 2, archived: 4 } as const
/** A record is isolated from others once it was delivered so often, however few deliveries there are. */
const ISOLATED_FROM_MIN = 2

export class SharePartitionState {
  readonly #runs = new RecordRuns()
  #startOffset: number
  #endOffset: number
  #lastChange = 0

  /** Fault `corrupt` when the saved batches cannot be. */
  constructor(startOffset: number, saved: readonly StateBatch[] = []) {
    this.#startOffset = startOffset
    this.#endOffset = startOffset
    for (const { firstOffset, lastOffset, deliveryState, deliveryCount } of saved) {
      if (lastOffset < firstOffset || firstOffset < this.#endOffset) {
        throw new Fault('corrupt', `share state has ${firstOffset} to ${lastOffset} behind ${this.#endOffset - 1}`)
      }
      // Delivered once, and its holder never answered.
      if (firstOffset > this.#endOffset) this.#add({ first: this.#endOffset, last: firstOffset - 1 }, 'available', 0)
      this.#add({ first: firstOffset, last: lastOffset }, stateOf(deliveryState), deliveryCount)
    }
    this.#advance()
  }

  /** First record that is not done with. */
  get startOffset(): number {
    return this.#startOffset
  }

  /** Offset after the last record that was ever delivered. */
  get endOffset(): number {
    return this.#endOffset
  }

  /** Records behind the start that are done with (KIP-1226). */
  get completed(): number {
    let completed = 0
    for (const run of this.#runs) if (isDone(run.state)) completed += run.last - run.first + 1
    return completed
  }

  runs(): Iterable<Readonly<Run>> {
    return this.#runs
  }

  /** Where to read on: the first record that can be delivered again, or else the first that never was. */
  get nextFetchOffset(): number {
    for (const run of this.#runs) if (isFree(run)) return run.first
    return this.#endOffset
  }

  canAcquire({ inFlightMax }: DeliveryLimits): boolean {
    return this.nextFetchOffset < this.#endOffset || this.#endOffset - this.#startOffset < inFlightMax
  }

  /** When the next lock runs out, on the clock of `now`; undefined when nobody holds anything. */
  get nextExpiry(): number | undefined {
    let next: number | undefined
    for (const run of this.#runs) {
      if (run.state === 'acquired' && (next === undefined || run.lockedUntil < next)) next = run.lockedUntil
    }
    return next
  }

  /** Gives records to a member, of those that were read at `fetchOffset`. */
  acquire(request: AcquireRequest, now: number, limits: DeliveryLimits): readonly Acquired[] {
    const last = request.batches.at(-1)
    const first = request.batches[0]
    if (first === undefined || last === undefined || last.last < this.#startOffset) return []
    this.#archive({ first: request.fetchOffset, last: first.first - 1 })
    const range = { first: Math.max(first.first, this.#startOffset), last: last.last }
    const taken: Acquired[] = []
    let room = request.recordsMax
    const take = (range: OffsetRange) => {
      room -= range.last - range.first + 1
      for (const piece of request.pieces(range)) taken.push(...this.#lock(piece, request.member, now + limits.lockMs))
    }
    const isolated = this.#takeFree(range, request, limits, () => room, take)
    const spare = limits.inFlightMax - (this.#endOffset - this.#startOffset)
    if (!isolated) this.#takeNew(range, request, Math.min(room, spare), take)
    for (const skipped of request.skipped) this.#archive(skipped, request.member)
    this.#advance()
    return without(taken, request.skipped)
  }

  /** Begins the change that the member's acknowledgements ask for, all of them or none. */
  acknowledge(
    member: string,
    acknowledgements: readonly Acknowledgement[],
    now: number,
    limits: DeliveryLimits
  ): Change | Refusal {
    const id = ++this.#lastChange
    const changed: Run[] = []
    for (const acknowledgement of acknowledgements) {
      const refusal = this.#acknowledge(member, acknowledgement, id, now, limits, changed)
      if (refusal === undefined) continue
      this.settle(id, false, now, limits)
      return refusal
    }
    const batches = changed.map(toStateBatch)
    this.#runs.join()
    return { id, batches }
  }

  /** Begins to give back everything that a member holds. */
  release(member: string, limits: DeliveryLimits): Change {
    const id = ++this.#lastChange
    const batches: StateBatch[] = []
    for (const run of this.#held(({ member: holder }) => holder === member)) {
      run.state = returned(run.deliveries, limits)
      run.change = id
      batches.push(toStateBatch(run))
    }
    this.#runs.join()
    return { id, batches }
  }

  /** Takes from their holders what they have held for too long. It is done at once: there is nothing to settle. */
  expire(now: number, limits: DeliveryLimits): readonly StateBatch[] {
    const batches: StateBatch[] = []
    for (const run of this.#held(({ lockedUntil }) => lockedUntil <= now)) {
      free(run, returned(run.deliveries, limits))
      batches.push(toStateBatch(run))
    }
    this.#advance()
    return batches
  }

  /** A change was stored, or could not be: its records are with their holder again then, unless their time is up. */
  settle(id: number, stored: boolean, now: number, limits: DeliveryLimits): void {
    for (const run of this.#runs as Iterable<Run>) {
      if (run.change !== id) continue
      if (stored) free(run, run.state)
      else if (run.lockedUntil <= now) free(run, returned(run.deliveries, limits))
      else {
        run.state = 'acquired'
        run.change = 0
      }
    }
    this.#advance()
  }

  /** The log begins at `offset` now: what lies before it is nobody's any more. */
  moveStart(offset: number): void {
    if (offset <= this.#startOffset) return
    this.#runs.dropBefore(offset)
    this.#startOffset = offset
    this.#endOffset = Math.max(this.#endOffset, offset)
    this.#advance()
  }

  /** Delivers again what came back. True when what was taken has to go alone. */
  #takeFree(
    range: OffsetRange,
    request: AcquireRequest,
    limits: DeliveryLimits,
    room: () => number,
    take: (range: OffsetRange) => void
  ): boolean {
    for (let at = range.first; at <= range.last && room() > 0; ) {
      const run = this.#runs.from(at)
      if (run === undefined || run.first > range.last) return false
      const first = Math.max(at, run.first)
      const last = Math.min(run.last, range.last)
      at = run.last + 1
      if (!isFree(run)) continue
      const recordsMax = isolation(run, limits)
      if (recordsMax === undefined) {
        take({ first, last: request.extent(first, last, room()) })
        continue
      }
      // What is in danger of being archived is delivered in ever smaller parts, so that it takes few others with it.
      if (room() === request.recordsMax) take({ first, last: Math.min(last, first + Math.min(recordsMax, room()) - 1) })
      return true
    }
    return false
  }

  #takeNew(range: OffsetRange, request: AcquireRequest, room: number, take: (range: OffsetRange) => void): void {
    const first = Math.max(range.first, this.#endOffset)
    if (room <= 0 || first > range.last) return
    const last = request.extent(first, range.last, room)
    if (this.#runs.size === 0) this.#startOffset = first
    this.#endOffset = first
    for (const piece of request.pieces({ first, last })) this.#add(piece, 'available', 0)
    take({ first, last })
  }

  #lock(range: OffsetRange, member: string, lockedUntil: number): Acquired[] {
    return this.#runs.cut(range).map((run) => {
      run.state = 'acquired'
      run.member = member
      run.lockedUntil = lockedUntil
      run.deliveries += 1
      return { first: run.first, last: run.last, deliveries: run.deliveries }
    })
  }

  #acknowledge(
    member: string,
    { first, last, types }: Acknowledgement,
    change: number,
    now: number,
    limits: DeliveryLimits,
    changed: Run[]
  ): Refusal | undefined {
    if (last < this.#startOffset) return undefined
    const misplaced = this.#misplaced(first, last)
    if (misplaced !== undefined) return misplaced
    for (const part of sameType(first, last, types)) {
      const runs = this.#runs.cut({ first: Math.max(part.first, this.#startOffset), last: part.last })
      for (const run of runs) {
        if (run.state !== 'acquired' || run.change !== 0 || run.member !== member) {
          return invalidState(`offset ${run.first} is not held by the member`)
        }
        if (part.type === RENEW) {
          if (!limits.renewals) return invalidState('share.renew.acknowledge.enable is false for the group')
          run.lockedUntil = now + limits.lockMs
          continue
        }
        const target = TARGETS[part.type]
        if (target === undefined) return invalidRequest(`acknowledge type ${part.type} is not known`)
        run.state = target === 'available' ? returned(run.deliveries, limits) : target
        run.change = change
        changed.push(run)
      }
    }
    return undefined
  }

  #misplaced(first: number, last: number): Refusal | undefined {
    const head = this.#runs.first
    const tail = this.#runs.last
    const startMoved = first < this.#startOffset
    if (head === undefined || tail === undefined || (first < head.first && !startMoved)) {
      return invalidState(`offset ${first} is not in flight`)
    }
    return last > tail.last ? invalidRequest(`offset ${last} was never delivered, ${tail.last} is the last`) : undefined
  }

  /** What is free in the range, or held by `member`, is done with: there is no such record, or nobody may see it. */
  #archive(range: OffsetRange, member?: string): void {
    for (const run of this.#runs.cut({ first: Math.max(range.first, this.#startOffset), last: range.last })) {
      const held = run.state === 'acquired' && run.change === 0 && run.member === member
      if (isFree(run) || held) free(run, 'archived')
    }
    this.#advance()
  }

  *#held(wanted: (run: Run) => boolean): Generator<Run> {
    for (const run of this.#runs as Iterable<Run>) {
      if (run.state === 'acquired' && run.change === 0 && wanted(run)) yield run
    }
  }

  #add({ first, last }: OffsetRange, state: DeliveryState, deliveries: number): void {
    const together = last - first + 1
    this.#runs.push({ first, last, state, deliveries, member: '', lockedUntil: 0, change: 0, together })
    this.#endOffset = last + 1
  }

  /** Forgets what is done with at the front. */
  #advance(): void {
    let done = this.#startOffset
    for (const run of this.#runs) {
      if (!isDone(run.state) || run.change !== 0) break
      done = run.last + 1
    }
    if (done > this.#startOffset) {
      this.#runs.dropBefore(done)
      this.#startOffset = this.#runs.first?.first ?? this.#endOffset
    }
    this.#runs.join()
  }
}

function isDone(state: DeliveryState): boolean {
  return state === 'acknowledged' || state === 'archived'
}

function isFree(run: Readonly<Run>): boolean {
  return run.state === 'available' && run.change === 0
}

function free(run: Run, state: DeliveryState): void {
  run.state = state
  run.member = ''
  run.lockedUntil = 0
  run.change = 0
}

/** What becomes of a record that its holder did not accept. */
function returned(deliveries: number, { deliveriesMax }: DeliveryLimits): DeliveryState {
  return deliveries >= deliveriesMax ? 'archived' : 'available'
}

/**
 * How many records of a run may be delivered at once when they are near their limit: half as many each time, and alone the
 * last time. Undefined: any number. The numbers are Kafka's.
 */
function isolation(run: Readonly<Run>, { deliveriesMax }: DeliveryLimits): number | undefined {
  const from = Math.max(ISOLATED_FROM_MIN, Math.ceil(deliveriesMax / 2))
  if (run.deliveries < from) return undefined
  if (run.deliveries >= deliveriesMax - 1 && deliveriesMax > 2) return 1
  return Math.max(1, run.together >> (run.deliveries - from + 1))
}

function stateOf(stored: number): DeliveryState {
  for (const [state, number] of Object.entries(STORED_STATES)) {
    // Who held a record is not stored, so nobody holds it.
    if (number === stored) return state === 'acquired' ? 'available' : (state as DeliveryState)
  }
  throw new Fault('corrupt', `share state has the unknown delivery state ${stored}`)
}

function toStateBatch({ first, last, state, deliveries }: Run): StateBatch {
  return { firstOffset: first, lastOffset: last, deliveryState: STORED_STATES[state], deliveryCount: deliveries }
}

function* sameType(
  first: number,
  last: number,
  types: readonly number[]
): Generator<OffsetRange & { readonly type: number }> {
  if (types.length === 1) {
    yield { first, last, type: types[0] as number }
    return
  }
  for (let from = 0; from < types.length; ) {
    let to = from
    while (types[to + 1] === types[from]) to++
    yield { first: first + from, last: first + to, type: types[from] as number }
    from = to + 1
  }
}

function invalidState(errorMessage: string): Refusal {
  return { errorCode: ErrorCode.INVALID_RECORD_STATE, errorMessage }
}

function invalidRequest(errorMessage: string): Refusal {
  return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage }
}
