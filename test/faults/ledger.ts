/**
 * What the clients of a kill run were told, and whether the broker's log agrees at the end.
 *
 * Every record has an id that no other record has, and a value that follows from the id. A violation is a sentence; a
 * run without one has kept every promise. It never touches the network.
 */

/** Violations beyond this many add nothing. */
const VIOLATIONS_MAX = 50
/** Records named when many are missing. */
const EXAMPLES = 3

export interface StoredRecord {
  readonly offset: number
  readonly value: string
}

export class Ledger {
  readonly violations: string[] = []
  /** By partition: offset → id, as acknowledged to a producer. */
  readonly #acknowledged = new Map<number, Map<number, string>>()
  /** By partition: offset → id, as a consumer saw it. */
  readonly #seen = new Map<number, Map<number, string>>()
  /** Every id that a producer ever sent. */
  readonly #sent = new Set<string>()
  acknowledgedRecords = 0
  seenRecords = 0

  send(ids: readonly string[]): void {
    for (const id of ids) this.#sent.add(id)
  }

  acknowledge(partition: number, baseOffset: number, ids: readonly string[]): void {
    const offsets = entry(this.#acknowledged, partition)
    ids.forEach((id, index) => {
      const offset = baseOffset + index
      const other = offsets.get(offset)
      if (other !== undefined && other !== id) {
        this.violate(`partition ${partition} offset ${offset} was acknowledged for ${other} and for ${id}`)
      }
      offsets.set(offset, id)
    })
    this.acknowledgedRecords += ids.length
  }

  see(partition: number, offset: number, value: string): void {
    const id = idOf(value)
    const offsets = entry(this.#seen, partition)
    const before = offsets.get(offset)
    if (before !== undefined && before !== id) {
      this.violate(`consumers saw ${before} and ${id} at partition ${partition} offset ${offset}`)
    }
    offsets.set(offset, id)
    this.seenRecords++
  }

  violate(sentence: string): void {
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push(sentence)
  }

  /** The offset after the last that was acknowledged. */
  acknowledgedEnd(partition: number): number {
    return endOf(this.#acknowledged.get(partition))
  }

  /** The offset after the last that a consumer saw. */
  seenEnd(partition: number): number {
    return endOf(this.#seen.get(partition))
  }

  /** Compares a whole partition with what clients were told. Density was checked by whoever read it. */
  compare(partition: number, stored: readonly StoredRecord[]): void {
    const byOffset = new Map(stored.map(({ offset, value }) => [offset, idOf(value)]))
    const offsetOf = new Map<string, number>()
    for (const { offset, value } of stored) {
      const id = idOf(value)
      if (value !== valueFor(id)) this.violate(`partition ${partition} offset ${offset} holds a changed value of ${id}`)
      if (!this.#sent.has(id)) this.violate(`partition ${partition} offset ${offset} holds ${id}, which nobody sent`)
      const first = offsetOf.get(id)
      if (first !== undefined) this.violate(`${id} is in partition ${partition} twice: offsets ${first} and ${offset}`)
      offsetOf.set(id, offset)
    }
    this.#matches('acknowledged', this.#acknowledged, partition, byOffset)
    this.#matches('seen by a consumer', this.#seen, partition, byOffset)
  }

  #matches(what: string, told: Map<number, Map<number, string>>, partition: number, stored: Map<number, string>): void {
    const missing = [...(told.get(partition) ?? [])].filter(([offset, id]) => stored.get(offset) !== id)
    for (const [offset, id] of missing.slice(0, EXAMPLES)) {
      const place = `partition ${partition} offset ${offset}`
      this.violate(`${id} was ${what} at ${place}, where ${stored.get(offset) ?? 'nothing'} is now`)
    }
    const more = missing.length - EXAMPLES
    if (more > 0) this.violate(`and ${more} more records ${what} in partition ${partition} are not where they were`)
  }
}

/** The value of the record with this id: the id, as often as its number asks for, so that sizes vary. */
export function valueFor(id: string): string {
  const number = Number(id.slice(id.lastIndexOf('.') + 1))
  return `${id} `.repeat(1 + ((number * 7) % 30))
}

function idOf(value: string): string {
  return value.slice(0, value.indexOf(' '))
}

function endOf(offsets: ReadonlyMap<number, string> = new Map()): number {
  let end = 0
  for (const offset of offsets.keys()) end = Math.max(end, offset + 1)
  return end
}

function entry(map: Map<number, Map<number, string>>, partition: number): Map<number, string> {
  let offsets = map.get(partition)
  if (offsets === undefined) {
    offsets = new Map()
    map.set(partition, offsets)
  }
  return offsets
}
