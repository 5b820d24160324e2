/**
 * Checks the metadata against itself: what every stream promises must be covered by ranges of committed objects.
 * Pure. Whether the objects hold what their ranges say is `object-check.ts`'s question.
 */
import type { ObjectRange, Stream } from '../../metadata/metadata.ts'
import { damage, type Finding } from './finding.ts'
import { rangesByObject, type StoredState, streamNames } from './stored-state.ts'

const RESTORE = 'restore the metadata database from a backup, and keep the damaged one for a report'

export function checkState(state: StoredState): Finding[] {
  const nameOf = streamNames(state)
  const findings: Finding[] = []
  for (const stream of state.streams.values()) {
    const place = `metadata of ${nameOf(stream.id)}`
    findings.push(...checkStream(stream, state.ranges.get(stream.id) ?? [], place))
  }
  findings.push(...checkReferences(state, nameOf), ...checkObjects(state))
  return findings
}

/** Ranges must cover [startOffset, endOffset) without gap or overlap. */
function checkStream(stream: Stream, ranges: readonly ObjectRange[], place: string): Finding[] {
  const findings: Finding[] = []
  const report = (problem: string): void => void findings.push(damage(place, problem, RESTORE))
  const { startOffset, endOffset } = stream
  let covered: number | undefined
  for (const range of ranges) {
    const shown = showRange(range)
    if (range.startOffset >= range.endOffset) report(`${shown} is empty or ends before it begins`)
    if (covered === undefined && range.startOffset > startOffset) {
      report(`offsets ${startOffset} to ${range.startOffset - 1} are in no object: the first is ${shown}`)
    } else if (covered !== undefined && range.startOffset > covered) {
      report(`offsets ${covered} to ${range.startOffset - 1} are in no object: ${shown} follows`)
    } else if (covered !== undefined && range.startOffset < covered) {
      report(`${shown} overlaps the range before it, which ends at ${covered}`)
    }
    covered = range.endOffset
  }
  if (covered === undefined && startOffset < endOffset) {
    report(`offsets ${startOffset} to ${endOffset - 1} are in no object`)
  } else if (covered !== undefined && covered !== endOffset) {
    report(`the ranges end at ${covered}, the stream at ${endOffset}`)
  }
  return findings
}

function checkReferences(state: StoredState, nameOf: (streamId: number) => string): Finding[] {
  const findings: Finding[] = []
  for (const [streamId, ranges] of state.ranges) {
    for (const range of ranges) {
      const object = state.objects.get(range.objectId)
      const place = `metadata of ${nameOf(streamId)}`
      if (object === undefined) findings.push(damage(place, `${showRange(range)} names an unknown object`, RESTORE))
      else if (object.state !== 'committed') {
        findings.push(damage(place, `${showRange(range)} names an object that is ${object.state}`, RESTORE))
      }
    }
    if (!state.streams.has(streamId)) {
      findings.push(
        damage(`metadata of stream ${streamId}`, `it has ${ranges.length} ranges and does not exist`, RESTORE)
      )
    }
  }
  for (const topic of state.topics) {
    for (const { index, streamId } of topic.partitions) {
      if (state.streams.has(streamId)) continue
      findings.push(damage(`metadata of ${topic.name}-${index}`, `its stream ${streamId} does not exist`, RESTORE))
    }
  }
  return findings
}

function checkObjects(state: StoredState): Finding[] {
  const used = rangesByObject(state)
  const remedy = 'keep a copy of the metadata database for a report; its bytes are paid for and never read'
  return [...state.objects.values()]
    .filter((object) => object.state === 'committed' && !used.has(object.id))
    .map(({ key, bytes }) => ({
      kind: 'orphan' as const,
      place: key,
      problem: `committed with ${bytes} bytes, but holds no range of any stream`,
      remedy
    }))
}

function showRange({ objectId, startOffset, endOffset }: ObjectRange): string {
  return `the range [${startOffset}, ${endOffset}) of object ${objectId}`
}
