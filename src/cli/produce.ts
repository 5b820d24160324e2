/** `longhaul produce TOPIC`: one record per line of standard input, or one given on the command line. */
import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import type { MessageToProduce, Producer } from '@platformatic/kafka'
import { Command, Option } from 'commander'
import { Fault } from '../runtime/fault.ts'
import { bootstrapOption, withProducer } from './kafka-client.ts'
import { collectPairs, wholeNumber } from './option-values.ts'
import { type Surroundings, writeLine } from './surroundings.ts'
import { json } from './table.ts'

interface Options {
  readonly bootstrap: string
  readonly value?: string
  readonly key?: string
  readonly keySeparator?: string
  readonly partition?: number
  readonly header: readonly [string, string][]
  readonly compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  readonly json?: boolean
}

/** Records per request; a chunk of standard input (64 KiB) seldom holds more. */
const batchRecordsMax = 1_000
/** A line beyond it would not fit into any batch that a broker accepts. */
const lineLengthMax = 64 * 1024 * 1024

export function produceCommand(surroundings: Surroundings): Command {
  return new Command('produce')
    .description('write records to a topic: one per line of standard input, or one given by --value')
    .argument('<topic>', 'topic to write to')
    .option('-v, --value <text>', 'write this one record instead of reading standard input')
    .option('-k, --key <text>', 'key of the records')
    .option('-K, --key-separator <text>', 'each line is a key, this separator, and a value')
    .option('-p, --partition <n>', 'partition to write to (default: by key)', wholeNumber(0))
    .option('-H, --header <name=value>', 'header of each record; repeatable', collectPairs, [])
    .addOption(
      new Option('-z, --compression <codec>', 'compress record batches')
        .choices(['none', 'gzip', 'snappy', 'lz4', 'zstd'])
        .default('none')
    )
    .option('--json', 'print a line of JSON per partition written, with the offset of its first record')
    .addOption(bootstrapOption())
    .addHelpText(
      'after',
      '\nExamples:\n  echo \'{"speed":88}\' | longhaul produce readings --key truck-7\n' +
        '  longhaul produce readings --key-separator : < lines.txt'
    )
    .action((topic: string, options: Options) => produce(topic, options, surroundings))
}

async function produce(topic: string, options: Options, surroundings: Surroundings): Promise<void> {
  if (options.key !== undefined && options.keySeparator !== undefined) {
    throw new Fault('invalid', '--key and --key-separator exclude each other: each names the key of every record')
  }
  const { output, errors, input, stop } = surroundings
  const records = await withProducer(options.bootstrap, async (producer) => {
    let count = 0
    for await (const lines of options.value === undefined ? lineBatches(input, stop) : [[options.value]]) {
      const results = await sendLines(producer, topic, lines, options)
      count += lines.length
      if (!options.json) continue
      for (const { partition, offset } of results) await writeLine(output, json({ topic, partition, offset }))
    }
    return count
  })
  if (!options.json) await writeLine(errors, `wrote ${records} ${records === 1 ? 'record' : 'records'} to ${topic}`)
}

async function sendLines(producer: Producer, topic: string, lines: readonly string[], options: Options) {
  const messages = lines.map((line) => toMessage(topic, line, options))
  const result = await producer.send({ messages, compression: options.compression })
  return result.offsets ?? []
}

function toMessage(topic: string, line: string, options: Options): MessageToProduce {
  const [key, value] = splitKey(line, options)
  return {
    topic,
    value: Buffer.from(value),
    headers: new Map(options.header.map(([name, text]) => [Buffer.from(name), Buffer.from(text)])),
    ...(key === undefined ? {} : { key: Buffer.from(key) }),
    ...(options.partition === undefined ? {} : { partition: options.partition })
  }
}

function splitKey(line: string, { key, keySeparator }: Options): [key: string | undefined, value: string] {
  if (keySeparator === undefined) return [key, line]
  const at = line.indexOf(keySeparator)
  if (at < 0) throw new Fault('invalid', `this line has no key separator ${JSON.stringify(keySeparator)}: ${line}`)
  return [line.slice(0, at), line.slice(at + keySeparator.length)]
}

/**
 * Lines of a stream in the portions in which they arrive: what somebody types is sent at once, a file in large batches.
 * Reads on only when the previous portion was taken.
 */
export async function* lineBatches(input: Readable, stop: AbortSignal): AsyncGenerator<string[]> {
  const decoder = new StringDecoder('utf8')
  const end = () => input.destroy()
  stop.addEventListener('abort', end, { once: true })
  let rest = ''
  try {
    for await (const chunk of input) {
      const lines = (rest + decoder.write(chunk)).split(/\r?\n/)
      rest = lines.pop() ?? ''
      if (rest.length > lineLengthMax) throw new Fault('invalid', `a line is longer than ${lineLengthMax} characters`)
      yield* portions(lines)
    }
  } catch (error) {
    if (!stop.aborted) throw error
  } finally {
    stop.removeEventListener('abort', end)
  }
  rest += decoder.end()
  if (rest !== '' && !stop.aborted) yield [rest]
}

function* portions(lines: string[]): Generator<string[]> {
  for (let start = 0; start < lines.length; start += batchRecordsMax) yield lines.slice(start, start + batchRecordsMax)
}
