/** The notes of simulated owners: which offsets they lie beside, so that one that is lost or strays is noticed. */

export function encodeNote(startOffset: number, endOffset: number): Buffer {
  const note = Buffer.alloc(12)
  note.writeUIntBE(startOffset, 0, 6)
  note.writeUIntBE(endOffset, 6, 6)
  return note
}

export function decodeNote(note: Buffer): readonly [startOffset: number, endOffset: number] {
  return [note.readUIntBE(0, 6), note.readUIntBE(6, 6)]
}
