/**
 * What a look through stored data may find: a line for an operator, with the place, what is wrong there and what to do.
 */

/**
 * - `damage`: bytes or rows contradict themselves or each other.
 * - `unreadable`: could not be looked at; says nothing about the data.
 * - `orphan`: takes space and is referred to by nothing; no record is affected.
 */
export type FindingKind = 'damage' | 'unreadable' | 'orphan'

export interface Finding {
  readonly kind: FindingKind
  /** An object's key, a stream, or a file, with the position inside it where there is one. */
  readonly place: string
  readonly problem: string
  /** What to do about it, as an imperative sentence without its full stop. */
  readonly remedy: string
}

export function damage(place: string, problem: string, remedy: string): Finding {
  return { kind: 'damage', place, problem, remedy }
}
