/**
 * Balancing as every node runs it, and only the controller does: looks at what nodes report, plans, and says in the
 * metadata where partitions are to go. Their leaders bring them there.
 *
 * Draining brokers are emptied at once; everything else happens in rounds. Two nodes that both believe to be the
 * controller do no harm: a target is a wish, and the next round sees what came of it.
 */
import type { Metadata, MetadataImage } from '../metadata/metadata.ts'
import { type Clock, sleep } from '../runtime/clock.ts'
import { isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import { type BalanceLimits, type BalancePlan, planBalance, planDraining } from './balance-plan.ts'
import { BalanceMemory } from './balance-view.ts'

/** Between two looks at whether anything is draining. */
const TURN_MS = 250
const ROUND_MS = 10_000
/** Part of it by which rounds differ. */
const JITTER = 0.2
/** Until the first round of a controller, the one after brokers came or went, and the one that goes on with a plan. */
const SOON_MS = 1_000

export const BALANCE_LIMITS: BalanceLimits = { movesMax: 30, drainedMax: 500, bytesMax: 100 * 1024 * 1024 }

export interface BalancerParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metadata: Pick<Metadata, 'image' | 'nodeLoads' | 'setTargets'>
  /** Whether this node is the controller now. */
  readonly holds: () => boolean
}

/** From when this node became the controller until it is none any more. */
interface Term {
  readonly memory: BalanceMemory
  /** Monotonic. */
  nextRoundMs: number
  nodes: ReturnType<MetadataImage['nodes']>
  /** Ids of the brokers that ran, as the last turn saw them. */
  running: string
  topicsRevision: number
}

export class Balancer {
  readonly #parts: BalancerParts
  readonly #closing = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #term: Term | undefined
  #problem = ''

  constructor(parts: BalancerParts) {
    this.#parts = parts
  }

  start(): void {
    // A bug rejects and is left to end the process.
    this.#running = this.#run()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts
    const { signal } = this.#closing
    while (!signal.aborted) {
      await this.#turn()
      await sleep(clock, TURN_MS, signal)
    }
  }

  async #turn(): Promise<void> {
    const { clock, holds, log } = this.#parts
    if (!holds()) {
      this.#term = undefined
      return
    }
    this.#term ??= this.#begin()
    try {
      await this.#drain(this.#term)
      if (clock.monotonic() >= this.#term.nextRoundMs) await this.#round(this.#term)
      this.#problem = ''
    } catch (error) {
      if (!isFault(error)) throw error
      if (error.message !== this.#problem) {
        log.warn({ error: error.message }, 'partitions could not be balanced; it is tried again')
      }
      this.#problem = error.message
      this.#term.nextRoundMs = Math.max(this.#term.nextRoundMs, clock.monotonic() + SOON_MS)
    }
  }

  #begin(): Term {
    const { clock, metadata } = this.#parts
    const running = runningIn(metadata.image)
    const nextRoundMs = clock.monotonic() + SOON_MS
    return { memory: new BalanceMemory(), nextRoundMs, nodes: new Map(), running, topicsRevision: -1 }
  }

  async #drain(term: Term): Promise<void> {
    const { clock, metadata } = this.#parts
    const { image } = metadata
    const nodes = image.nodes()
    const { topicsRevision } = image
    if (nodes === term.nodes && topicsRevision === term.topicsRevision) return
    const running = runningIn(image)
    if (running !== term.running) term.nextRoundMs = Math.min(term.nextRoundMs, clock.monotonic() + SOON_MS)
    term.running = running
    if ([...nodes.values()].some(({ state }) => state === 'draining')) {
      const { nodes: brokers, partitions } = term.memory.view(image, clock.monotonic())
      await this.#carryOut(planDraining(brokers, partitions, BALANCE_LIMITS))
    }
    // Only now: what went wrong is tried again at the next turn.
    term.nodes = nodes
    term.topicsRevision = topicsRevision
  }

  async #round(term: Term): Promise<void> {
    const { clock, random, metadata } = this.#parts
    const reports = await metadata.nodeLoads()
    if (!this.#parts.holds()) return
    const nowMs = clock.monotonic()
    term.memory.learn(metadata.image, reports, nowMs)
    const { nodes, partitions } = term.memory.view(metadata.image, nowMs)
    const plan = planBalance(nodes, partitions, BALANCE_LIMITS)
    await this.#carryOut(plan)
    const pauseMs = plan.cutBy === 'moves' ? SOON_MS : ROUND_MS * (1 + (random.float() - 0.5) * JITTER)
    term.nextRoundMs = clock.monotonic() + pauseMs
  }

  async #carryOut({ moves }: BalancePlan): Promise<void> {
    if (moves.length === 0) return
    const { log, metadata } = this.#parts
    for (const { topic, index, from, to, reason } of moves) {
      log.info(
        { topic, partition: index, from, to, reason },
        to === null ? 'a move is taken back' : 'a partition is to move'
      )
    }
    await metadata.setTargets(moves.map(({ topicId, index, to }) => ({ topicId, index, node: to })))
  }
}

function runningIn(image: MetadataImage): string {
  return [...image.nodes().values()].flatMap(({ id, state }) => (state === 'running' ? [id] : [])).join()
}
