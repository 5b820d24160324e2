/** kafka-transactions on transactions that are really open, and the copier that Kafka's own system tests use. */
import assert from 'node:assert/strict'
import type { PeerProcess } from '../../peer-process.ts'
import { eventually, unique } from '../../waiting.ts'
import { absent, events, found, type KafkaTools, once } from './kafka-tools.ts'

export async function transactionTools(tools: KafkaTools): Promise<void> {
  const run = (...args: string[]): Promise<string> => tools.run('kafka-transactions', args)
  const open = once(() => openTransaction(tools))
  const partition = (topic: string): string[] => ['--topic', topic, '--partition', '0']
  try {
    await tools.check('kafka-transactions', 'list', async () => {
      const { id } = await open()
      const line = new RegExp(`^${id}\\s+\\d+\\s+\\d+\\s+Ongoing`, 'm')
      found(await run('list'), line)
      found(await run('list', '--transactional-id-pattern', `${id.slice(0, 5)}.*`), line)
      absent(await run('list', '--transactional-id-pattern', 'other.*'), line)
      absent(await run('list', '--duration-filter', '600000'), line)
    })
    await tools.check('kafka-transactions', 'describe', async () => {
      const { id, topic } = await open()
      const output = await run('describe', '--transactional-id', id)
      found(output, new RegExp(`\\d+\\s+${id}\\s+\\d+\\s+\\d+\\s+Ongoing\\s+60000\\s+\\d+\\s+\\d+\\s+${topic}-0`))
    })
    await tools.check('kafka-transactions', 'describe producers', async () => {
      const { topic } = await open()
      found(await run('describe-producers', ...partition(topic)), /^\d+\s+\d+\s+-?\d+\s+0\s+\d+\s+0\s*$/m)
    })
    await tools.check('kafka-transactions', 'find hanging', async () => {
      const { topic } = await open()
      const output = await run('find-hanging', '--broker-id', String(await tools.nodeId()))
      found(output, /Topic\s+Partition\s+ProducerId/)
      absent(output, new RegExp(topic))
    })
    await tools.check('kafka-transactions', 'abort in a partition', async () => {
      const { topic } = await open()
      await run('abort', ...partition(topic), '--start-offset', '0')
      await eventually('none is open', async () =>
        /^\d+\s+\d+\s+-?\d+\s+-?\d+\s+\d+\s+None\s*$/m.test(await run('describe-producers', ...partition(topic)))
      )
    })
  } finally {
    await (await open().catch(() => undefined))?.producer.kill()
  }
  await tools.check('kafka-transactions', 'force to an end by id', () => forceTerminate(tools))
  for (const mode of ['without', 'with']) {
    await tools.check('kafka-transactional-message-copier', `copies exactly once, ${mode} random aborts`, () =>
      copy(tools, mode === 'with')
    )
  }
}

async function openTransaction(tools: KafkaTools): Promise<{ id: string; topic: string; producer: PeerProcess }> {
  const id = unique('transaction')
  const topic = unique('transactional')
  await tools.createTopic(topic)
  const producer = tools.startProgram('OpenTransaction', [id, topic])
  await producer.until('the transaction', 45_000, () => (producer.stdout.includes('open') ? true : undefined))
  return { id, topic, producer }
}

async function forceTerminate(tools: KafkaTools): Promise<void> {
  const { id, producer } = await openTransaction(tools)
  try {
    await tools.run('kafka-transactions', ['forceTerminateTransaction', '--transactionalId', id])
    await eventually('it is over', async () =>
      /\s(CompleteAbort|Empty)\s/.test(await tools.run('kafka-transactions', ['describe', '--transactional-id', id]))
    )
  } finally {
    await producer.kill()
  }
}

async function copy(tools: KafkaTools, aborts: boolean): Promise<void> {
  const input = unique('input')
  const output = unique('output')
  await tools.filledTopic(input, 60)
  await tools.createTopic(output)
  const group = ['--consumer-group', unique('copier'), '--transactional-id', unique('copier'), '--group-mode']
  const topics = ['--input-topic', input, '--input-partition', '0', '--output-topic', output]
  const size = ['--max-messages', '60', '--transaction-size', '7', '--use-group-metadata']
  const flags = aborts ? [...size, '--enable-random-aborts'] : size
  const printed = await tools.run('kafka-transactional-message-copier', [...topics, ...group, ...flags])
  assert.ok(events(printed).length > 0 || /"remaining":0/.test(printed), printed)
  const read = ['--topic', output, '--from-beginning', '--isolation-level', 'read_committed', '--timeout-ms', '8000']
  const lines = (await tools.run('kafka-console-consumer', read)).split('\n').filter((line) => line.startsWith('line-'))
  assert.deepEqual(
    lines,
    Array.from({ length: 60 }, (_, index) => `line-${index}`)
  )
}
