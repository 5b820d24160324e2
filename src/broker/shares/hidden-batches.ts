/** Which of the batches that were read no member may see. */
import type { Entry } from '../../stream/entry.ts'
import { type BatchHeader, isControl, isTransactional, parseBatchHeader } from '../../wire/records/batch-header.ts'
import type { AbortedTransaction } from '../partition/aborted-note.ts'
import type { Partition } from '../partition/partition.ts'
import type { OffsetRange } from './record-runs.ts'

/**
 * Control batches hold no records. To a group that reads what is committed, those of aborted transactions hold none either.
 * A promise when objects have to be asked for what was aborted.
 */
export function hiddenBatches(
  partition: Partition,
  entries: readonly Entry[],
  readCommitted: boolean
): OffsetRange[] | Promise<OffsetRange[]> {
  const first = entries[0]
  const last = entries.at(-1)
  if (first === undefined || last === undefined) return []
  if (!readCommitted) return hidden(entries, [])
  const aborted = partition.producers.aborted.overlapping(first.baseOffset, last.lastOffset + 1)
  return aborted instanceof Promise ? aborted.then((found) => hidden(entries, found)) : hidden(entries, aborted)
}

function hidden(entries: readonly Entry[], aborted: readonly AbortedTransaction[]): OffsetRange[] {
  return entries
    .filter(({ payload, baseOffset }) => {
      const header = parseBatchHeader(payload, 0)
      return isControl(header) || aborted.some((transaction) => belongs(header, baseOffset, transaction))
    })
    .map(({ baseOffset, lastOffset }) => ({ first: baseOffset, last: lastOffset }))
}

function belongs(header: BatchHeader, offset: number, { producerId, firstOffset, lastOffset }: AbortedTransaction) {
  return isTransactional(header) && header.producerId === producerId && offset >= firstOffset && offset < lastOffset
}
