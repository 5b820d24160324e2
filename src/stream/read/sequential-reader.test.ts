import assert from 'node:assert/strict'
import { it } from 'node:test'
import { SequentialReaders } from './sequential-reader.ts'

const FIRST = 512 * 1024

it('the window opens with the second read in order and doubles with each further one, up to its maximum', () => {
  const readers = new SequentialReaders(5 * FIRST)
  const windows: number[] = []
  for (let offset = 0; offset < 60; offset += 10) {
    const reader = readers.at(1, offset)
    windows.push(reader.windowBytes)
    readers.advance(reader, offset, offset + 10)
  }
  assert.deepEqual(windows, [0, FIRST, 2 * FIRST, 4 * FIRST, 5 * FIRST, 5 * FIRST])
  assert.equal(readers.at(1, 13).windowBytes, 0)
  assert.equal(readers.at(2, 60).windowBytes, 0)
  assert.equal(readers.size, 1)
})

it('readers at the same place are one, and the first of them moves it', () => {
  const readers = new SequentialReaders(64 * FIRST)
  readers.advance(readers.at(1, 0), 0, 10)
  const [one, other] = [readers.at(1, 10), readers.at(1, 10)]
  assert.equal(one, other)
  readers.advance(one, 10, 20)
  readers.advance(other, 10, 20)
  assert.equal(readers.at(1, 20).windowBytes, 2 * FIRST)
  // One that comes later meets it again, and does not make its window smaller.
  readers.advance(readers.at(1, 15), 15, 20)
  assert.equal(readers.at(1, 20).windowBytes, 2 * FIRST)
})

it('a reader whose blocks left memory unread starts anew', () => {
  const readers = new SequentialReaders(64 * FIRST)
  for (let offset = 0; offset < 5; offset++) readers.advance(readers.at(1, offset), offset, offset + 1)
  const reader = readers.at(1, 5)
  reader.ahead(100)
  reader.aheadOffset = 50
  reader.lost(100)
  assert.deepEqual([reader.windowBytes, reader.unreadBytes, reader.aheadOffset], [0, 0, 0])
  readers.advance(reader, 5, 6)
  assert.equal(readers.at(1, 6).windowBytes, FIRST)
})

it('a maximum of 0 turns read-ahead off, and a read that found nothing opens no window', () => {
  const none = new SequentialReaders(0)
  none.advance(none.at(1, 0), 0, 10)
  assert.equal(none.at(1, 10).wantsMore, false)
  const readers = new SequentialReaders(64 * FIRST)
  readers.advance(readers.at(1, 0), 0, 0)
  assert.equal(readers.at(1, 0).windowBytes, 0)
})

it('readers are bounded in number, the one that was idle longest goes first', () => {
  const readers = new SequentialReaders(FIRST)
  for (let streamId = 0; streamId < 5_000; streamId++) readers.advance(readers.at(streamId, 0), 0, 1)
  assert.equal(readers.size, 4096)
  assert.equal(readers.at(0, 1).windowBytes, 0)
  assert.equal(readers.at(4_999, 1).windowBytes, FIRST)
})
