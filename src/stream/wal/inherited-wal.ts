/**
 * The file log of a node that is dead, as whoever recovers it sees it: it is read, and stays as it is. What was recovered
 * is committed under an epoch that the dead node does not know, so that nothing it may still write there ever counts.
 */
import { Fault } from '../../runtime/fault.ts'
import type { ReplayedRecord, Wal, WalPosition, WalRecord } from './wal.ts'

export class InheritedWal implements Wal {
  readonly pendingBytes = 0
  readonly #wal: Wal
  readonly #release: () => Promise<void>

  /** `release`: gives back what the log is read with. */
  constructor(wal: Wal, release: () => Promise<void>) {
    this.#wal = wal
    this.#release = release
  }

  get payloadBytesMax(): number {
    return this.#wal.payloadBytesMax
  }

  get bytes(): number {
    return this.#wal.bytes
  }

  replay(visit: (record: ReplayedRecord) => void): Promise<void> {
    return this.#wal.replay(visit)
  }

  append(_record: WalRecord, _durable: (end: WalPosition) => void, failed: (fault: Error) => void): void {
    queueMicrotask(() => failed(new Fault('closed', 'nothing is appended to the log of a node that is dead')))
  }

  async trim(_position: WalPosition): Promise<void> {
    // The node does that itself when it starts again.
  }

  mark(position: WalPosition): string {
    return this.#wal.mark(position)
  }

  close(): Promise<void> {
    return this.#release()
  }
}
