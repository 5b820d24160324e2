/**
 * One run of the simulated storage node from one seed: bursts of load under changing faults, deaths at any effect, hours
 * of quiet; then everything is healed and held against the truth. Virtual time only: nothing here waits for a real clock.
 */
import { isFault } from '../../../src/runtime/fault.ts'
import { type Random, seededRandom } from '../../../src/runtime/random.ts'
import { judgeContents, judgeLog, judgeMoment, judgeObjects, judgeOrphans } from './checks.ts'
import { History } from './history.ts'
import { JumpingClock } from './jumping-clock.ts'
import { Machine } from './machine.ts'
import { NodeProcess } from './node-process.ts'
import type { PlantedBug } from './planted-bug.ts'
import { drawShape, type Shape, type ShapeOptions } from './shape.ts'
import { Truth } from './truth.ts'
import { Workload } from './workload.ts'

const HOUR_MS = 3_600_000
/** Long enough for every retry, pause and time-out in the engine once nothing is broken any more. */
const SETTLES_WITHIN_MS = 180_000
/** Longer than the sweeper's grace time, any jump of the clock, and the time between two listings of the store. */
const SWEPT_WITHIN_MS = 10 * HOUR_MS
/** More than any injected latency. */
const SLOWEST_ANSWER_MS = 10_000
const VIOLATIONS_MAX = 3

export interface SimulationOptions extends ShapeOptions {
  readonly bug?: PlantedBug
  /** Sees every line of the history. */
  readonly sink?: (line: string) => void
}

export interface SimulationReport {
  readonly seed: number
  readonly walKind: Shape['walKind']
  readonly violations: readonly string[]
  readonly simulatedMs: number
  readonly counts: Truth['counts']
  /** SHA-256 of the history, and its last lines. */
  readonly digest: string
  readonly lines: number
  readonly tail: readonly string[]
}

export async function simulate(seed: number, options: SimulationOptions = {}): Promise<SimulationReport> {
  const random = seededRandom(seed)
  const clock = new JumpingClock()
  const history = new History(() => clock.monotonic(), options.sink)
  const truth = new Truth(history)
  const walKind = options.bug?.walKind ?? options.walKind
  const shape = drawShape(random, { ...options, ...(walKind === undefined ? {} : { walKind }) })
  history.note(`seed ${seed}: ${JSON.stringify(shape)}`)
  const machine = await Machine.build(clock, random)
  const stray = (error: unknown) => truth.complain([`nobody handles ${error instanceof Error ? error.stack : error}`])
  process.on('unhandledRejection', stray)
  try {
    await new Simulation({ random, shape, bug: options.bug ?? {}, machine, truth, history }).run()
  } finally {
    process.off('unhandledRejection', stray)
    await machine.close()
  }
  return {
    seed,
    walKind: shape.walKind,
    violations: truth.violations,
    simulatedMs: clock.monotonic(),
    counts: truth.counts,
    digest: history.digest(),
    lines: history.lines,
    tail: history.last(200)
  }
}

interface SimulationParts {
  readonly random: Random
  readonly shape: Shape
  readonly bug: PlantedBug
  readonly machine: Machine
  readonly truth: Truth
  readonly history: History
}

class Simulation {
  readonly #parts: SimulationParts
  readonly #workload: Workload
  /** The process that serves, or served last. */
  #node: NodeProcess | undefined
  /** One that was taken for dead and lives, beside the one that has taken over. Only the object WAL allows it. */
  #ghost: NodeProcess | undefined

  constructor(parts: SimulationParts) {
    this.#parts = parts
    this.#workload = new Workload(parts)
  }

  async run(): Promise<void> {
    const { shape, machine, random } = this.#parts
    for (let episode = 0; episode < shape.episodes && !this.#isLost; episode++) {
      if (random.int(3) === 0) machine.heal()
      else this.#parts.history.note(`faults: ${machine.breakThings(random)}`)
      await this.#burst()
      await this.#quiet()
      if (random.int(6) === 0) await this.#verify()
    }
    if (!this.#isLost) await this.#verify()
    if (!this.#isLost && shape.isSwept) await this.#verifySwept()
  }

  /** No use going on: what follows rests on what is broken already. */
  get #isLost(): boolean {
    return this.#parts.truth.violations.length >= VIOLATIONS_MAX
  }

  /** Requests, close together. */
  async #burst(): Promise<void> {
    const { random } = this.#parts
    const deadline =
      random.int(3) === 0 ? 1 + random.int([20, 300, 3_000][random.int(3)] as number) : Number.POSITIVE_INFINITY
    const pauseMs = [2, 50, 1_000][random.int(3)] as number
    if (this.#node?.life.alive) this.#node.life.deadline = deadline
    if (random.int(5) === 0) this.#abandon()
    for (let requests = random.int(80); requests > 0 && !this.#isLost; requests--) {
      const node = await this.#alive(deadline)
      if (node === undefined) continue
      this.#workload.act(node)
      this.#haunt()
      if (random.int(2) === 0) await this.#pass(random.int(pauseMs + 1))
      else if (random.int(3) === 0) await Promise.resolve()
    }
    if (random.int(12) === 0) await this.#close()
    if (random.int(8) === 0) this.#node?.life.die(random.int(2) === 0 ? 'power' : 'process', 'between two requests')
  }

  /** The process is told to end, and takes its time. */
  async #close(): Promise<void> {
    const node = this.#node
    if (!node?.life.alive) return
    this.#parts.history.note('is told to end')
    await this.#settled('closing', Promise.race([node.engine.close(), node.over]), SETTLES_WITHIN_MS)
    const waiting = [...node.unanswered.values()].filter(({ what }) => what.startsWith('append'))
    if (node.life.alive && waiting.length > 0)
      this.#parts.truth.complain([`closing left ${waiting.length} appends unanswered`])
    node.life.die('process', 'as it was told')
  }

  /** The node is taken for dead: another process will take over while this one lives, frozen or not. */
  #abandon(): void {
    const { random, shape, history } = this.#parts
    if (shape.walKind !== 'object' || !this.#node?.life.alive) return
    this.#bury()
    this.#ghost = this.#node
    this.#node = undefined
    if (random.int(2) === 0) this.#ghost.life.freeze()
    history.note('is taken for dead')
  }

  #haunt(): void {
    const { random } = this.#parts
    const ghost = this.#ghost
    if (ghost === undefined) return
    const dice = random.int(40)
    if (dice === 0) this.#bury()
    else if (dice < 5) ghost.life.thaw()
    else if (dice < 20 && ghost.life.alive) this.#workload.haunt(ghost)
  }

  #bury(): void {
    this.#ghost?.life.die('process', 'at last')
    this.#ghost = undefined
  }

  async #quiet(): Promise<void> {
    const { random, shape } = this.#parts
    const quietMs = [100, 5_000, 60_000, 900_000, shape.quietMsMax][random.int(5)] as number
    await this.#pass(random.int(Math.min(quietMs, shape.quietMsMax)))
  }

  /** The process that serves; undefined when it died of its start, or is still busy with it. */
  async #alive(deadline: number): Promise<NodeProcess | undefined> {
    if (this.#node?.life.alive) return this.#node
    const { random } = this.#parts
    await this.#pass(random.int(3) === 0 ? random.int(60_000) : random.int(50))
    const node = new NodeProcess(this.#parts)
    node.life.deadline = random.int(4) === 0 ? random.int(60) : deadline
    this.#node = undefined
    const started = Promise.race([node.over, node.start(this.#ghost).catch((error) => this.#giveUp(node, error))])
    // A database that is away keeps it from starting for as long as it is.
    if (!(await this.#settles(started, SETTLES_WITHIN_MS))) this.#parts.machine.heal()
    await this.#settled('the start', started, SETTLES_WITHIN_MS)
    if (!node.isStarted) node.life.die('process', 'while it starts')
    if (!node.life.alive) return undefined
    this.#node = node
    return node
  }

  /** A process that cannot reach what it needs at its start ends, and is started again. */
  #giveUp(node: NodeProcess, error: unknown): void {
    // A dead process may have asked for the deletion of a topic that this one is about to open.
    const isVanished = isFault(error, 'missing') && this.#parts.truth.isDeleting
    if (!isVanished && !isFault(error, 'unavailable')) throw error
    node.life.die('process', `at its start: ${error.message}`)
  }

  /** Lets time pass, and looks at what readers may see. */
  async #pass(ms: number): Promise<void> {
    const { machine, shape, truth } = this.#parts
    await machine.clock.advance(ms)
    if (this.#node?.life.alive) truth.complain(judgeMoment(this.#node, shape, truth))
  }

  /** Passes time until `promise` is settled; complains when that takes more than `withinMs`. */
  async #settled<T>(what: string, promise: Promise<T>, withinMs: number): Promise<T | undefined> {
    const { truth, history } = this.#parts
    if (!(await this.#settles(promise, withinMs))) {
      truth.complain([`${what} has not settled in ${withinMs / 1000} s`])
      return undefined
    }
    return promise.catch((error: unknown) => {
      history.note(`${what} failed: ${String(error)}`)
      truth.complain([`${what} failed: ${error instanceof Error ? error.stack : error}`])
      return undefined
    })
  }

  async #settles(promise: Promise<unknown>, withinMs: number): Promise<boolean> {
    const { clock } = this.#parts.machine
    let isSettled = false
    const mark = () => {
      isSettled = true
    }
    promise.then(mark, mark)
    const until = clock.monotonic() + withinMs
    await clock.advance(0)
    while (!isSettled && clock.monotonic() < until) await clock.advance(Math.min(clock.nextIn ?? withinMs, withinMs))
    return isSettled
  }

  /** Heals everything and compares with the truth. */
  async #verify(): Promise<void> {
    const { machine, truth, history, shape } = this.#parts
    this.#bury()
    machine.heal()
    history.note('healed')
    const node = await this.#rested()
    if (node === undefined) return
    history.note('verifies')
    truth.complain((await this.#settled('reading everything', judgeContents(node, truth), HOUR_MS)) ?? [])
    await this.#settled('an upload of everything', node.engine.flush(), SETTLES_WITHIN_MS)
    truth.complain(judgeLog(node, shape))
    truth.complain(await judgeObjects(machine, truth))
    history.note('verified')
  }

  /** A process that has answered everything. The last words of dead ones may end it, and a few after it. */
  async #rested(): Promise<NodeProcess | undefined> {
    for (let attempt = 0; attempt < 5; attempt++) {
      const node = await this.#alive(Number.POSITIVE_INFINITY)
      if (node === undefined) continue
      node.life.deadline = Number.POSITIVE_INFINITY
      await this.#quiesce(node)
      if (node.life.alive) return node
    }
    this.#parts.truth.complain(['no process stays alive although nothing is broken'])
    return undefined
  }

  /** Nothing that was asked may wait for ever. */
  async #quiesce(node: NodeProcess): Promise<void> {
    const { machine, truth } = this.#parts
    // What began before may still fail, as late as the slowest answer.
    await machine.clock.advance(SLOWEST_ANSWER_MS)
    const room = node.engine.room()
    if (room !== undefined)
      await this.#settled('room for more appends', Promise.race([room, node.over]), SETTLES_WITHIN_MS)
    const until = machine.clock.monotonic() + SETTLES_WITHIN_MS
    while (node.life.alive && node.unanswered.size > 0 && machine.clock.monotonic() < until) await this.#pass(500)
    if (!node.life.alive) return
    const waiting = [...node.unanswered.values()].map(({ what, since }) => `${what} (since ${since})`)
    if (waiting.length > 0)
      truth.complain([`${waiting.length} requests were never answered: ${waiting.slice(0, 5).join(', ')}`])
  }

  /** After the grace time of deleted objects. */
  async #verifySwept(): Promise<void> {
    const { machine, truth, history } = this.#parts
    await this.#pass(SWEPT_WITHIN_MS)
    truth.complain(await judgeObjects(machine, truth))
    truth.complain(await judgeOrphans(machine))
    history.note(`swept, ${[...machine.sober.image.objects()].length} objects are left`)
    await this.#verify()
  }
}
