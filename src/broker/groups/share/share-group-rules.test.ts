import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { ShareGroupHeartbeatRequest } from '../../../wire/messages/share-group-heartbeat.ts'
import { DEFAULT_GROUP_SETTINGS } from '../../group-settings.ts'
import type { GroupChange } from '../hosted-group.ts'
import { ShareDraft } from './share-draft.ts'
import { shareGroupRules, watchedRules } from './share-group-rules.ts'
import type { ShareGroup } from './share-group-state.ts'
import { heartbeat } from './share-heartbeat.ts'
import { endStates, withoutState } from './state-topics.ts'

const IDS: Readonly<Record<string, string>> = {
  t: 'AQIDBAUGBwgJCgsMDQ4PEA',
  u: 'BQIDBAUGBwgJCgsMDQ4PEA',
  v: 'CQIDBAUGBwgJCgsMDQ4PEA'
}
const COUNTS: Readonly<Record<string, number>> = { t: 1, u: 3, v: 4 }
const topics = {
  topicId: (name: string) => IDS[name],
  topicName: (id: string) => Object.keys(IDS).find((name) => IDS[name] === id),
  partitionCount: (name: string) => COUNTS[name]
}
const environment = { settings: () => DEFAULT_GROUP_SETTINGS, topics, membersMax: 3 }
const rules = shareGroupRules(environment)
const CLIENT = { clientId: 'c', clientHost: '/127.0.0.1' }

type Group = ShareGroup | undefined

/** What the log makes of the change is what the change says. */
function apply<Answer>(before: Group, change: GroupChange<ShareGroup, Answer>): Group {
  let replayed = before
  for (const record of change.records) {
    assert.equal(rules.groupOf(record), 'g')
    replayed = rules.replay(replayed, record)
  }
  assert.deepEqual(replayed, change.records.length === 0 ? before : change.state)
  return replayed
}

function request(memberId: string, memberEpoch: number, names: string[] | null): ShareGroupHeartbeatRequest {
  return { groupId: 'g', memberId, memberEpoch, rackId: null, subscribedTopicNames: names }
}

/** The states that a group misses are made. */
function makeStates(group: Group): Group {
  if (group === undefined) return undefined
  const draft = new ShareDraft(group, environment)
  const names = [...group.members.values()].flatMap(({ metadata }) => metadata.subscribedTopicNames)
  const missing = withoutState(group.stateTopics, new Set(names), topics)
  draft.put({ kind: 'stateTopics', value: endStates(group.stateTopics, missing, true, topics) })
  return apply(group, draft.finish(undefined))
}

it('what is stored of a change makes the group that the change says, and deleting it leaves nothing', () => {
  const member = fc.constantFrom('a', 'b', 'c', 'd')
  const names = fc.subarray(['t', 'u', 'v'], { minLength: 1 })
  const step = fc.oneof(
    fc.record({ kind: fc.constant('heartbeat' as const), member, names: fc.option(names), joins: fc.boolean() }),
    fc.record({ kind: fc.constant('leave' as const), member }),
    fc.record({ kind: fc.constant('expire' as const), member }),
    fc.record({ kind: fc.constant('states' as const) })
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let group: Group
      let now = 1_000
      for (const one of steps) {
        now += 700
        if (one.kind === 'states') {
          group = makeStates(group)
        } else if (one.kind === 'expire') {
          if (group !== undefined)
            group = apply(group, rules.expire(group, `session ${one.member}`, now) as GroupChange<ShareGroup, void>)
        } else {
          const known = group?.members.get(one.member)?.epoch ?? 0
          const epoch = one.kind === 'leave' ? -1 : one.joins ? 0 : known
          const wanted = one.kind === 'leave' ? null : (one.names ?? (epoch === 0 ? ['t'] : null))
          const change = heartbeat(group, request(one.member, epoch, wanted), CLIENT, environment, now, true)
          group = apply(group, change)
          assert.ok((group?.members.size ?? 0) <= 3)
        }
      }
      if (group === undefined) return
      let left: Group = group
      for (const record of rules.tombstones(group)) left = rules.replay(left, record)
      assert.equal(left, undefined)
    })
  )
})

it('a target is not made anew a moment after the last one', () => {
  let group: Group
  const beat = (memberId: string, epoch: number, now: number) => {
    const change = heartbeat(group, request(memberId, epoch, ['v']), CLIENT, environment, now, true)
    group = apply(group, change)
    return change.answer.response.assignment?.topicPartitions[0]?.partitions ?? []
  }
  beat('a', 0, 10_000)
  group = makeStates(group)
  assert.deepEqual(beat('a', 2, 10_999), [])
  assert.deepEqual(beat('a', 2, 11_000), [0, 1, 2, 3])
  assert.deepEqual(beat('b', 0, 11_500), [])
  assert.deepEqual(beat('b', 3, 12_000), [2, 3])
  assert.deepEqual(beat('a', 3, 12_001), [0, 1])
})

it('a group has no offsets of its own, and makes no room for others', () => {
  const change = heartbeat(undefined, request('a', 0, ['t']), CLIENT, environment, 0, true)
  const group = apply(undefined, change)
  assert.ok(group !== undefined)
  const claim = { memberId: 'a', instanceId: null, epoch: 1, transactional: false, apiVersion: 9 }
  assert.deepEqual(rules.commitVerdict(group, claim), { error: 'GROUP_ID_NOT_FOUND' })
  assert.equal(rules.fetchError(group, null, -1), 'GROUP_ID_NOT_FOUND')
  assert.deepEqual([rules.keepsOffsets, rules.makesRoom, rules.isEmpty(group)], [false, false, false])
  assert.deepEqual([rules.isSubscribed(group, 't'), rules.isSubscribed(group, 'u')], [true, false])
  assert.deepEqual(rules.loaded(group, 0), [{ name: 'session a', afterMs: 45_000 }])
})

it('whoever watches hears of those whose session expired', () => {
  const heard: unknown[] = []
  const watched = watchedRules(rules, (...told) => heard.push(told))
  let group = apply(undefined, heartbeat(undefined, request('a', 0, ['t']), CLIENT, environment, 0, true))
  group = apply(group, heartbeat(group, request('b', 0, ['t']), CLIENT, environment, 0, true))
  assert.ok(group !== undefined)
  watched.expire(group, 'session x', 0)
  const after = watched.expire(group, 'session b', 0).state
  assert.ok(after !== undefined)
  watched.expire(after, 'session a', 0)
  assert.deepEqual(heard, [
    ['g', ['b'], false],
    ['g', ['a'], true]
  ])
})
