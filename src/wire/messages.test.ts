import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { Reader, WireFault, Writer } from './buffers.ts'
import { arbitraryValue } from './fixtures/arbitrary-value.ts'
import { everyMessage } from './fixtures/every-message.ts'
import { Message } from './message.ts'
import type { Value } from './schema.ts'

type AnyMessage = Message<unknown, unknown>
const everyVersion = everyMessage.flatMap((message) =>
  Array.from({ length: message.maxVersion - message.minVersion + 1 }, (_, i) => ({
    message,
    version: message.minVersion + i
  }))
)
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))

/** Runs a property over every message at every version. */
function forEveryVersion(runs: number, property: (message: AnyMessage, version: number, value: Value) => void): void {
  for (const { message, version } of everyVersion) {
    const holds = fc.property(arbitraryValue(message, version), (value) => property(message, version, value))
    const outcome = fc.check(holds, { numRuns: runs, seed, endOnFailure: true })
    if (!outcome.failed) continue
    throw new Error(`${message.name} v${version}, SEED=${seed}: ${fc.defaultReportMessage(outcome)}`, {
      cause: outcome.errorInstance
    })
  }
}

function encoded(message: AnyMessage, version: number, value: unknown): Buffer {
  const writer = new Writer()
  message.encode(writer, version, value)
  const frame = Buffer.concat(writer.finish())
  assert.equal(writer.length, frame.length)
  return frame
}

/** Fails when decoding asks for more than the frame has left. */
class GuardedReader extends Reader {
  bytesTaken = 0

  override count(compact: boolean, nullable: boolean, elementBytesMin: number): number {
    const count = super.count(compact, nullable, elementBytesMin)
    assert.ok(count <= this.remaining, `array of ${count} in ${this.remaining} bytes`)
    return count
  }

  override string(compact: boolean, nullable: boolean): string | null {
    return this.#counted(super.string(compact, nullable))
  }

  override bytes(compact: boolean, nullable: boolean): Buffer | null {
    return this.#counted(super.bytes(compact, nullable))
  }

  #counted<T extends string | Buffer | null>(value: T): T {
    this.bytesTaken += value?.length ?? 0
    assert.ok(this.bytesTaken <= this.buffer.length, `${this.bytesTaken} bytes from ${this.buffer.length}`)
    return value
  }
}

/** What decoding gives: a value, or 'fault'. Any other error is a failure, as is disagreement with the interpreter. */
function outcomeOf(message: AnyMessage, version: number, frame: Buffer): unknown {
  const attempt = (decode: (reader: Reader) => unknown) => {
    const reader = new GuardedReader(frame)
    try {
      return { value: decode(reader), position: reader.position }
    } catch (error) {
      if (error instanceof WireFault) return 'fault'
      throw error
    }
  }
  const compiled = attempt((reader) => message.decode(reader, version))
  const interpreted = attempt((reader) => message.decodeInterpreted(reader, version))
  assert.deepEqual(compiled, interpreted)
  return compiled
}

test('no message is missing from the list these tests run over', async () => {
  const folder = new URL('messages/', import.meta.url)
  const files = readdirSync(folder).filter((file) => /^[a-z-]+\.[jt]s$/.test(file))
  assert.ok(files.length >= 29)
  for (const file of files) {
    const module: Record<string, unknown> = await import(new URL(file, folder).href)
    for (const [name, value] of Object.entries(module)) {
      if (value instanceof Message) assert.ok(everyMessage.includes(value), `${name} of ${file} is not listed`)
    }
  }
})

test('every message at every version decodes to what was encoded, and consumes its frame', () => {
  forEveryVersion(15, (message, version, value) => {
    const frame = encoded(message, version, value)
    assert.deepEqual(outcomeOf(message, version, frame), { value, position: frame.length })
  })
})

test('the compiled writer and the interpreter agree byte for byte', () => {
  forEveryVersion(15, (message, version, value) => {
    const writer = new Writer()
    message.encodeInterpreted(writer, version, value)
    assert.ok(Buffer.concat(writer.finish()).equals(encoded(message, version, value)))
  })
})

test('every truncation of a frame is a WireFault', () => {
  forEveryVersion(2, (message, version, value) => {
    const frame = encoded(message, version, value)
    const step = Math.max(1, Math.floor(frame.length / 400))
    for (let length = 0; length < frame.length; length += step) {
      assert.throws(() => message.decode(new GuardedReader(frame.subarray(0, length)), version), WireFault)
    }
  })
})

test('a flipped bit gives a value or a WireFault, the same from compiled code and interpreter', () => {
  forEveryVersion(2, (message, version, value) => {
    const frame = encoded(message, version, value)
    const step = Math.max(1, Math.floor(frame.length / 40))
    for (let position = 0; position < frame.length; position += step) {
      const flipped = Buffer.from(frame)
      flipped[position] = (flipped[position] ?? 0) ^ (1 << (position % 8))
      outcomeOf(message, version, flipped)
    }
  })
})

test('garbage gives a value or a WireFault, the same from compiled code and interpreter', () => {
  for (const { message, version } of everyVersion) {
    const property = fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      outcomeOf(message, version, Buffer.from(bytes))
    })
    fc.assert(property, { numRuns: 15, seed, endOnFailure: true })
  }
})

test('a huge length at any place never makes decoding ask for more than the frame', () => {
  const huge = [Buffer.from('7fffffff', 'hex'), Buffer.from('ffffffff0f', 'hex'), Buffer.from('7fff', 'hex')]
  let faults = 0
  forEveryVersion(1, (message, version, value) => {
    const frame = encoded(message, version, value)
    for (const length of huge) {
      for (let position = 0; position + length.length <= Math.min(frame.length, 80); position++) {
        const broken = Buffer.from(frame)
        length.copy(broken, position)
        if (outcomeOf(message, version, broken) === 'fault') faults++
      }
    }
  })
  assert.ok(faults > 1000, `only ${faults} faults: the lengths did not reach a length field`)
})

test('unknown tags are skipped and a broken tag section is a WireFault', () => {
  const tagBytes = fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes))
  for (const { message, version } of everyVersion.filter((each) => each.message.isFlexible(each.version))) {
    const property = fc.property(
      arbitraryValue(message, version),
      fc.integer({ min: 100 }),
      tagBytes,
      (value, tag, payload) => {
        const frame = encoded(message, version, { ...value, ...withoutTags(message) })
        assert.equal(frame.at(-1), 0)
        const section = new Writer()
        const content = new Writer()
        content.raw(payload)
        section.uvarint(1)
        section.tag(tag, content)
        const extended = Buffer.concat([frame.subarray(0, -1), ...section.finish()])
        const outcome = outcomeOf(message, version, extended) as { value: unknown; position: number }
        assert.deepEqual(outcome.value, { ...value, ...withoutTags(message) })
        assert.equal(outcome.position, extended.length)
        outcomeOf(message, version, Buffer.concat([frame.subarray(0, -1), payload]))
      }
    )
    fc.assert(property, { numRuns: 4, seed, endOnFailure: true })
  }
})

/** The defaults of the tagged fields at the top of a message. */
function withoutTags(message: AnyMessage): Value {
  const tagged = Object.entries(message.fields).filter(([, field]) => field.spec.tagNumber !== undefined)
  return Object.fromEntries(tagged.map(([name, field]) => [name, field.spec.fallback]))
}

test('a version outside the range of the message is a WireFault', () => {
  for (const message of everyMessage) {
    for (const version of [message.minVersion - 1, message.maxVersion + 1, Number.NaN, 0.5]) {
      assert.throws(() => message.decode(new Reader(Buffer.alloc(100)), version), WireFault)
      assert.throws(() => message.encode(new Writer(), version, {}), WireFault)
    }
  }
})
