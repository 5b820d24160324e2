/**
 * What the file WAL asks of a disk: a flat folder of files. Two implementations: `FileWalDevice` on node:fs, and
 * `MemoryWalDevice`, which loses, tears and flips bytes as disks do.
 *
 * Errors: Fault `unavailable` when the device has no room at the moment (the same call may succeed later);
 * anything else means that the device can no longer be trusted.
 */
export interface WalDevice {
  /** The files of the folder. What it returns stays after a power failure. */
  list(): Promise<WalFileInfo[]>
  /** A new, empty file; its name is durable once this resolves. */
  create(name: string): Promise<WalFile>
  open(name: string): Promise<WalFile>
  /** The file is gone, durably, once this resolves; one that is not there is gone. */
  remove(name: string): Promise<void>
}

export interface WalFileInfo {
  readonly name: string
  readonly bytes: number
}

export interface WalFile {
  /**
   * Writes the buffers one after the other at `position` and returns the number of bytes written, which may be less
   * than was asked for. A position at or beyond the end makes the file longer.
   */
  write(buffers: readonly Buffer[], position: number): Promise<number>
  /** Makes every write that has returned durable, with the length of the file (fdatasync). */
  sync(): Promise<void>
  /** Up to `length` bytes from `position`: fewer only at the end of the file. The buffer belongs to the caller. */
  read(position: number, length: number): Promise<Buffer>
  close(): Promise<void>
}
