/**
 * One process of the simulated machine, seen from outside: it lives, may be frozen for a while, and dies at any of its
 * effects. What it started goes on in the world; what belongs to a dead process never hears of anything again.
 *
 * An effect is a call to the disk, the object store or the database. `deadline` counts them down; the call that reaches
 * zero is the process's last, and dies before it, in the middle of it, or when it has taken effect and nobody was told.
 */
import type { Clock } from '../../../src/runtime/clock.ts'
import type { Random } from '../../../src/runtime/random.ts'
import type { WalDevice, WalFile } from '../../../src/stream/wal/wal-device.ts'

/** `power` also takes what the disk has not synced; `process` leaves the disk as it is. */
export type DeathKind = 'power' | 'process'
type Moment = 'before' | 'during' | 'after'

const MOMENTS: readonly Moment[] = ['before', 'during', 'after']

export interface LifeParts {
  readonly random: Random
  readonly note: (event: string) => void
  /** Runs at the moment of death, before anything else can happen. */
  readonly died: (kind: DeathKind) => void
}

export class Life {
  readonly #parts: LifeParts
  #alive = true
  #deadline = Number.POSITIVE_INFINITY
  #thaw: Promise<void> | undefined
  #thawed: () => void = () => {}

  constructor(parts: LifeParts) {
    this.#parts = parts
  }

  get alive(): boolean {
    return this.#alive
  }

  /** Lets the process die at the effect after `effects` more; never when it is infinite. */
  set deadline(effects: number) {
    this.#deadline = effects
  }

  die(kind: DeathKind, where: string): void {
    if (!this.#alive) return
    this.#alive = false
    this.#parts.note(`dies (${kind}) ${where}`)
    this.#parts.died(kind)
  }

  /** From now on the process does nothing, as in a long pause of its machine, until `thaw`. */
  freeze(): void {
    this.#thaw ??= new Promise((resolve) => {
      this.#thawed = resolve
    })
  }

  thaw(): void {
    this.#thaw = undefined
    this.#thawed()
  }

  /** One effect of this process; one without a name is not noted. */
  async call<T>(what: string, work: () => Promise<T>): Promise<T> {
    const moment = this.#strike()
    if (moment === 'before') this.#dieAt(moment, what)
    await this.#awake()
    let answer: Promise<T>
    try {
      answer = work()
    } catch (error) {
      answer = Promise.reject(error)
    }
    if (moment === 'during') this.#dieAt(moment, what)
    const [result] = await Promise.allSettled([answer])
    if (moment === 'after') this.#dieAt(moment, what)
    await this.#awake()
    if (result.status === 'rejected') {
      if (!this.#alive) return never()
      if (what !== '') this.#parts.note(`${what}: ${String(result.reason)}`)
      throw result.reason
    }
    if (what !== '') this.#parts.note(what)
    return result.value
  }

  /** The clock as this process sees it: after its death no timer fires, and frozen it fires late. */
  clock(clock: Clock): Clock {
    return {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      after: (delayMs, callback) =>
        clock.after(delayMs, () => {
          if (this.#thaw !== undefined) void this.#thaw.then(() => this.#alive && callback())
          else if (this.#alive) callback()
        })
    }
  }

  #strike(): Moment | undefined {
    if (this.#deadline-- > 0) return undefined
    return MOMENTS[this.#parts.random.int(MOMENTS.length)]
  }

  #dieAt(moment: Moment, what: string): void {
    // It was spared while the call was under way.
    if (this.#deadline === Number.POSITIVE_INFINITY) return
    this.die(this.#parts.random.int(3) === 0 ? 'process' : 'power', `${moment} ${what}`)
  }

  async #awake(): Promise<void> {
    while (this.#alive && this.#thaw !== undefined) await this.#thaw
    if (!this.#alive) await never()
  }
}

function never(): Promise<never> {
  return new Promise(() => undefined)
}

/** `target` as one process reaches it: every method that returns a promise is one of its effects. */
export function effectsOf<T extends object>(target: T, life: Life, name: string): T {
  return new Proxy(target, {
    get(_, property) {
      const member = Reflect.get(target, property) as unknown
      if (typeof member !== 'function') return member
      return (...args: unknown[]) => {
        const run = () => member.apply(target, args) as unknown
        if (property === 'list') return listed(run() as AsyncIterable<unknown> | Promise<unknown>, life, `${name}.list`)
        return life.call(described(name, String(property), args), async () => run())
      }
    }
  })
}

/** Lists of a store are iterated; those of a device are answered at once. */
function listed(list: AsyncIterable<unknown> | Promise<unknown>, life: Life, what: string): unknown {
  if (list instanceof Promise) return life.call(what, () => list)
  return (async function* () {
    const items = list[Symbol.asyncIterator]()
    for (;;) {
      const next = await life.call(what, () => items.next())
      if (next.done) return
      yield next.value
    }
  })()
}

/** Names and numbers of the call belong into the history, payloads do not. */
function described(name: string, method: string, args: readonly unknown[]): string {
  // Many, and never interesting.
  if (method === 'poll') return ''
  const shown = args.filter((arg) => typeof arg === 'string' || typeof arg === 'number')
  return `${name}.${method}(${shown.join(', ')})`
}

/** A disk as one process reaches it, with the files it opens. */
export function deviceOf(device: WalDevice, life: Life): WalDevice {
  const gated = effectsOf(device, life, 'disk')
  const fileOf = (name: string, file: WalFile): WalFile => effectsOf(file, life, name)
  return {
    list: () => gated.list(),
    remove: (name) => gated.remove(name),
    create: async (name) => fileOf(name, await gated.create(name)),
    open: async (name) => fileOf(name, await gated.open(name))
  }
}
