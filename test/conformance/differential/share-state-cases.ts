/** What the share coordinator keeps of a share group's partitions (KIP-932), as brokers write and read it. */
import { apis } from '../../faults/apis.ts'
import { eventually } from '../waiting.ts'
import { type Case, casesOf } from './case.ts'
import { type Fixture, inOrder, type Peer } from './peer.ts'

const UNKNOWN_ID = 'AAAAAAAAAAAAAAAAAAAAQQ'

interface StateOptions {
  readonly groupId?: string
  readonly topicId?: string
  readonly partition?: number
  readonly stateEpoch?: number
  /** Counted from the first of the partition. */
  readonly leaderEpoch?: number
  readonly startOffset?: number
  readonly stateBatches?: { firstOffset: number; lastOffset: number; deliveryState: number; deliveryCount: number }[]
}

class SharedPartition {
  readonly #peer: Peer
  readonly #topic: Fixture

  constructor(peer: Peer, topic: Fixture) {
    this.#peer = peer
    this.#topic = topic
  }

  initialize(version: number, { stateEpoch = 3, startOffset = 2, ...rest }: StateOptions = {}) {
    return this.#peer.send(apis.initializeShareGroupState, version, this.#about(rest, { stateEpoch, startOffset }))
  }

  /** Kafka's coordinator learns of a new topic a little later than the others. */
  async initialized(): Promise<void> {
    await eventually('the state has begun', async () => {
      const { results } = await this.initialize(0)
      return results[0]?.partitions[0]?.errorCode === 0
    })
  }

  write(version: number, { stateEpoch = 3, startOffset = 4, stateBatches = BATCHES, ...rest }: StateOptions = {}) {
    const state = { stateEpoch, leaderEpoch: this.#epoch(rest), startOffset, deliveryCompleteCount: 1, stateBatches }
    return this.#peer.send(apis.writeShareGroupState, version, this.#about(rest, state))
  }

  read(version: number, options: StateOptions = {}) {
    const asked = this.#about(options, { leaderEpoch: this.#epoch(options) })
    return this.#peer.send(apis.readShareGroupState, version, asked)
  }

  summarize(version: number, options: StateOptions = {}) {
    const asked = this.#about(options, { leaderEpoch: this.#epoch(options) })
    return this.#peer.send(apis.readShareGroupStateSummary, version, asked)
  }

  remove(version: number, options: StateOptions = {}) {
    return this.#peer.send(apis.deleteShareGroupState, version, this.#about(options, {}))
  }

  #epoch({ leaderEpoch = 0 }: StateOptions): number {
    return leaderEpoch < 0 ? leaderEpoch : leaderEpoch + this.#peer.firstLeaderEpoch
  }

  #about<Fields>({ groupId, topicId = this.#topic.id, partition = 0 }: StateOptions, fields: Fields) {
    const topics = [{ topicId, partitions: [{ partition, ...fields }] }]
    return { groupId: groupId ?? this.#peer.scoped('group'), topics }
  }
}

const BATCHES = [
  { firstOffset: 4, lastOffset: 6, deliveryState: 0, deliveryCount: 1 },
  { firstOffset: 7, lastOffset: 9, deliveryState: 2, deliveryCount: 2 }
]

/** Does `act` to a share partition whose state was begun. */
const onState = (act: (one: SharedPartition, version: number) => Promise<unknown>, initialized = true) => {
  return async (peer: Peer, version: number) => {
    // A topic that has been there for a while: Kafka's share coordinator learns of new ones late.
    const one = new SharedPartition(peer, await peer.readableTopic())
    if (initialized) await one.initialized()
    return act(one, version)
  }
}

/** The ways in which a share partition can be the wrong one. */
const wrong = [
  ['an empty group id', { groupId: '' }],
  ['a group that is not', { groupId: 'no-such-group' }],
  ['a topic that is not', { topicId: UNKNOWN_ID }],
  ['a partition that is not', { partition: 7 }],
  ['a negative partition', { partition: -1 }]
] as const

export const shareStateCases: Case[] = [
  ...casesOf(
    apis.initializeShareGroupState,
    ['begins', onState(async (one, version) => inOrder(await one.initialize(version), await one.read(0)), false)],
    ...wrong.map(
      ([name, options]) =>
        [`answers ${name}`, onState((one, version) => one.initialize(version, options), false)] as const
    ),
    ['begins again', onState(async (one, version) => inOrder(await one.initialize(version), await one.read(0)))],
    [
      'begins at a newer state epoch',
      onState(async (one, version) => inOrder(await one.initialize(version, { stateEpoch: 4 }), await one.read(0)))
    ],
    ['refuses an older state epoch', onState((one, version) => one.initialize(version, { stateEpoch: 2 }))],
    [
      'begins without an offset',
      onState(
        async (one, version) => inOrder(await one.initialize(version, { startOffset: -1 }), await one.read(0)),
        false
      )
    ],
    ['answers a negative state epoch', onState((one, version) => one.initialize(version, { stateEpoch: -1 }), false)]
  ),
  ...casesOf(
    apis.writeShareGroupState,
    [
      'writes',
      onState(async (one, version) => inOrder(await one.write(version), await one.read(0), await one.summarize(1)))
    ],
    ...wrong.map(
      ([name, options]) => [`answers ${name}`, onState((one, version) => one.write(version, options))] as const
    ),
    ['answers what was not begun', onState((one, version) => one.write(version), false)],
    ['refuses an older state epoch', onState((one, version) => one.write(version, { stateEpoch: 2 }))],
    ['answers a newer state epoch', onState((one, version) => one.write(version, { stateEpoch: 9 }))],
    [
      'takes an older leader epoch of who only writes',
      onState(async (one, version) => inOrder(await one.write(version, { leaderEpoch: 3 }), await one.write(version)))
    ],
    [
      'combines what is written in turn',
      onState(async (one, version) => {
        await one.write(version)
        const stateBatches = [{ firstOffset: 5, lastOffset: 7, deliveryState: 4, deliveryCount: 3 }]
        const answer = await one.write(version, { startOffset: -1, stateBatches })
        return inOrder(answer, await one.read(0))
      })
    ],
    [
      'forgets what lies before the start',
      onState(async (one, version) => {
        await one.write(version)
        return inOrder(await one.write(version, { startOffset: 8, stateBatches: [] }), await one.read(0))
      })
    ]
  ),
  ...casesOf(
    apis.readShareGroupState,
    ...wrong.map(
      ([name, options]) => [`answers ${name}`, onState((one, version) => one.read(version, options))] as const
    ),
    ['answers what was not begun', onState((one, version) => one.read(version), false)],
    [
      'answers an older leader epoch',
      onState(async (one, version) => inOrder(await one.write(1, { leaderEpoch: 3 }), await one.read(version)))
    ],
    [
      'takes the leader epoch of who reads',
      onState(async (one, version) =>
        inOrder(await one.read(version, { leaderEpoch: 5 }), await one.write(1, { leaderEpoch: 4 }))
      )
    ],
    ['reads without a leader epoch', onState((one, version) => one.read(version, { leaderEpoch: -1 }))]
  ),
  ...casesOf(
    apis.readShareGroupStateSummary,
    ...wrong.map(
      ([name, options]) => [`answers ${name}`, onState((one, version) => one.summarize(version, options))] as const
    ),
    ['answers what was not begun', onState((one, version) => one.summarize(version), false)],
    ['tells what was begun', onState((one, version) => one.summarize(version))],
    [
      'does not mind an older leader epoch',
      onState(async (one, version) => inOrder(await one.write(1, { leaderEpoch: 3 }), await one.summarize(version)))
    ]
  ),
  ...casesOf(
    apis.deleteShareGroupState,
    [
      'deletes',
      onState(async (one, version) => inOrder(await one.remove(version), await one.remove(version), await one.read(0)))
    ],
    ...wrong.map(
      ([name, options]) => [`answers ${name}`, onState((one, version) => one.remove(version, options))] as const
    )
  )
]
