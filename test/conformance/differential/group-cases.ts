/** The classic group protocol, in the order in which a consumer lives it, and what breaks it. */
import { apis } from '../../faults/apis.ts'
import { pause } from '../waiting.ts'
import { type Case, casesOf } from './case.ts'
import type { Peer } from './peer.ts'

const UNKNOWN = 'nobody'
/** A subscription or an assignment of version 0 without topics and user data. Kafka never answers on other bytes. */
const NOTHING = Buffer.from('000000000000ffffffff', 'hex')
const PROTOCOL = { protocolType: 'consumer', protocolName: 'range' }
const NOT_READY: ReadonlySet<number> = new Set([14, 15, 16])

interface Joining {
  readonly memberId?: string
  readonly protocolType?: string
  readonly protocolName?: string
  readonly groupInstanceId?: string | null
  readonly sessionTimeoutMs?: number
  readonly groupId?: string
}

function joinRequest(peer: Peer, joining: Joining) {
  const { protocolName = 'range', ...rest } = joining
  return {
    groupId: peer.scoped('group'),
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 5000,
    memberId: '',
    protocolType: 'consumer',
    protocols: [{ name: protocolName, metadata: NOTHING }],
    ...rest
  }
}

/** JoinGroup, asked again while the coordinator is being found or loaded. */
async function join(peer: Peer, version: number, joining: Joining = {}) {
  for (let attempt = 0; ; attempt++) {
    const response = await peer.send(apis.joinGroup, version, joinRequest(peer, joining))
    if (!NOT_READY.has(response.errorCode) || attempt > 50) return response
    await pause(100)
  }
}

interface Joined {
  readonly groupId: string
  readonly memberId: string
  readonly generationId: number
}

/** A group in which one member is stable. */
async function joined(peer: Peer, joining: Joining = {}): Promise<Joined> {
  const refused = await join(peer, 5, joining)
  const accepted = refused.errorCode === 79 ? await join(peer, 5, { ...joining, memberId: refused.memberId }) : refused
  if (accepted.errorCode !== 0) throw new Error(`JoinGroup answered ${accepted.errorCode}`)
  const { memberId, generationId } = accepted
  const groupId = joining.groupId ?? peer.scoped('group')
  const groupInstanceId = joining.groupInstanceId ?? null
  const assignments = [{ memberId, assignment: NOTHING }]
  const synced = await peer.send(apis.syncGroup, 3, { groupId, generationId, memberId, groupInstanceId, assignments })
  if (synced.errorCode !== 0) throw new Error(`SyncGroup answered ${synced.errorCode}`)
  return { groupId, memberId, generationId }
}

type Change = (member: Joined) => Joined

const heartbeats = (change: Change) => async (peer: Peer, version: number) =>
  peer.send(apis.heartbeat, version, change(await joined(peer)))

const syncs = (change: Change, protocol: { protocolType?: string; protocolName?: string } = PROTOCOL) => {
  return async (peer: Peer, version: number) =>
    peer.send(apis.syncGroup, version, { ...change(await joined(peer)), ...protocol, assignments: [] })
}

const leaves = (change: Change) => async (peer: Peer, version: number) => {
  const { groupId, memberId } = change(await joined(peer))
  const request = version < 3 ? { groupId, memberId, members: [] } : { groupId, members: [{ memberId }] }
  return peer.send(apis.leaveGroup, version, request)
}

export const same: Change = (member) => member
export const wrongGeneration: Change = (member) => ({ ...member, generationId: member.generationId + 5 })
export const wrongMember: Change = (member) => ({ ...member, memberId: UNKNOWN })
export const wrongGroup: Change = (member) => ({ ...member, groupId: `${member.groupId}-none` })
export const noGroup: Change = (member) => ({ ...member, groupId: '' })

export { joined }

const changes = [
  ['a member', same],
  ['a generation that is not', wrongGeneration],
  ['a member that is not', wrongMember],
  ['a group that is not', wrongGroup],
  ['an empty group id', noGroup]
] as const

export const groupCases: Case[] = [
  ...casesOf(
    apis.findCoordinator,
    ...([0, 1, 9] as const).map(
      (keyType) =>
        [
          `answers for key type ${keyType}`,
          async (peer: Peer, version: number) => {
            const key = peer.scoped('group')
            const keys = version < 4 ? { key, coordinatorKeys: [] } : { key: '', coordinatorKeys: [key, `${key}-2`] }
            const ask = () =>
              peer.send(apis.findCoordinator, version, { ...keys, keyType: version === 0 ? 0 : keyType })
            let response = await ask()
            for (let i = 0; i < 50 && (response.errorCode === 15 || response.coordinators[0]?.errorCode === 15); i++) {
              await pause(100)
              response = await ask()
            }
            return response
          }
        ] as const
    )
  ),
  ...casesOf(
    apis.joinGroup,
    ['joins, with the member id asked for first', (peer, version) => join(peer, version)],
    [
      'joins with the member id it was given',
      async (peer, version) => {
        const first = await join(peer, version)
        return first.errorCode === 79 ? join(peer, version, { memberId: first.memberId }) : first
      }
    ],
    ['joins as a static member', [5, 100], (peer, version) => join(peer, version, { groupInstanceId: 'static-1' })],
    ['refuses an empty group id', (peer, version) => join(peer, version, { groupId: '' })],
    ['refuses a short session', (peer, version) => join(peer, version, { sessionTimeoutMs: 1 })],
    ['refuses a long session', (peer, version) => join(peer, version, { sessionTimeoutMs: 0x7fff_ffff })],
    ['does not know a member', (peer, version) => join(peer, version, { memberId: UNKNOWN })],
    ['refuses an empty protocol type', (peer, version) => join(peer, version, { protocolType: '' })],
    [
      'refuses a group without protocols',
      (peer, version) => peer.send(apis.joinGroup, version, { ...joinRequest(peer, {}), protocols: [] })
    ],
    [
      'refuses another protocol type',
      async (peer, version) => {
        await joined(peer)
        return join(peer, version, { protocolType: 'connect' })
      }
    ],
    [
      'refuses a protocol that the others do not have',
      async (peer, version) => {
        await joined(peer)
        return join(peer, version, { protocolName: 'sticky' })
      }
    ],
    [
      'lets a member join again',
      async (peer, version) => {
        const { memberId } = await joined(peer)
        return join(peer, version, { memberId })
      }
    ]
  ),
  ...casesOf(apis.syncGroup, ...changes.map(([name, change]) => [`answers ${name}`, syncs(change)] as const)),
  ...casesOf(
    apis.syncGroup,
    ['answers a member that names no protocol', syncs(same, {})],
    ['answers a member of another protocol type', [5, 100], syncs(same, { ...PROTOCOL, protocolType: 'connect' })],
    ['answers a member of another protocol', [5, 100], syncs(same, { ...PROTOCOL, protocolName: 'sticky' })]
  ),
  ...casesOf(apis.heartbeat, ...changes.map(([name, change]) => [`answers ${name}`, heartbeats(change)] as const)),
  ...casesOf(apis.leaveGroup, ...changes.map(([name, change]) => [`answers ${name}`, leaves(change)] as const)),
  ...casesOf(apis.heartbeat, [
    'fences a static member that was replaced',
    [3, 100],
    async (peer, version) => {
      const groupInstanceId = 'static-1'
      const old = await joined(peer, { groupInstanceId })
      const replaced = await joined(peer, { groupInstanceId })
      const answers = [old, replaced].map((member) =>
        peer.send(apis.heartbeat, version, { ...member, groupInstanceId })
      )
      return Promise.all(answers)
    }
  ]),
  ...casesOf(apis.leaveGroup, [
    'removes a static member by its instance id',
    [3, 100],
    async (peer, version) => {
      const { groupId } = await joined(peer, { groupInstanceId: 'static-1' })
      const members = [
        { memberId: '', groupInstanceId: 'static-1' },
        { memberId: '', groupInstanceId: 'static-9' }
      ]
      return peer.send(apis.leaveGroup, version, { groupId, members })
    }
  ]),
  ...casesOf(apis.describeGroups, [
    'describes a group and one that is none',
    async (peer, version) => {
      const { groupId } = await joined(peer)
      const request = { groups: [groupId, `${groupId}-none`], includeAuthorizedOperations: false }
      return peer.send(apis.describeGroups, version, request)
    }
  ]),
  ...casesOf(
    apis.listGroups,
    [
      'lists a group',
      async (peer, version) => {
        const { groupId } = await joined(peer)
        const response = await peer.send(apis.listGroups, version, { statesFilter: [], typesFilter: [] })
        return response.groups.filter((group) => group.groupId === groupId)
      }
    ],
    [
      'lists groups by state',
      [4, 100],
      async (peer, version) => {
        const { groupId } = await joined(peer)
        const listed = async (state: string) => {
          const response = await peer.send(apis.listGroups, version, { statesFilter: [state], typesFilter: [] })
          return [response.errorCode, response.groups.some((group) => group.groupId === groupId)]
        }
        return [await listed('Stable'), await listed('stable'), await listed('Empty'), await listed('Nonsense')]
      }
    ],
    [
      'lists groups by type',
      [5, 100],
      async (peer, version) => {
        const { groupId } = await joined(peer)
        const listed = async (type: string) => {
          const response = await peer.send(apis.listGroups, version, { statesFilter: [], typesFilter: [type] })
          return [response.errorCode, response.groups.some((group) => group.groupId === groupId)]
        }
        return [await listed('classic'), await listed('Classic'), await listed('consumer'), await listed('nonsense')]
      }
    ]
  ),
  ...casesOf(apis.deleteGroups, [
    'deletes an empty group, and neither a busy one nor one that is none',
    async (peer, version) => {
      const busy = await joined(peer)
      const empty = await joined(peer, { groupId: peer.scoped('empty') })
      await peer.send(apis.leaveGroup, 1, { groupId: empty.groupId, memberId: empty.memberId, members: [] })
      const groupsNames = [busy.groupId, empty.groupId, `${busy.groupId}-none`, '']
      return peer.send(apis.deleteGroups, version, { groupsNames })
    }
  ])
]
