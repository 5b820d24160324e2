/**
 * Batches that Kafka 4.3.1's own Java code wrote (`MemoryRecords`, in base64): what the tests of this folder read, and
 * build again byte by byte. Test data only.
 */

/** Four records by codec: see `SMALL_RECORDS` in `records.test.ts`. Producer 4200, epoch 3, base sequence 17. */
export const SMALL_BATCHES = {
  none: [
    'AAAAAAAAAAAAAAGd/////wKIBV+yAAAAAAADAAABi8/laAAAAAGLz+VoBQAAAAAAABBoAAMAAAARAAAABDgAAAAKa2V5LWEOdmFs',
    'dWUtYQQEaDEEdjEEaDIBGgAKAgEOdmFsdWUtYgAWABMECmtleS1jAQDmBAAKBgDYBHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4',
    'eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4',
    'eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4',
    'eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4',
    'eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eAA='
  ].join(''),
  gzip: [
    'AAAAAAAAAAAAAACB/////wLNmrF3AAEAAAADAAABi8/laAAAAAGLz+VoBQAAAAAAABBoAAMAAAARAAAABB+LCAAAAAAAAP+zYGBg',
    '4MpOrdRN5CtLzClN1U1kYckwZCkzZMkwYpRi4GJihIonMYgxCLOAlSYzMjxjYeBiY7jBUjEKiAYMAOlM1XZsAQAA'
  ].join(''),
  snappy: [
    'AAAAAAAAAAAAAACU/////wI4+lYnAAIAAAADAAABi8/laAAAAAGLz+VoBQAAAAAAABBoAAMAAAARAAAABIJTTkFQUFkAAAAAAQAA',
    'AAEAAABP7AKIOAAAAAprZXktYQ52YWx1ZS1hBARoMQR2MQRoMgEaAAoCAQ4JGBRiABYAEwQFKyxjAQDmBAAKBgDYBHj+AQD+AQD+',
    'AQD+AQCqAQAAAA=='
  ].join(''),
  lz4: [
    'AAAAAAAAAAAAAACG/////wLfP861AAMAAAADAAABi8/laAAAAAGLz+VoBQAAAAAAABBoAAMAAAARAAAABAQiTRhgQIJGAAAA8xM4',
    'AAAACmtleS1hDnZhbHVlLWEEBGgxBHYxBGgyARoACgIBGABhYgAWABMEKwDPYwEA5gQACgYA2AR4AQD/FVB4eHh4AAAAAAA='
  ].join(''),
  zstd: [
    'AAAAAAAAAAAAAAB//////wJxTf7EAAQAAAADAAABi8/laAAAAAGLz+VoBQAAAAAAABBoAAMAAAARAAAABCi1L/0AWBQCAFQDOAAA',
    'AAprZXktYQ52YWx1ZS1hBARoMQR2MQRoMgEaAAoCAWIAFgATBGMBAOYEAAoGANgEeAADACg4lZwSRZvNJwEAAA=='
  ].join('')
} as const

/** One record, key `k`, value `longhaul ` 9000 times (snappy: 5000), which takes more than one block of each codec. */
export const WIDE_BATCHES = {
  gzip: [
    'AAAAAAAAAAAAAAEM/////wJS/DJPAAEAAAAAAAABi8/laAAAAAGLz+VoAP//////////////////AAAAAR+LCAAAAAAAAP/txjEN',
    'gDAQAMAP27uotU6Q9NNO+EQDDuoAIdxN9+6MiGM8O2vN8+p3NRERERERERERERERERERERERERERERERERERERERERERERERERER',
    'ERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERER',
    'EREREREREREREREREREREREREREREREREREREREREREREREREREREREREflV4gNOlB5JdDwBAA=='
  ].join(''),
  snappy: [
    'AAAAAAAAAAAAAAiu/////wJwfw+JAAIAAAAAAAABi8/laAAAAAGLz+VoAP//////////////////AAAAAYJTTkFQUFkAAAAAAQAA',
    'AAEAAAYYgIACTKK/BQAAAAJrkL8FbG9uZ2hhdWwg/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA',
    '/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkA/gkArgkAAAACTdRfIHVs',
    'IGxvbmdoYf4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4J',
    'AP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4J',
    'AP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4J',
    'AP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4J',
    'AP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4J',
    'AP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4J',
    'AP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4J',
    'AP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JAP4JABkJAAA='
  ].join(''),
  lz4: [
    'AAAAAAAAAAAAAAGy/////wL1vmktAAMAAAAAAAABi8/laAAAAAGLz+VoAP//////////////////AAAAAQQiTRhgQIIfAQAA/wXi',
    '8QkAAAACa9DxCWxvbmdoYXVsIAkA////////////////////////////////////////////////////////////////////////',
    '////////////////////////////////////////////////////////////////////////////////////////////////////',
    '////////////////////////////////////////////////////////////////////////////////////////////////////',
    '/////////////////////////////////////////////////////////////////////9RQbG9uZ2hPAAAAn2F1bCBsb25naAkA',
    '////////////////////////////////////////////////////////////////////////////////j1BhdWwgAAAAAAA='
  ].join(''),
  zstd: [
    'AAAAAAAAAAAAAABa/////wLbd0GSAAQAAAAAAAABi8/laAAAAAGLz+VoAP//////////////////AAAAASi1L/0AWOwAAKji8QkA',
    'AAACa9DxCWxvbmdoYXVsIAABALh4mBcmAQAA'
  ].join('')
} as const

/** Two records without timestamp; producer 2⁵³ − 1, epoch 32767, base sequence 2³¹ − 1, leader epoch 8. */
export const TRANSACTIONAL_BATCH = [
  'AAAAAAAAAAAAAABJAAAACAIg9JPXABAAAAAB/////////////////////wAf////////f/9/////AAAAAg4AAAABAnQAHgAAAhDQ',
  'utC70Y7RhwJ1AA=='
].join('')

/** The same two records without producer. */
export const PLAIN_BATCH = [
  'AAAAAAAAAAAAAABJ/////wILzYdaAAAAAAAB////////////////////////////////////////AAAAAg4AAAABAnQAHgAAAhDQ',
  'utC70Y7RhwJ1AA=='
].join('')

/** `PLAIN_BATCH` as a broker placed it: offsets 1000 and 1001, leader epoch 12, LogAppendTime 1700000000123. */
export const STAMPED_BATCH = [
  'AAAAAAAAA+gAAABJAAAADAJhzttZAAgAAAAB//////////8AAAGLz+Voe///////////////////AAAAAg4AAAABAnQAHgAAAhDQ',
  'utC70Y7RhwJ1AA=='
].join('')

/** The commit marker of producer 4200, epoch 3, at offset 5; leader epoch 9, coordinator epoch 7; 1700000000000. */
export const COMMIT_MARKER =
  'AAAAAAAAAAUAAABCAAAACQLU9ysKADAAAAAAAAABi8/laAAAAAGLz+VoAAAAAAAAABBoAAP/////AAAAASAAAAAIAAAAAQwAAAAAAAcA'
