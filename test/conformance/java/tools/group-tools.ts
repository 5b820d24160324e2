/** kafka-consumer-groups with groups of both protocols, kafka-groups, and the verifiable consumer that fills them. */
import { eventually, pause, unique } from '../../waiting.ts'
import { absent, event, found, type KafkaTools, once } from './kafka-tools.ts'

const PARTITIONS = 2
const RECORDS = 40

export async function groupTools(tools: KafkaTools): Promise<void> {
  for (const protocol of ['classic', 'consumer'] as const) await describeAndReset(tools, protocol)
  await tools.check('kafka-consumer-groups', 'validate a regular expression', async () => {
    const args = ['--validate-regex', 'orders-[0-9]+']
    found(await tools.run('kafka-consumer-groups', args), /is valid/)
  })
}

type Protocol = 'classic' | 'consumer'

/** A group with one live member that has read and committed everything. */
async function liveGroup(tools: KafkaTools, protocol: Protocol) {
  const topic = unique('grouped')
  const group = unique(protocol)
  await tools.filledTopic(topic, RECORDS, PARTITIONS)
  const flags = ['--group-protocol', protocol, '--reset-policy', 'earliest', '--topic', topic, '--group-id', group]
  const member = tools.start('kafka-verifiable-consumer', flags)
  await member.until('all records', 60_000, () => {
    const counts = [...member.stdout.matchAll(/"name":"records_consumed".*?"count":(\d+)/g)].map((match) =>
      Number(match[1])
    )
    return counts.reduce((sum, count) => sum + count, 0) === RECORDS ? true : undefined
  })
  await event(member, 'offsets_committed', (one) => one.success === true)
  return { topic, group, member }
}

async function describeAndReset(tools: KafkaTools, protocol: Protocol): Promise<void> {
  const live = once(() => liveGroup(tools, protocol))
  const idle = once(async () => {
    const { topic, group, member } = await live()
    await member.stop()
    return { topic, group }
  })
  const checkOf =
    (made: typeof idle): GroupCheck =>
    (feature, run) =>
      tools.check('kafka-consumer-groups', `${feature} (${protocol})`, async () => {
        const { topic, group } = await made()
        await run(topic, group)
      })
  await tools.check('kafka-verifiable-consumer', `reads and commits (${protocol})`, async () => {
    await live()
  })
  await tools.check('kafka-groups', `list (${protocol})`, async () => {
    const { group } = await live()
    const line = new RegExp(`^${group}\\s+${protocol}\\s+consumer`, 'im')
    found(await tools.run('kafka-groups', ['--list']), line)
    found(await tools.run('kafka-groups', ['--list', '--group-type', protocol]), line)
    found(await tools.run('kafka-groups', ['--list', '--consumer']), line)
    absent(await tools.run('kafka-groups', ['--list', '--group-type', 'share']), line)
  })
  await whileLive(tools, protocol, checkOf(live))
  await resets(tools, checkOf(idle))
  await onceIdle(tools, checkOf(idle))
}

async function whileLive(tools: KafkaTools, protocol: Protocol, check: GroupCheck): Promise<void> {
  const groups = (...args: string[]): Promise<string> => tools.run('kafka-consumer-groups', args)
  await check('list', async (_, group) => {
    found(await groups('--list'), new RegExp(`^${group}$`, 'm'))
    found(await groups('--list', '--state', 'stable'), new RegExp(`^${group}\\s+Stable`, 'm'))
    found(await groups('--list', '--type', protocol), new RegExp(`^${group}\\s+${protocol}`, 'im'))
  })
  await check('describe', async (topic, group) => {
    const line = new RegExp(`${group}\\s+${topic}\\s+1\\s+(\\d+)\\s+\\1\\s+0\\s+\\S+\\s+/\\S+\\s+\\S+`)
    await eventually('no lag', async () => line.test(await groups('--describe', '--group', group)))
    found(await groups('--describe', '--all-groups'), line)
  })
  await check('describe members', async (topic, group) => {
    const output = await groups('--describe', '--group', group, '--members', '--verbose')
    found(output, new RegExp(`${group}\\s+\\S+\\s+/\\S+\\s+\\S+\\s+${PARTITIONS}\\s.*${topic}:0,1`))
  })
  await check('describe state', async (_, group) => {
    const output = await groups('--describe', '--group', group, '--state')
    found(
      output,
      new RegExp(`${group}\\s+127\\.0\\.0\\.1:\\d+\\s+\\(\\d+\\)\\s+(range|uniform)\\s+Stable.*\\s1\\s*$`, 'm')
    )
  })
  await check('reset is refused while members are active', async (topic, group) => {
    const output = await groups('--reset-offsets', '--group', group, '--topic', topic, '--to-earliest', '--execute')
    found(output, /can only be reset if the group .* is inactive/)
  })
}

/** Ends with the group gone. */
async function onceIdle(tools: KafkaTools, check: GroupCheck): Promise<void> {
  const groups = (...args: string[]): Promise<string> => tools.run('kafka-consumer-groups', args)
  await check('describe without members', async (topic, group) => {
    await eventually('it is empty', async () => {
      const output = await groups('--describe', '--group', group)
      return (
        /has no active members/.test(output) && new RegExp(`${topic}\\s+0\\s+\\d+\\s+\\d+\\s+\\d+\\s+-`).test(output)
      )
    })
  })
  await check('delete offsets', async (topic, group) => {
    const output = await groups('--delete-offsets', '--group', group, '--topic', topic)
    found(output, /Request succeeded for deleting offsets from group/)
    absent(await groups('--describe', '--group', group), new RegExp(`${topic}\\s+0`))
  })
  await check('delete', async (_, group) => {
    found(await groups('--delete', '--group', group), /Deletion of requested consumer groups .* was successful/)
    absent(await groups('--list'), new RegExp(`^${group}$`, 'm'))
  })
}

type GroupCheck = (feature: string, run: (topic: string, group: string) => Promise<void>) => Promise<void>

/** Every way to say where to; the output tells the new offset of each partition. */
async function resets(tools: KafkaTools, check: GroupCheck): Promise<void> {
  const reset = (topic: string, group: string, ...args: string[]): Promise<string> =>
    tools.run('kafka-consumer-groups', ['--reset-offsets', '--group', group, '--topic', topic, ...args])
  const expect = async (topic: string, group: string, offset: number, ...args: string[]): Promise<void> => {
    const line = new RegExp(`${group}\\s+${topic}\\s+0\\s+${offset}\\s*$`, 'm')
    const first = [`${topic}:0`, group] as const
    found(await reset(...first, ...args, '--dry-run'), line)
    found(await reset(...first, ...args, '--execute'), line)
    const described = await tools.run('kafka-consumer-groups', ['--describe', '--group', group])
    found(described, new RegExp(`${group}\\s+${topic}\\s+0\\s+${offset}\\s`))
  }
  await check('reset to earliest, an offset, by a shift, to current', async (topic, group) => {
    await expect(topic, group, 0, '--to-earliest')
    await expect(topic, group, 7, '--to-offset', '7')
    await expect(topic, group, 5, '--shift-by', '-2')
    await expect(topic, group, 5, '--to-current')
  })
  await check('reset to latest, a time, by a duration', async (topic, group) => {
    const described = await tools.run('kafka-consumer-groups', ['--describe', '--group', group])
    const end = Number(found(described, new RegExp(`${topic}\\s+0\\s+\\d+\\s+(\\d+)`))[1])
    await expect(topic, group, end, '--to-latest')
    await expect(topic, group, 0, '--to-datetime', '2020-01-01T00:00:00.000')
    await expect(topic, group, 0, '--by-duration', 'PT10H')
    await pause(1100)
    await expect(topic, group, end, '--by-duration', 'PT1S')
  })
  await check('reset from a file', async (topic, group) => {
    const exported = await reset(`${topic}:0`, group, '--to-offset', '3', '--export', '--dry-run')
    found(exported, new RegExp(`"?${topic}"?,0,3`))
    const file = await tools.file('offsets.csv', `${topic},0,3\n`)
    const args = ['--reset-offsets', '--group', group, '--from-file', file, '--execute']
    found(await tools.run('kafka-consumer-groups', args), new RegExp(`${group}\\s+${topic}\\s+0\\s+3`))
  })
}
