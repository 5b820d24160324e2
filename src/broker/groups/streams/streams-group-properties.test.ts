import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { SimulatedGroup, SimulatedMember } from './simulated-application.ts'
import { stateName } from './streams-group-rules.ts'

const MEMBERS = ['a', 'b', 'c', 'd']

type Step =
  | { readonly type: 'heartbeat' | 'crash' | 'leave' | 'lose'; readonly who: string }
  | { readonly type: 'wait'; readonly ms: number }
  | { readonly type: 'reload' }
  | { readonly type: 'grow' | 'drop' | 'restore'; readonly topic: string }
  | { readonly type: 'standbys'; readonly count: number }

const who = fc.constantFrom(...MEMBERS)
const topic = fc.constantFrom('lines', 'words', 'counts')
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ type: fc.constant('heartbeat' as const), who }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('crash' as const, 'leave' as const), who }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('lose' as const), who }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 30_000 }) }) },
  { weight: 1, arbitrary: fc.constant({ type: 'reload' as const }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('drop' as const, 'restore' as const), topic }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('grow' as const), topic: fc.constant('lines') }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('standbys' as const), count: fc.integer({ min: 0, max: 2 }) }) }
)

class Application {
  readonly group = new SimulatedGroup()
  readonly members = new Map<string, SimulatedMember>()
  #lives = 0
  #partitions = 2
  #epoch = 0

  constructor() {
    this.#restore()
  }

  #restore(): void {
    for (const name of ['lines', 'words', 'counts']) {
      if (!this.group.topics.has(name)) this.group.createTopic(name, this.#partitions)
    }
  }

  do(step: Step): void {
    switch (step.type) {
      case 'heartbeat':
        this.#member(step.who).heartbeat()
        break
      case 'lose':
        this.#member(step.who).heartbeat(true)
        break
      case 'crash':
        // Two members of each process. What comes back is another member.
        this.members.delete(step.who)
        break
      case 'leave':
        this.members.get(step.who)?.leave()
        this.members.delete(step.who)
        break
      case 'wait':
        this.group.advance(step.ms)
        break
      case 'reload':
        this.group.reload()
        break
      case 'drop':
        this.group.topics.delete(step.topic)
        break
      case 'restore':
        this.#restore()
        break
      case 'grow':
        this.#partitions++
        for (const name of [...this.group.topics.keys()]) this.group.createTopic(name, this.#partitions)
        break
      case 'standbys':
        this.group.settings = { ...this.group.settings, streamsNumStandbyReplicas: step.count }
    }
    this.check()
  }

  #member(who: string): SimulatedMember {
    const known = this.members.get(who)
    if (known !== undefined) return known
    const process = MEMBERS.indexOf(who) >> 1
    const member = new SimulatedMember(this.group, `${who}${this.#lives++}`, `process-${process}`)
    this.members.set(who, member)
    return member
  }

  check(): void {
    const { group } = this.group
    if (group === undefined) return
    assert.ok(group.epoch >= this.#epoch, 'the epoch of a group never goes back')
    this.#epoch = group.epoch
    const held = [...group.members.values()].flatMap(({ assigned, pendingRevocation }) => [
      ...assigned.active.keys(),
      ...pendingRevocation.active.keys()
    ])
    assert.equal(new Set(held).size, held.length, 'no active task is with two members')
    for (const processId of new Set([...group.members.values()].map(({ metadata }) => metadata.processId))) {
      const tasks: string[] = [...group.members.values()]
        .filter(({ metadata }) => metadata.processId === processId)
        .flatMap(({ assigned, pendingRevocation }) => [assigned, pendingRevocation])
        .flatMap(({ active, standby }) => [...active.keys(), ...standby])
      assert.equal(new Set(tasks).size, tasks.length, 'no process has a task twice, of whatever kind')
    }
    // A member that the group has given up does not know it yet: it is as dead as one that crashed.
    const alive = [...this.members.values()].filter(({ memberId }) => group.members.has(memberId))
    const owned = alive.flatMap(({ active }) => [...active])
    assert.equal(new Set(owned).size, owned.length, 'no active task is run by two members')
    const { shutdownRequestedBy, endpointEpoch, awaitsFirstMembers } = group
    assert.deepEqual({ ...this.group.replayed(), shutdownRequestedBy, endpointEpoch, awaitsFirstMembers }, group)
  }

  /** Nothing happens any more but heartbeats. */
  settle(): void {
    this.do({ type: 'restore', topic: 'lines' })
    this.do({ type: 'heartbeat', who: 'a' })
    for (let round = 0; round < 40; round++) {
      this.do({ type: 'wait', ms: 5_000 })
      for (const member of this.members.values()) member.heartbeat()
      this.check()
    }
    const { group } = this.group
    assert.ok(group !== undefined)
    assert.equal(stateName(group), 'Stable')
    const active = [...this.members.values()].flatMap((member) => [...member.active])
    assert.equal(active.length, 2 * this.#partitions, 'every task runs')
  }
}

describe('a Streams group, whatever happens to it', () => {
  it('never runs an active task twice, keeps its epochs, equals its log, and comes to rest with every task running', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const application = new Application()
        for (const step of steps) application.do(step)
        application.settle()
      }),
      { numRuns: 80 }
    )
  })
})
