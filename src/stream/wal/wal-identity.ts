/**
 * The name of a file log: the file `log.id` beside its segments, a UUID as text (docs/formats/wal.md). The mark in the
 * metadata names the log, so that another folder, or an empty one where a volume was not mounted, is not taken for it.
 */
import { Fault } from '../../runtime/fault.ts'
import { type Random, uuid } from '../../runtime/random.ts'
import { writeFully } from './segment-pool.ts'
import type { WalPosition } from './wal.ts'
import type { WalDevice } from './wal-device.ts'

const NAME = 'log.id'
/** Of logs that nobody gave a name. */
export const UNNAMED = '00000000-0000-0000-0000-000000000000'
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const UUID_CHARACTERS = 36
const MARK = /^file:([0-9a-f-]{36})\/(\d+)$/

/** The id that the folder has; undefined when it has none, or not a whole one. */
export async function readLogId(device: WalDevice): Promise<string | undefined> {
  if (!(await hasIdFile(device))) return undefined
  const file = await device.open(NAME)
  try {
    const found = (await file.read(0, UUID_CHARACTERS)).toString('latin1')
    return UUID.test(found) ? found : undefined
  } finally {
    await file.close()
  }
}

/**
 * The id that the folder has, or gets now. `mark`: what the metadata says of the log. With a mark the log has its id
 * already: a folder without one is not the log, and is left as it is.
 */
export async function establishLogId(device: WalDevice, random: Random, mark: string | undefined): Promise<string> {
  const known = await readLogId(device)
  if (known !== undefined) return known
  if (mark !== undefined) return UNNAMED
  // New, or the first start died before it was written.
  const id = uuid(random)
  const file = (await hasIdFile(device)) ? await device.open(NAME) : await device.create(NAME)
  try {
    await writeFully(file, [Buffer.from(id)], 0)
    await file.sync()
    return id
  } finally {
    await file.close()
  }
}

async function hasIdFile(device: WalDevice): Promise<boolean> {
  return (await device.list()).some(({ name }) => name === NAME)
}

export function encodeFileMark(logId: string, position: WalPosition): string {
  return `file:${logId}/${position}`
}

/** Fault `invalid` unless the log `logId`, which ends at `end`, is the one that the mark was made of. */
export function requireMarkedLog(mark: string, logId: string, end: WalPosition): void {
  const [, markedId, position] = MARK.exec(mark) ?? []
  if (markedId === logId && Number(position) <= end) return
  const found = markedId === logId ? `it ends at ${end}` : `it is the log ${logId}`
  throw new Fault(
    'invalid',
    `the write-ahead log found is not the one of this node (${mark}), ${found}: name the folder that the node had ` +
      'with --wal (is its volume mounted?); records that are in the log alone would be lost'
  )
}
