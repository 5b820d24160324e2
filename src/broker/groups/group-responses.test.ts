import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Reader, Writer } from '../../wire/buffers.ts'
import type { Message } from '../../wire/message.ts'
import { DeleteGroupsResponse } from '../../wire/messages/delete-groups.ts'
import { DescribeGroupsResponse } from '../../wire/messages/describe-groups.ts'
import { HeartbeatResponse } from '../../wire/messages/heartbeat.ts'
import { JoinGroupResponse } from '../../wire/messages/join-group.ts'
import { LeaveGroupResponse } from '../../wire/messages/leave-group.ts'
import { ListGroupsResponse } from '../../wire/messages/list-groups.ts'
import { OffsetCommitResponse } from '../../wire/messages/offset-commit.ts'
import { OffsetDeleteResponse } from '../../wire/messages/offset-delete.ts'
import { OffsetFetchResponse } from '../../wire/messages/offset-fetch.ts'
import { SyncGroupResponse } from '../../wire/messages/sync-group.ts'
import { CoordinatorFixture, context } from './coordinator-fixture.ts'

/** Writes the response that `ask` gets, in each version of its API, and reads it back. */
async function everyVersion<Output, Input>(
  message: Message<Output, Input>,
  ask: (fixture: CoordinatorFixture, version: number) => Promise<Input>
): Promise<void> {
  for (let version = message.minVersion; version <= message.maxVersion; version++) {
    for (const isClosed of [false, true]) {
      const fixture = new CoordinatorFixture()
      const memberId = await fixture.stable({ groupInstanceId: 'truck-7' })
      await fixture.commit(3, { memberId, groupInstanceId: 'truck-7', generationIdOrMemberEpoch: 1 })
      if (isClosed) fixture.shards.close()
      const response = await ask(fixture, version)
      const writer = new Writer()
      message.encode(writer, version, response)
      const reader = new Reader(Buffer.concat(writer.finish()))
      message.decode(reader, version)
      assert.equal(reader.remaining, 0)
    }
  }
}

test('every response can be written in every version of its API, refusals included', async () => {
  await everyVersion(JoinGroupResponse, (fixture, version) => fixture.join({ groupInstanceId: 'truck-7' }, version))
  await everyVersion(JoinGroupResponse, (fixture, version) => fixture.join({ memberId: 'stranger' }, version))
  await everyVersion(SyncGroupResponse, (fixture) => fixture.sync('stranger', 1))
  await everyVersion(HeartbeatResponse, async (fixture) => ({ errorCode: await fixture.heartbeat('stranger', 1) }))
  const leaving = [{ memberId: '', groupInstanceId: 'truck-7', reason: null }]
  await everyVersion(LeaveGroupResponse, ({ coordinator }, version) =>
    coordinator.leaveGroup({ groupId: 'fleet', memberId: 'stranger', members: leaving }, context(version))
  )
  await everyVersion(OffsetCommitResponse, (fixture, version) =>
    fixture.coordinator.offsetCommit(fixture.commitRequest(1), context(version))
  )
  await everyVersion(OffsetFetchResponse, (fixture, version) => {
    const grouped = fixture.fetchRequest({ topics: null })
    const single = {
      groupId: 'fleet',
      topics: [{ name: 'cars', partitionIndexes: [0, 1] }],
      groups: [],
      requireStable: true
    }
    return fixture.coordinator.offsetFetch(version >= 8 ? grouped : single, context(version))
  })
  await everyVersion(OffsetDeleteResponse, ({ coordinator }) =>
    coordinator.offsetDelete({ groupId: 'fleet', topics: [] })
  )
  await everyVersion(DescribeGroupsResponse, ({ coordinator }, version) =>
    coordinator.describeGroups({ groups: ['fleet', 'x'], includeAuthorizedOperations: version >= 3 }, context(version))
  )
  await everyVersion(DeleteGroupsResponse, ({ coordinator }) => coordinator.deleteGroups({ groupsNames: ['fleet'] }))
  await everyVersion(ListGroupsResponse, ({ coordinator }) =>
    coordinator.listGroups({ statesFilter: [], typesFilter: [] })
  )
})
