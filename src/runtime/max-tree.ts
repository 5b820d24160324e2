/**
 * An append-only sequence of numbers that knows its maxima: the largest from an index on, and the first that reaches
 * a value, in logarithmic time. Values leave at the front only. Pure memory; it does not know what the numbers mean.
 *
 * Invariant: level 0 holds the values; each number of level k + 1 is the maximum of a block of up to 64 numbers of level
 * k. Only where the first values of a block have been dropped may it be larger than what is left; such a block is never
 * judged by its maximum, because a search climbs a level only at a place where a block begins.
 */

const FAN_OUT = 64

export class MaxTree {
  /** The last level has at most 64 numbers. */
  #levels: number[][] = [[]]
  /** Place of the first value in level 0; those before it have been dropped. */
  #head = 0

  get size(): number {
    return this.#level(0).length - this.#head
  }

  push(value: number): void {
    let place = this.#level(0).length
    for (const numbers of this.#levels) {
      const known = numbers[place]
      if (known === undefined) numbers.push(value)
      else if (known >= value) return
      else numbers[place] = value
      place = Math.floor(place / FAN_OUT)
    }
    if (this.#level(this.#levels.length - 1).length > FAN_OUT) this.#addLevels()
  }

  /** Forgets the first `count` values: indexes count from the first one that stays. Amortised constant time per value. */
  dropFirst(count: number): void {
    this.#head += Math.min(count, this.size)
    const values = this.#level(0)
    // Memory is given back once half of it is dropped, so that what remains is copied once per as many values.
    if (this.#head * 2 < values.length || this.#head < FAN_OUT) return
    this.#levels = [values.slice(this.#head)]
    this.#head = 0
    this.#addLevels()
  }

  /** The largest value from `fromIndex` on; -Infinity when there is none. */
  maxFrom(fromIndex: number): number {
    let max = -Infinity
    let level = 0
    let place = this.#head + Math.max(0, fromIndex)
    for (;;) {
      const number = this.#level(level)[place]
      if (number === undefined) return max
      if (this.#mayClimb(level, place)) {
        level += 1
        place /= FAN_OUT
      } else {
        max = Math.max(max, number)
        place += 1
      }
    }
  }

  /** Index of the first value >= `value` from `fromIndex` on; -1 when there is none. */
  firstAtLeast(value: number, fromIndex: number): number {
    let level = 0
    let place = this.#head + Math.max(0, fromIndex)
    for (;;) {
      const number = this.#level(level)[place]
      if (number === undefined) return -1
      if (this.#mayClimb(level, place)) {
        level += 1
        place /= FAN_OUT
      } else if (number >= value) {
        return this.#descend(value, level, place) - this.#head
      } else {
        place += 1
      }
    }
  }

  /** The first value that reaches `value` below a number that does. */
  #descend(value: number, fromLevel: number, fromPlace: number): number {
    let place = fromPlace
    for (let level = fromLevel - 1; level >= 0; level--) {
      const numbers = this.#level(level)
      place *= FAN_OUT
      while ((numbers[place] as number) < value) place += 1
    }
    return place
  }

  #mayClimb(level: number, place: number): boolean {
    return place % FAN_OUT === 0 && level + 1 < this.#levels.length
  }

  #addLevels(): void {
    for (let below = this.#level(this.#levels.length - 1); below.length > FAN_OUT; ) {
      const maxima: number[] = []
      for (let start = 0; start < below.length; start += FAN_OUT) {
        let max = -Infinity
        for (let place = start; place < below.length && place < start + FAN_OUT; place++) {
          max = Math.max(max, below[place] as number)
        }
        maxima.push(max)
      }
      this.#levels.push(maxima)
      below = maxima
    }
  }

  #level(level: number): number[] {
    return this.#levels[level] as number[]
  }
}
