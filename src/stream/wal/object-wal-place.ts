/**
 * Places of the object write-ahead log, and how they are written: as keys, positions and marks. Pure.
 *
 * The log of a node is a chain of logs, one per start (epoch) of the node. Sequences number the objects of the whole
 * chain and only rise; so do positions, which are a sequence and the number of records up to a place in that object.
 */
import { Fault } from '../../runtime/fault.ts'
import type { WalPosition } from './wal.ts'

/** Where an object lies: in the log of `epoch`, under the number `sequence`. */
export interface LogPlace {
  readonly epoch: number
  readonly sequence: number
}

/**
 * Where the chain begins. No node ever has epoch 0, so nothing but a fence is ever written here: the first owner takes
 * this empty log over like any other, and whoever has no mark finds the chain by it.
 */
export const ROOT: LogPlace = { epoch: 0, sequence: 1 }

/** Records of one object at most: positions keep 16 bits for them. */
export const BATCH_RECORDS_MAX = 0xffff
const POSITIONS_PER_OBJECT = 0x1_0000
/** Positions stay exact numbers up to here: 2^37 objects, a thousand years at four each second. */
export const SEQUENCE_MAX = Math.floor(Number.MAX_SAFE_INTEGER / POSITIONS_PER_OBJECT) - 1

/** The position just after the first `records` records of an object. */
export function positionIn(sequence: number, records: number): WalPosition {
  return sequence * POSITIONS_PER_OBJECT + records
}

export function prefixOfNode(nodeId: number): string {
  return `wal/${nodeId}/`
}

/** Padded, so that key order is the order of the log. */
export function prefixOfLog(nodeId: number, epoch: number): string {
  return `${prefixOfNode(nodeId)}${String(epoch).padStart(10, '0')}/`
}

export function keyOf(nodeId: number, { epoch, sequence }: LogPlace): string {
  return prefixOfLog(nodeId, epoch) + String(sequence).padStart(12, '0')
}

/** The sequence that a key of the log ends with; undefined for a key that is none of ours. */
export function sequenceOf(key: string): number | undefined {
  const digits = /\/\d{10,}\/(\d{12})$/.exec(key)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

const MARK = /^object:(\d{1,15})\/(\d{1,12})$/

export function encodeMark({ epoch, sequence }: LogPlace): string {
  return `object:${epoch}/${sequence}`
}

/** Fault `invalid` when the mark was made by another kind of log. */
export function decodeMark(mark: string): LogPlace {
  const [, epoch, sequence] = MARK.exec(mark) ?? []
  if (epoch === undefined || sequence === undefined) {
    throw new Fault(
      'invalid',
      `the node's write-ahead log was last kept elsewhere (mark ${JSON.stringify(mark)}), not in the object store: ` +
        'start the node with the --wal it had, or give it another node id'
    )
  }
  return { epoch: Number(epoch), sequence: Number(sequence) }
}
