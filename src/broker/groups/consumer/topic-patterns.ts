/**
 * The regular expressions that groups of this broker subscribe with, and the topics that each matches. They are matched
 * apart from the decisions of the groups, a slice of topics at a time, so that neither long expressions nor many topics
 * keep anybody else waiting.
 *
 * Only what was asked for lately is kept; what a group was told stands in its own records.
 */
import { type Clock, sleep } from '../../../runtime/clock.ts'
import { isFault } from '../../../runtime/fault.ts'
import type { TopicDirectory } from '../topic-directory.ts'
import { TopicPattern } from './topic-pattern.ts'

/** Steps of matching between two breaths: some ten milliseconds. */
const STEPS_PER_SLICE = 500_000
const PATTERNS_MAX = 1_000

export interface MatchedTopics {
  readonly topics: readonly string[]
  /** Of the directory of topics. */
  readonly version: number
}

interface Known {
  /** What is wrong with it, if it is no expression. */
  readonly pattern: TopicPattern | { readonly problem: string }
  matched: MatchedTopics | undefined
  running: Promise<void> | undefined
}

export class TopicPatterns {
  readonly #clock: Clock
  readonly #topics: TopicDirectory
  /** The one asked for last comes last. */
  readonly #known = new Map<string, Known>()

  constructor(clock: Clock, topics: TopicDirectory) {
    this.#clock = clock
    this.#topics = topics
  }

  /** Whether there is nothing to refresh. */
  isCurrent(regex: string): boolean {
    const { pattern, matched } = this.#use(regex)
    return !(pattern instanceof TopicPattern) || matched?.version === this.#topics.revision()
  }

  /** Matches the topics of now; of those that come meanwhile nothing is promised. */
  async refresh(regex: string): Promise<void> {
    const known = this.#use(regex)
    if (!(known.pattern instanceof TopicPattern)) return
    known.running ??= this.#match(known, known.pattern).finally(() => {
      known.running = undefined
    })
    await known.running
  }

  /** The topics that it matched when it was refreshed last. */
  matched(regex: string): MatchedTopics | undefined {
    return this.#known.get(regex)?.matched
  }

  /** Why it is no regular expression; undefined when it is one. */
  problem(regex: string): string | undefined {
    const { pattern } = this.#use(regex)
    return pattern instanceof TopicPattern ? undefined : pattern.problem
  }

  async #match(known: Known, pattern: TopicPattern): Promise<void> {
    const version = this.#topics.revision()
    const topics: string[] = []
    let steps = 0
    for (const name of [...this.#topics.names()]) {
      steps += (name.length + 1) * pattern.size
      if (steps > STEPS_PER_SLICE) {
        steps = 0
        await sleep(this.#clock, 0)
      }
      if (pattern.matches(name)) topics.push(name)
    }
    known.matched = { topics: topics.sort(), version }
  }

  #use(regex: string): Known {
    const known = this.#known.get(regex) ?? { pattern: compiled(regex), matched: undefined, running: undefined }
    this.#known.delete(regex)
    this.#known.set(regex, known)
    const oldest = this.#known.keys().next().value
    if (this.#known.size > PATTERNS_MAX && oldest !== undefined) this.#known.delete(oldest)
    return known
  }
}

function compiled(regex: string): Known['pattern'] {
  try {
    return new TopicPattern(regex)
  } catch (error) {
    if (!isFault(error, 'invalid')) throw error
    return { problem: error.message }
  }
}
