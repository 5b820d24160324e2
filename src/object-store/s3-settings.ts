/** What may be tuned about an S3 store. The defaults suit one node in the region of its bucket. */

const MiB = 1024 * 1024

export interface S3Settings {
  /** Objects larger than this are uploaded in parts; smaller ones are one PUT. Bytes. */
  readonly multipartBytes: number
  /** Size of the parts, at least 5 MiB. Each part is one request; `partsInFlight` of them are in memory at once. */
  readonly partBytes: number
  readonly partsInFlight: number
  /** The most requests at once; the store may make it fewer by answering SlowDown. */
  readonly requestsMax: number
  /** How often a request that may be repeated is tried, the first time included. */
  readonly attempts: number
  /** The first pause between attempts is random up to this, each further one up to twice as much. */
  readonly backoffMs: number
  readonly backoffMsMax: number
  /** Time for DNS, TCP and TLS. */
  readonly connectTimeoutMs: number
  /** Time in which a connection may move no byte. */
  readonly idleTimeoutMs: number
  /** Time for a whole attempt, plus that of its bytes at `bytesPerSecondMin`. */
  readonly requestTimeoutMs: number
  readonly bytesPerSecondMin: number
}

export const defaultS3Settings: S3Settings = {
  multipartBytes: 64 * MiB,
  partBytes: 16 * MiB,
  partsInFlight: 3,
  requestsMax: 256,
  attempts: 5,
  backoffMs: 100,
  backoffMsMax: 5_000,
  connectTimeoutMs: 3_000,
  idleTimeoutMs: 10_000,
  requestTimeoutMs: 15_000,
  bytesPerSecondMin: 1 * MiB
}

/** Amazon's limits for multipart uploads; every compatible store keeps them. */
export const PART_BYTES_MIN = 5 * MiB
/** Amazon copies up to 5 GiB per part; smaller copies run side by side and fit the time of one request. */
export const COPY_BYTES_MAX = 256 * MiB
export const PARTS_MAX = 10_000
/** Keys per DeleteObjects and per page of a list. */
export const KEYS_PER_REQUEST = 1000
