/** kafka-share-groups, and the verifiable and measuring share consumers. */
import { eventually, unique } from '../../waiting.ts'
import { absent, event, found, type KafkaTools, once } from './kafka-tools.ts'

const RECORDS = 20

export async function shareTools(tools: KafkaTools): Promise<void> {
  const groups = (...args: string[]): Promise<string> => tools.run('kafka-share-groups', args)
  const live = once(() => liveGroup(tools))
  const idle = once(async () => {
    const { topic, group, member } = await live()
    await member.stop()
    await eventually('it is empty', async () => /Empty/.test(await groups('--describe', '--group', group, '--state')))
    return { topic, group }
  })
  type Check = (feature: string, run: (topic: string, group: string) => Promise<void>) => Promise<void>
  const checkOf =
    (made: typeof idle): Check =>
    (feature, run) =>
      tools.check('kafka-share-groups', feature, async () => {
        const { topic, group } = await made()
        await run(topic, group)
      })
  const check = checkOf(live)
  const checkIdle = checkOf(idle)
  await tools.check('kafka-verifiable-share-consumer', 'reads and acknowledges', async () => {
    await live()
  })
  await check('list', async (_, group) => {
    found(await groups('--list'), new RegExp(`^${group}$`, 'm'))
    found(await groups('--list', '--state', 'stable'), new RegExp(`^${group}\\s+Stable`, 'm'))
    found(await tools.run('kafka-groups', ['--list', '--share']), new RegExp(`^${group}\\s+Share\\s+share`, 'm'))
  })
  await check('describe', async (topic, group) => {
    const line = new RegExp(`${group}\\s+${topic}\\s+0\\s+\\d+\\s+0\\s*$`, 'm')
    await eventually('no lag', async () => line.test(await groups('--describe', '--group', group)))
  })
  await check('describe members', async (topic, group) => {
    const output = await groups('--describe', '--group', group, '--members')
    found(output, new RegExp(`${group}\\s+\\S+\\s+/?\\S+\\s+\\S+\\s+1\\s+${topic}:0`))
  })
  await check('describe state', async (_, group) => {
    const output = await groups('--describe', '--group', group, '--state', '--verbose')
    found(output, new RegExp(`${group}\\s+127\\.0\\.0\\.1:\\d+\\s+\\(\\d+\\)\\s+Stable\\s+\\d+\\s+\\d+\\s+1`))
  })
  await checkIdle('reset offsets', async (topic, group) => {
    const reset = ['--reset-offsets', '--group', group, '--topic', topic]
    const line = (offset: number): RegExp => new RegExp(`${group}\\s+${topic}\\s+0\\s+${offset}\\s*$`, 'm')
    found(await groups(...reset, '--to-earliest', '--dry-run'), line(0))
    found(await groups(...reset, '--to-earliest', '--execute'), line(0))
    found(await groups('--describe', '--group', group), new RegExp(`${topic}\\s+0\\s+0\\s+${RECORDS}`))
    found(await groups(...reset, '--to-latest', '--execute'), line(RECORDS))
    found(await groups(...reset, '--to-datetime', '2020-01-01T00:00:00.000', '--execute'), line(0))
  })
  await checkIdle('delete offsets', async (topic, group) => {
    const output = await groups('--delete-offsets', '--group', group, '--topic', topic)
    found(output, new RegExp(`${topic}\\s+Successful`))
    absent(await groups('--describe', '--group', group), new RegExp(`${topic}\\s+0\\s+\\d`))
  })
  await checkIdle('delete', async (_, group) => {
    found(await groups('--delete', '--group', group), /Deletion of requested share groups .* was successful/)
    absent(await groups('--list'), new RegExp(`^${group}$`, 'm'))
  })
  await tools.check('kafka-share-consumer-perf-test', 'reads what there is', () => measure(tools))
}

async function liveGroup(tools: KafkaTools) {
  const topic = unique('shared')
  const group = unique('share')
  await tools.filledTopic(topic, RECORDS)
  const flags = ['--topic', topic, '--group-id', group, '--offset-reset-strategy', 'earliest']
  const member = tools.start('kafka-verifiable-share-consumer', [...flags, '--acknowledgement-mode', 'sync'])
  await event(member, 'offsets_acknowledged', (one) => one.success === true)
  return { topic, group, member }
}

async function measure(tools: KafkaTools): Promise<void> {
  const topic = unique('measured')
  const group = unique('measured')
  await tools.filledTopic(topic, RECORDS)
  const config = ['--entity-type', 'groups', '--entity-name', group, '--alter']
  await tools.run('kafka-configs', [...config, '--add-config', 'share.auto.offset.reset=earliest'])
  const args = ['--topic', topic, '--group', group, '--num-records', String(RECORDS), '--timeout', '30000']
  const output = await tools.run('kafka-share-consumer-perf-test', args)
  found(output, new RegExp(`^\\d{4}-.*, ${RECORDS}(, \\d+)*$`, 'm'))
}
