/** `longhaul group describe NAME` */
import type { Admin } from '@platformatic/kafka'
import { Command } from 'commander'
import { Fault } from '../runtime/fault.ts'
import { bootstrapOption, offsetsOf, withAdmin } from './kafka-client.ts'
import { type Surroundings, writeLine } from './surroundings.ts'
import { json, table } from './table.ts'

interface Options {
  readonly bootstrap: string
  readonly json?: boolean
}

export function groupDescribeCommand(surroundings: Surroundings): Command {
  return new Command('describe')
    .description('show the members, committed offsets and lag of a consumer group')
    .argument('<name>', 'name of the group')
    .option('--json', 'print JSON')
    .addOption(bootstrapOption())
    .addHelpText('after', '\nExample:\n  longhaul group describe dashboard')
    .action(async (name: string, options: Options) => {
      const description = await withAdmin(options.bootstrap, (admin) => describeGroup(admin, name))
      await writeLine(surroundings.output, options.json ? json(description, 2) : inWords(description))
    })
}

async function describeGroup(admin: Admin, name: string) {
  const group = (await admin.describeGroups({ groups: [name] })).get(name)
  // Brokers answer for a group that does not exist as if it had died (before KIP-1043), or with an error (since).
  if (group === undefined || group.state === 'DEAD') {
    throw new Fault('missing', `there is no group ${name}: \`longhaul group list\` shows all`)
  }
  const members = [...group.members.values()].map((member) => ({
    id: member.id,
    instanceId: member.groupInstanceId,
    clientId: member.clientId,
    host: member.clientHost,
    assignments: [...(member.assignments?.values() ?? [])]
  }))
  return { name, state: group.state, protocol: group.protocol, members, offsets: await committedOffsets(admin, name) }
}

async function committedOffsets(admin: Admin, group: string) {
  const [committed] = await admin.listConsumerGroupOffsets({ groups: [group] })
  const offsets = []
  for (const { name: topic, partitions } of committed?.topics ?? []) {
    const ends = await offsetsOf(
      admin,
      topic,
      partitions.map((it) => it.partitionIndex),
      'latest'
    )
    for (const { partitionIndex: partition, committedOffset } of partitions) {
      const endOffset = ends.get(partition) ?? committedOffset
      offsets.push({ topic, partition, committedOffset, endOffset, lag: endOffset - committedOffset })
    }
  }
  return offsets.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
}

function inWords(group: Awaited<ReturnType<typeof describeGroup>>): string {
  const members = group.members.map((member) => [
    member.id,
    member.host,
    member.assignments.map(({ topic, partitions }) => `${topic}:${partitions.join(',')}`).join(' ') || '-'
  ])
  const offsets = group.offsets.map((it) => [it.topic, it.partition, it.committedOffset, it.endOffset, it.lag])
  return [
    `${group.name}: ${group.state}${group.protocol ? `, ${group.protocol}` : ''}`,
    '',
    members.length === 0 ? 'no members' : table(['MEMBER', 'HOST', 'ASSIGNED'], members),
    '',
    offsets.length === 0 ? 'no committed offsets' : table(['TOPIC', 'PARTITION', 'COMMITTED', 'END', 'LAG'], offsets)
  ].join('\n')
}
