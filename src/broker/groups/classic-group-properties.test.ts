/** The group state machine under thousands of random histories; `SimulatedGroup` checks its promises at every step. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { JoinAnswer, RequestId } from './group-state.ts'
import { SimulatedGroup } from './simulated-group.ts'

const histories = 2_000
/** Histories of well-behaved consumers are long, so fewer of them are run. */
const lives = 150
const clients = 4
const choices = [['range'], ['range', 'sticky'], ['sticky', 'range'], ['sticky']]

interface Act {
  readonly what: 'join' | 'new' | 'sync' | 'heartbeat' | 'leave' | 'evict' | 'wait' | 'restart' | 'stale'
  readonly who: number
  readonly choice: number
  readonly ms: number
}

const act: fc.Arbitrary<Act> = fc.record({
  what: fc.constantFrom(
    'join',
    'join',
    'new',
    'sync',
    'sync',
    'heartbeat',
    'leave',
    'evict',
    'wait',
    'restart',
    'stale'
  ),
  who: fc.nat(clients - 1),
  choice: fc.nat(choices.length - 1),
  ms: fc.constantFrom(0, 1, 500, 3_000, 7_000, 20_000, 70_000)
})

/** Clients that do anything at any time, each with the member id it was told last. Odd ones are static. */
class Mob {
  readonly group: SimulatedGroup
  readonly #memberIds = new Map<number, string>()
  readonly #requests = new Map<RequestId, number>()
  readonly joins: RequestId[] = []

  constructor(initialRebalanceDelayMs: number) {
    this.group = new SimulatedGroup({ initialRebalanceDelayMs, maxSize: 3 })
  }

  do({ what, who, choice, ms }: Act): void {
    const instanceId = who % 2 === 1 ? `instance-${who}` : null
    const memberId = this.#memberIds.get(who) ?? ''
    if (what === 'join' || what === 'new') {
      const protocols = (choices[choice] ?? []).map((name) => ({ name, metadata: Buffer.from(`${who}-${choice % 2}`) }))
      const request = this.group.join({
        memberId: what === 'new' ? '' : memberId,
        instanceId,
        protocols,
        requiresMemberId: choice % 2 === 0,
        maySkipAssignment: choice > 1,
        sessionTimeoutMs: 6_000 + who * 1_000,
        rebalanceTimeoutMs: who * 10_000
      })
      this.#requests.set(request, who)
      this.joins.push(request)
    } else if (what === 'sync') {
      const assignments = new Map([...this.group.group.members.keys()].map((id) => [id, Buffer.from(id)]))
      this.group.sync(memberId, { instanceId, assignments })
    } else if (what === 'stale') this.group.sync(memberId, { instanceId, generation: this.group.group.generation - 1 })
    else if (what === 'heartbeat') this.group.heartbeat(memberId, instanceId === null ? {} : { instanceId })
    else if (what === 'leave') this.group.leave({ memberId, ...(instanceId === null ? {} : { instanceId }) })
    else if (what === 'evict') this.group.leave({ memberId: '', instanceId: `instance-${who}` })
    else if (what === 'wait') this.group.advance(ms)
    else this.group.restart()
    this.#learn()
  }

  #learn(): void {
    for (const [request, who] of this.#requests) {
      const answer = this.group.answers.get(request)
      if (answer === undefined) continue
      this.#requests.delete(request)
      if (answer.kind === 'join' && (answer.error === 'NONE' || answer.error === 'MEMBER_ID_REQUIRED')) {
        this.#memberIds.set(who, answer.memberId)
      }
    }
  }

  unanswered(): RequestId[] {
    return [...this.group.asked].filter((request) => this.group.isWaiting(request))
  }
}

function check(property: fc.IProperty<unknown>, numRuns = histories): void {
  // On failure fast-check prints the seed and path that repeat it.
  fc.assert(property, { numRuns })
}

test('whatever clients do, once they fall silent every request is answered, all members are gone and no deadline is left', () => {
  check(
    fc.property(fc.array(act, { maxLength: 60 }), fc.constantFrom(0, 3_000), (acts, delayMs) => {
      const mob = new Mob(delayMs)
      for (const one of acts) mob.do(one)
      mob.group.advance(3_600_000)
      assert.deepEqual(mob.unanswered(), [])
      assert.equal(mob.group.group.state, 'Empty')
      assert.equal(mob.group.deadlineCount, 0)
    })
  )
})

test('whatever clients do, a closed group leaves nobody waiting and no deadline behind', () => {
  check(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const mob = new Mob(0)
      for (const one of acts) mob.do(one)
      mob.group.send({ type: 'close', error: 'NOT_COORDINATOR' })
      assert.deepEqual(mob.unanswered(), [])
      assert.equal(mob.group.deadlineCount, 0)
    })
  )
})

test('generations only grow, each has one protocol, and nobody but its leader is told the members', () => {
  check(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const mob = new Mob(0)
      let generation = 0
      for (const one of acts) {
        if (one.what === 'restart') continue
        mob.do(one)
        assert.ok(mob.group.group.generation >= generation)
        generation = mob.group.group.generation
      }
      const seen = new Map<number, JoinAnswer[]>()
      for (const answer of mob.group.answers.values()) {
        if (answer.kind !== 'join' || answer.error !== 'NONE') continue
        seen.set(answer.generation, [...(seen.get(answer.generation) ?? []), answer])
      }
      for (const answers of seen.values()) {
        assert.equal(new Set(answers.map((answer) => answer.protocol)).size, 1)
        for (const answer of answers) if (answer.members.length > 0) assert.equal(answer.leader, answer.memberId)
      }
    })
  )
})

/** One consumer that behaves as Kafka's clients do: joins, syncs, heartbeats, and starts over when told to. */
class Consumer {
  memberId = ''
  generation = -1
  assignment = ''
  phase: 'out' | 'joining' | 'syncing' | 'in' = 'out'
  isUp = true
  readonly #mob: SimulatedGroup
  readonly #name: string
  readonly #instanceId: string | null
  #request: RequestId = 0

  constructor(group: SimulatedGroup, name: string, isStatic: boolean) {
    this.#mob = group
    this.#name = name
    this.#instanceId = isStatic ? name : null
  }

  /** Does whatever is next; the network takes no time. */
  tick(): void {
    if (!this.isUp) return
    if (this.phase === 'out') this.#join()
    else if (this.phase === 'joining') this.#afterJoin()
    else if (this.phase === 'syncing') this.#afterSync()
    else this.#heartbeat()
  }

  #join(): void {
    this.#request = this.#mob.join({
      memberId: this.memberId,
      instanceId: this.#instanceId,
      protocols: [{ name: 'range', metadata: Buffer.from(this.#name) }],
      requiresMemberId: true
    })
    this.phase = 'joining'
  }

  #afterJoin(): void {
    // The coordinator restarted: the connection broke.
    if (!this.#mob.asked.has(this.#request)) this.phase = 'out'
    if (this.#mob.isWaiting(this.#request)) return
    const answer = this.#mob.joined(this.#request)
    this.phase = 'out'
    if (answer.error === 'MEMBER_ID_REQUIRED') this.memberId = answer.memberId
    else if (answer.error === 'UNKNOWN_MEMBER_ID' || answer.error === 'FENCED_INSTANCE_ID') this.memberId = ''
    if (answer.error !== 'NONE') return
    this.memberId = answer.memberId
    this.generation = answer.generation
    const assignments = new Map(
      answer.members.map(({ memberId }) => [memberId, Buffer.from(`${answer.generation} for ${memberId}`)])
    )
    this.#request = this.#mob.sync(this.memberId, {
      instanceId: this.#instanceId,
      generation: this.generation,
      assignments
    })
    this.phase = 'syncing'
  }

  #afterSync(): void {
    if (!this.#mob.asked.has(this.#request)) this.phase = 'out'
    if (this.#mob.isWaiting(this.#request)) return
    const answer = this.#mob.synced(this.#request)
    this.phase = answer.error === 'NONE' ? 'in' : 'out'
    this.assignment = answer.assignment.toString()
    if (answer.error === 'UNKNOWN_MEMBER_ID') this.memberId = ''
  }

  #heartbeat(): void {
    const instance = this.#instanceId === null ? {} : { instanceId: this.#instanceId }
    const error = this.#mob.heartbeat(this.memberId, { generation: this.generation, ...instance })
    if (error !== 'NONE') this.phase = 'out'
    if (error === 'UNKNOWN_MEMBER_ID' || error === 'FENCED_INSTANCE_ID') this.memberId = ''
  }

  /** The process starts anew and remembers nothing. */
  restart(): void {
    this.memberId = ''
    this.phase = 'out'
    this.isUp = true
  }

  leave(): void {
    this.isUp = false
    if (this.#instanceId === null && this.memberId !== '') this.#mob.leave({ memberId: this.memberId })
  }
}

const accident = fc.record({
  kind: fc.constantFrom('crash', 'restart', 'leave', 'coordinator restart', 'nothing'),
  who: fc.nat(4),
  ticks: fc.nat(8)
})

test('consumers that crash, restart and leave always end up in one generation, each with an assignment of its own', () => {
  check(
    fc.property(fc.array(accident, { maxLength: 25 }), (accidents) => {
      const group = new SimulatedGroup({ initialRebalanceDelayMs: 1_000 })
      const consumers = Array.from({ length: 5 }, (_, index) => new Consumer(group, `consumer-${index}`, index > 2))
      const live = (ticks: number) => {
        for (let i = 0; i < ticks; i++) {
          for (const consumer of consumers) consumer.tick()
          group.advance(1_000)
        }
      }
      for (const { kind, who, ticks } of accidents) {
        const consumer = consumers[who]
        assert.ok(consumer)
        if (kind === 'crash') consumer.isUp = false
        else if (kind === 'restart') consumer.restart()
        else if (kind === 'leave') consumer.leave()
        else if (kind === 'coordinator restart') group.restart()
        live(ticks)
      }
      live(150)
      const up = consumers.filter((consumer) => consumer.isUp)
      assert.equal(group.group.state, up.length === 0 ? 'Empty' : 'Stable')
      assert.equal(group.group.members.size, up.length)
      for (const consumer of up) {
        assert.equal(consumer.phase, 'in')
        assert.equal(consumer.generation, group.group.generation)
        // A static member that came back without a rebalance holds what its predecessor was assigned.
        assert.match(consumer.assignment, new RegExp(`^${consumer.generation} for `))
      }
      assert.equal(new Set(up.map((consumer) => consumer.assignment)).size, up.length)
    }),
    lives
  )
})

test('a static consumer that restarts within its session keeps its assignment and disturbs nobody', () => {
  check(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(3, 4), fc.integer({ min: 1, max: 6 })), { maxLength: 10 }),
      (restarts) => {
        const group = new SimulatedGroup()
        const consumers = Array.from({ length: 5 }, (_, index) => new Consumer(group, `consumer-${index}`, index > 2))
        const live = (ticks: number) => {
          for (let i = 0; i < ticks; i++) {
            for (const consumer of consumers) consumer.tick()
            group.advance(1_000)
          }
        }
        live(30)
        const { generation } = group.group
        const assignments = consumers.map((consumer) => consumer.assignment)
        for (const [who, ticks] of restarts) {
          consumers[who]?.restart()
          live(ticks)
        }
        live(10)
        assert.equal(group.group.generation, generation)
        assert.deepEqual(
          consumers.map((consumer) => consumer.assignment),
          assignments
        )
      }
    ),
    lives
  )
})
