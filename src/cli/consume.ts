/** `longhaul consume TOPIC`: prints records, from chosen partitions and offsets or as a member of a group. */
import { Command } from 'commander'
import type { Clock } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import { type ConsumedRecord, recordAsJson } from './consumed-record.ts'
import { type Limits, readAsMember } from './group-reader.ts'
import { bootstrapOption, offsetsOf, partitionsOf, withAdmin, withConsumer } from './kafka-client.ts'
import { wholeNumber } from './option-values.ts'
import { readPartitions } from './partition-reader.ts'
import { type Surroundings, writeLine } from './surroundings.ts'

interface Options {
  readonly bootstrap: string
  readonly fromBeginning?: boolean
  readonly offset?: number
  readonly partition?: number
  readonly maxMessages?: number
  readonly group?: string
  readonly timeoutMs?: number
  readonly json?: boolean
}

export function consumeCommand(surroundings: Surroundings): Command {
  return new Command('consume')
    .description('print the records of a topic: new ones, unless told otherwise; Ctrl-C ends it')
    .argument('<topic>', 'topic to read')
    .option('--from-beginning', 'start with the oldest record (with --group: where nothing is committed yet)')
    .option('-o, --offset <n>', 'start at this offset', wholeNumber(0))
    .option('-p, --partition <n>', 'read only this partition', wholeNumber(0))
    .option('-n, --max-messages <n>', 'end after so many records', wholeNumber(1))
    .option('-g, --group <name>', 'read as a member of this group and commit what was printed')
    .option('-t, --timeout-ms <ms>', 'end when no record arrived for so long', wholeNumber(1))
    .option('--json', 'print a line of JSON per record, with partition, offset, timestamp, key and headers')
    .addOption(bootstrapOption())
    .addHelpText(
      'after',
      '\nExamples:\n  longhaul consume telemetry --from-beginning --max-messages 10\n' +
        '  longhaul consume telemetry --group dashboard --json'
    )
    .action((topic: string, options: Options) => consume(topic, options, surroundings))
}

async function consume(topic: string, options: Options, surroundings: Surroundings): Promise<void> {
  if (options.group !== undefined && (options.offset !== undefined || options.partition !== undefined)) {
    throw new Fault('invalid', '--group assigns partitions and offsets itself: leave out --offset and --partition')
  }
  if (options.offset !== undefined && options.fromBeginning) {
    throw new Fault('invalid', '--offset and --from-beginning exclude each other')
  }
  const print = (record: ConsumedRecord) =>
    writeLine(surroundings.output, options.json ? recordAsJson(record) : (record.value ?? Buffer.alloc(0)))
  const limits = {
    recordsMax: options.maxMessages ?? Number.POSITIVE_INFINITY,
    idleMsMax: options.timeoutMs ?? Number.POSITIVE_INFINITY,
    stop: surroundings.stop
  }
  const { group } = options
  if (group === undefined) await consumePartitions(topic, options, surroundings.clock, limits, print)
  else {
    const { bootstrap, fromBeginning = false } = options
    await withAdmin(bootstrap, (admin) => partitionsOf(admin, topic))
    await withConsumer(bootstrap, group, (consumer) =>
      readAsMember({ consumer, topic, fromBeginning, clock: surroundings.clock, limits, print })
    )
  }
}

async function consumePartitions(
  topic: string,
  options: Options,
  clock: Clock,
  limits: Limits,
  print: (record: ConsumedRecord) => Promise<void>
): Promise<void> {
  await withAdmin(options.bootstrap, (admin) =>
    // The client wants a group's name although none is joined.
    withConsumer(options.bootstrap, 'longhaul-cli', async (consumer) => {
      const positions = await startPositions(admin, topic, options)
      let printed = 0
      let lastArrival = clock.monotonic()
      for await (const record of readPartitions(admin, consumer, topic, positions)) {
        if (limits.stop.aborted) return
        if (record !== undefined) {
          await print(record)
          lastArrival = clock.monotonic()
          if (++printed >= limits.recordsMax) return
        } else if (clock.monotonic() - lastArrival >= limits.idleMsMax) return
      }
    })
  )
}

async function startPositions(
  admin: Parameters<typeof partitionsOf>[0],
  topic: string,
  { partition, offset, fromBeginning }: Options
): Promise<Map<number, bigint>> {
  const all = await partitionsOf(admin, topic)
  if (partition !== undefined && !all.includes(partition)) {
    throw new Fault(
      'invalid',
      `topic ${topic} has no partition ${partition}: its partitions are 0 to ${all.length - 1}`
    )
  }
  const partitions = partition === undefined ? all : [partition]
  const starts = await offsetsOf(
    admin,
    topic,
    partitions,
    fromBeginning || offset !== undefined ? 'earliest' : 'latest'
  )
  if (offset === undefined) return starts
  const ends = await offsetsOf(admin, topic, partitions, 'latest')
  for (const id of partitions) {
    const [start = 0n, end = 0n] = [starts.get(id), ends.get(id)]
    if (offset < start || offset > end) {
      throw new Fault('invalid', `offset ${offset} is not in partition ${id} of ${topic}: it holds ${start} to ${end}`)
    }
  }
  return new Map(partitions.map((id) => [id, BigInt(offset)]))
}
