/** kafka-configs for every kind of resource it knows but users' credentials, and kafka-client-metrics. */
import { eventually, unique } from '../../waiting.ts'
import { absent, found, type KafkaTools } from './kafka-tools.ts'

export async function configTools(tools: KafkaTools): Promise<void> {
  await topicConfigs(tools)
  await brokerConfigs(tools)
  await groupConfigs(tools)
  await quotas(tools)
  await clientMetrics(tools)
}

/** Calls of kafka-configs for one entity. */
function configs(tools: KafkaTools, ...entity: string[]) {
  const run = (...args: string[]): Promise<string> => tools.run('kafka-configs', [...entity, ...args])
  return {
    describe: (...args: string[]) => run('--describe', ...args),
    set: (config: string) => run('--alter', '--add-config', config),
    remove: (name: string) => run('--alter', '--delete-config', name)
  }
}

async function topicConfigs(tools: KafkaTools): Promise<void> {
  const topic = unique('configs')
  const entity = configs(tools, '--entity-type', 'topics', '--entity-name', topic)
  await tools.check('kafka-configs', 'topics', async () => {
    await tools.createTopic(topic)
    found(
      await entity.set('retention.ms=7200000,cleanup.policy=[compact,delete]'),
      /Completed updating config for topic/
    )
    await eventually('it shows', async () => /retention\.ms=7200000 /.test(await entity.describe()))
    found(await entity.describe(), /cleanup\.policy=compact,delete .*DYNAMIC_TOPIC_CONFIG:cleanup\.policy/)
    found(await entity.describe('--all'), /max\.message\.bytes=\d+ /)
    await entity.remove('retention.ms')
    await eventually('it is gone', async () => !/retention\.ms/.test(await entity.describe()))
  })
}

async function brokerConfigs(tools: KafkaTools): Promise<void> {
  await tools.check('kafka-configs', 'brokers', async () => {
    const entity = configs(tools, '--entity-type', 'brokers', '--entity-name', String(await tools.nodeId()))
    found(await entity.describe('--all'), /log\.retention\.ms=/)
    found(await entity.set('log.cleaner.backoff.ms=17000'), /Completed updating config for broker/)
    await eventually('it shows', async () => /log\.cleaner\.backoff\.ms=17000 /.test(await entity.describe()))
    await entity.remove('log.cleaner.backoff.ms')
    await eventually('it is gone', async () => !/log\.cleaner\.backoff\.ms/.test(await entity.describe()))
  })
  await tools.check('kafka-configs', 'all brokers', async () => {
    const entity = configs(tools, '--entity-type', 'brokers', '--entity-default')
    found(
      await entity.set('log.retention.ms=604800002'),
      /Completed updating default config for brokers in the cluster/
    )
    await eventually('it shows', async () => /log\.retention\.ms=604800002 /.test(await entity.describe()))
    await entity.remove('log.retention.ms')
  })
}

async function groupConfigs(tools: KafkaTools): Promise<void> {
  await tools.check('kafka-configs', 'groups', async () => {
    const group = unique('group')
    const entity = configs(tools, '--entity-type', 'groups', '--entity-name', group)
    found(await entity.set('consumer.session.timeout.ms=50000'), /Completed updating config for group/)
    await eventually('it shows', async () => /consumer\.session\.timeout\.ms=50000/.test(await entity.describe()))
    await entity.remove('consumer.session.timeout.ms')
    await eventually('it is gone', async () => !/DYNAMIC_GROUP_CONFIG/.test(await entity.describe()))
  })
}

async function quotas(tools: KafkaTools): Promise<void> {
  await tools.check('kafka-configs', 'quotas of a client', async () => {
    const client = unique('client')
    const entity = configs(tools, '--entity-type', 'clients', '--entity-name', client)
    found(await entity.set('producer_byte_rate=1024,consumer_byte_rate=2048'), /Completed updating config for client/)
    const shown = /Quota configs for client-id '.*' are .*producer_byte_rate=1024/
    await eventually('it shows', async () => shown.test(await entity.describe()))
    await entity.remove('producer_byte_rate,consumer_byte_rate')
    await eventually('it is gone', async () => !shown.test(await entity.describe()))
  })
  await tools.check('kafka-configs', 'quotas of a user and client, and of all users', async () => {
    const user = unique('user')
    const pair = ['--entity-type', 'users', '--entity-name', user, '--entity-type', 'clients', '--entity-name', 'c']
    const entity = configs(tools, ...pair)
    await entity.set('request_percentage=50')
    await eventually('it shows', async () => /request_percentage=50/.test(await entity.describe()))
    await entity.remove('request_percentage')
    const everybody = configs(tools, '--entity-type', 'users', '--entity-default')
    found(
      await everybody.set('producer_byte_rate=9999999'),
      /Completed updating default config for users in the cluster/
    )
    await eventually('the default shows', async () => /producer_byte_rate=9999999/.test(await everybody.describe()))
    await everybody.remove('producer_byte_rate')
  })
}

async function clientMetrics(tools: KafkaTools): Promise<void> {
  const name = unique('metrics')
  const metric = (...args: string[]): Promise<string> => tools.run('kafka-client-metrics', args)
  await tools.check('kafka-configs', 'client-metrics', async () => {
    const entity = configs(tools, '--entity-type', 'client-metrics', '--entity-name', unique('metrics'))
    await entity.set(
      'interval.ms=20000,metrics=[org.apache.kafka.consumer.],match=[client_software_name=apache-kafka-java]'
    )
    await eventually('it shows', async () => /interval\.ms=20000/.test(await entity.describe()))
    await entity.remove('interval.ms,metrics,match')
  })
  await tools.check('kafka-client-metrics', 'alter, describe, list, delete', async () => {
    const settings = ['--interval', '10000', '--metrics', 'org.apache.kafka.producer.', '--match', 'client_id=one']
    found(await metric('--alter', '--name', name, ...settings), /Altered client metrics config for/)
    await eventually('it is listed', async () => (await metric('--list')).includes(name))
    const described = await metric('--describe', '--name', name)
    for (const line of ['interval.ms=10000', 'metrics=org.apache.kafka.producer.', 'match=client_id=one']) {
      found(described, new RegExp(line))
    }
    found(await metric('--delete', '--name', name), /Deleted client metrics config for/)
    await eventually('it is gone', async () => !(await metric('--list')).includes(name))
    absent(await metric('--describe', '--name', name), /interval\.ms=10000/)
  })
}
