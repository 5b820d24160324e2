import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Fault } from '../runtime/fault.ts'
import { silentLog } from '../runtime/log.ts'
import { settle } from '../runtime/virtual-clock.ts'
import { type FollowingCoordinator, followLeadership, type LeadershipParts } from './leadership.ts'
import type { Partition } from './partition/partition.ts'

const TOPIC = '__state'

function partition(index: number, topicName = TOPIC): Partition {
  return { topicName, index } as Partition
}

/** Topics whose partitions come and go as the test says, and a coordinator that takes its time. */
class World {
  readonly names = new Set(['cars', 'boats'])
  readonly events: string[] = []
  readonly #loads: (() => void)[] = []
  readonly #listeners = { opened: [] as ((p: Partition) => void)[], closed: [] as ((p: Partition) => void)[] }
  readonly #subscribers = new Set<() => void>()
  revision = 1
  deletion: () => Promise<void> = () => Promise.resolve()
  readonly stop: () => void

  constructor() {
    const coordinator: FollowingCoordinator = {
      load: (index) => {
        this.events.push(`load ${index}`)
        return new Promise((resolve) => this.#loads.push(resolve))
      },
      unload: (index) => this.events.push(`unload ${index}`)
    }
    const names = () => this.names
    const parts: LeadershipParts = {
      log: silentLog,
      topics: this.#topics(names),
      subscribe: (listener) => {
        this.#subscribers.add(listener)
        return () => this.#subscribers.delete(listener)
      },
      coordinators: new Map([[TOPIC, coordinator]]),
      onClosed: ({ topicName, index }) => this.events.push(`closed ${topicName}-${index}`),
      onDeleted: (topic) => {
        this.events.push(`deleted ${topic}`)
        return this.deletion()
      }
    }
    this.stop = followLeadership(parts)
  }

  open(one: Partition): void {
    for (const listener of this.#listeners.opened) listener(one)
  }

  close(one: Partition): void {
    for (const listener of this.#listeners.closed) listener(one)
  }

  changed(): void {
    this.revision++
    for (const listener of this.#subscribers) listener()
  }

  /** The oldest load ends. */
  async loaded(): Promise<void> {
    this.#loads.shift()?.()
    await settle()
  }

  taken(): string[] {
    return this.events.splice(0)
  }

  #topics(names: () => Iterable<string>): LeadershipParts['topics'] {
    const world = this
    const follow = (listeners: ((p: Partition) => void)[], listener: (p: Partition) => void) => {
      listeners.push(listener)
      return () => listeners.splice(listeners.indexOf(listener), 1)
    }
    return {
      onOpened: (listener) => follow(this.#listeners.opened, listener),
      onClosed: (listener) => follow(this.#listeners.closed, listener),
      names,
      get revision() {
        return world.revision
      }
    }
  }
}

describe('following leadership', () => {
  it('a coordinator loads what this broker comes to lead, and unloads what it does not any more', () => {
    const world = new World()
    world.open(partition(3))
    world.open(partition(0, 'cars'))
    world.close(partition(3))
    world.close(partition(0, 'cars'))
    assert.deepEqual(world.taken(), ['load 3', 'unload 3', `closed ${TOPIC}-3`, 'closed cars-0'])
  })

  it('a few partitions are loaded at once, and those that have gone before their turn not at all', async () => {
    const world = new World()
    for (let index = 0; index < 10; index++) world.open(partition(index))
    assert.equal(world.taken().length, 8)
    world.close(partition(8))
    assert.deepEqual(world.taken(), ['unload 8', `closed ${TOPIC}-8`])
    await world.loaded()
    assert.deepEqual(world.taken(), ['load 9'])
    await world.loaded()
    assert.deepEqual(world.taken(), [])
  })

  it('groups hear of topics that are gone, each once', async () => {
    const world = new World()
    world.names.add('bikes')
    world.changed()
    world.names.delete('cars')
    world.changed()
    world.changed()
    assert.deepEqual(world.taken(), ['deleted cars'])
    world.deletion = () => Promise.reject(new Fault('unavailable', 'not now'))
    world.names.delete('boats')
    world.changed()
    await settle()
    assert.deepEqual(world.taken(), ['deleted boats'])
  })

  it('ends when it is stopped', async () => {
    const world = new World()
    for (let index = 0; index < 9; index++) world.open(partition(index))
    world.taken()
    world.stop()
    world.open(partition(20))
    world.close(partition(0))
    world.names.delete('cars')
    world.changed()
    await world.loaded()
    assert.deepEqual(world.taken(), [])
  })
})
