/**
 * What must be true of a quiet node: everything is readable as it was appended, memory and log are small, the store holds
 * what the metadata names. And what must be true at any time.
 */
import type { ObjectRange } from '../../../src/metadata/metadata.ts'
import type { Entry } from '../../../src/stream/entry.ts'
import type { Stream } from '../../../src/stream/stream.ts'
import type { Machine } from './machine.ts'
import type { NodeProcess } from './node-process.ts'
import { decodeNote } from './noted-offsets.ts'
import type { Shape } from './shape.ts'
import type { StreamTruth } from './stream-truth.ts'
import type { Truth } from './truth.ts'

const READ_BYTES = 32 * 1024
/** Where the uploader puts objects. */
const OBJECTS = 'objects/'

/** At any time: what readers may see, and how much memory it takes. */
export function judgeMoment(node: NodeProcess, shape: Shape, truth: Truth): string[] {
  const complaints: string[] = []
  for (const stream of node.streams.values()) {
    const ofStream = truth.streams.get(stream.id)
    // One that is being deleted may be gone from the metadata, and is still open.
    if (ofStream?.topic.deletion !== 'none') continue
    const { startOffset, endOffset } = node.view(stream)
    complaints.push(...ofStream.shown(startOffset, endOffset))
  }
  const { cachedBytes } = node.engine.stats()
  // Producers ask for room before each entry; what is on its way to the log weighs less than in memory.
  const bound = 2 * shape.logCacheBytes + shape.payloadBytesMax
  if (cachedBytes > bound) complaints.push(`${cachedBytes} bytes are in memory, at most ${bound} should be`)
  return complaints
}

/** Everything that was appended is there, from the first offset to the last, and nothing else. */
export async function judgeContents(node: NodeProcess, truth: Truth): Promise<string[]> {
  const complaints: string[] = []
  for (const stream of node.streams.values()) {
    const ofStream = truth.streams.get(stream.id)
    if (ofStream === undefined) continue
    complaints.push(...(await judgeStream(stream, ofStream)), ...(await judgeNotes(stream)))
  }
  return complaints
}

async function judgeStream(stream: Stream, truth: StreamTruth): Promise<string[]> {
  const name = `stream ${stream.id}`
  const { startOffset, endOffset } = stream
  if (endOffset !== stream.nextOffset) return [`${name} ends at ${endOffset}, although ${stream.nextOffset} is next`]
  const found: Entry[] = []
  for (let next = startOffset; next < endOffset; ) {
    const entries = await stream.read(next, READ_BYTES)
    const last = entries.at(-1)
    const complaints = last === undefined ? truth.judgeNothing(next, endOffset) : truth.judgeRead(next, entries)
    if (complaints.length > 0) return complaints
    if (last === undefined) break
    found.push(...entries)
    next = last.lastOffset + 1
  }
  const zombie = found.find(({ baseOffset }) => truth.at(baseOffset)?.removal === 'done')
  if (zombie !== undefined) return [`${name} shows ${zombie.baseOffset}, which compaction has left out`]
  return judgeTimestamps(stream, truth, found)
}

/** Each upload left a note beside what it stored, and every one is still there, in order, without gap. */
async function judgeNotes(stream: Stream): Promise<string[]> {
  let covered: number | undefined
  for await (const range of stream.notes(stream.startOffset)) {
    // A trim may have cut the first one off.
    covered ??= range.startOffset
    for (const note of range.notes) {
      const [startOffset, endOffset] = decodeNote(note.bytes)
      if (startOffset !== note.offset || startOffset !== covered || endOffset > range.endOffset) {
        return [`stream ${stream.id} has a note at ${note.offset} of ${startOffset} to ${endOffset} behind ${covered}`]
      }
      covered = endOffset
    }
    if (covered !== range.endOffset) return [`notes of stream ${stream.id} end at ${covered}, not ${range.endOffset}`]
  }
  const { committedOffset } = stream
  if ((covered ?? committedOffset) === committedOffset) return []
  return [`notes of stream ${stream.id} end at ${covered}, objects at ${committedOffset}`]
}

/** Look-ups are exact: they find the first of the entries that are there. */
async function judgeTimestamps(stream: Stream, truth: StreamTruth, entries: readonly Entry[]): Promise<string[]> {
  const name = `stream ${stream.id}`
  const step = Math.max(1, Math.floor(entries.length / 5))
  const max = Math.max(-1, ...entries.map(({ maxTimestamp }) => maxTimestamp))
  const wanted = entries.filter((_, at) => at % step === 0).map(({ maxTimestamp }) => maxTimestamp)
  for (const timestamp of [...wanted, max, max + 1]) {
    const found = (await stream.findTimestamp(timestamp))?.baseOffset
    const expected = entries.find(({ maxTimestamp }) => maxTimestamp >= timestamp)?.baseOffset
    if (found !== expected) return [`the look-up of ${timestamp} in ${name} found ${found}, not ${expected}`]
  }
  const claimed = await stream.maxTimestamp()
  const isExact = !truth.topic.isCompacted
  if (claimed < max || (isExact && claimed > max))
    return [`the largest timestamp of ${name} is not ${claimed} but ${max}`]
  return []
}

/** Every object that the metadata names is in its store, whole, and holds what its topic's profile allows. */
export async function judgeObjects(machine: Machine, truth: Truth): Promise<string[]> {
  await machine.sober.poll()
  const { image } = machine.sober
  const complaints: string[] = []
  for (const object of image.objects()) {
    const store = machine.stores.get(object.profile)?.memory
    const size = await store?.head(object.key).then(
      ({ size }) => size,
      () => undefined
    )
    if (size === undefined)
      complaints.push(`object ${object.key} is in the metadata but not in store ${object.profile}`)
    else if (size !== object.bytes)
      complaints.push(`object ${object.key} has ${size} bytes, the metadata says ${object.bytes}`)
    for (const range of image.rangesOf(object.id)) complaints.push(...judgeProfile(range, object.profile, truth))
  }
  return complaints
}

function judgeProfile({ streamId, objectId }: ObjectRange, profile: string, truth: Truth): string[] {
  const wanted = truth.streams.get(streamId)?.topic.profile ?? profile
  return wanted === profile ? [] : [`object ${objectId} holds stream ${streamId} in ${profile} instead of ${wanted}`]
}

/** After the grace time the stores hold what the metadata names, and nothing else. */
export async function judgeOrphans(machine: Machine): Promise<string[]> {
  await machine.sober.poll()
  const { image } = machine.sober
  const live = new Set([...image.objects()].map(({ profile, key }) => `${profile} ${key}`))
  const complaints: string[] = []
  for (const [profile, { memory }] of machine.stores) {
    for await (const { key } of memory.list(OBJECTS)) {
      if (!live.has(`${profile} ${key}`)) complaints.push(`object ${key} in store ${profile} is an orphan`)
    }
  }
  return complaints
}

/** After an upload of everything the log is nearly empty. */
export function judgeLog(node: NodeProcess, shape: Shape): string[] {
  const { walBytes, dirtyBytes } = node.engine.stats()
  const complaints: string[] = []
  if (walBytes > shape.segmentBytes) complaints.push(`the log holds ${walBytes} bytes after everything was uploaded`)
  if (dirtyBytes > 0) complaints.push(`${dirtyBytes} bytes are not in objects after everything was uploaded`)
  return complaints
}
