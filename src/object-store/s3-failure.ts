/**
 * What an error of the S3 client means: the Fault that callers see, whether the same request may be sent again, and
 * whether the store asked for fewer requests. One table of error codes, read top to bottom by whoever adds one.
 * Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
import { Fault, type FaultKind, isFault } from '../runtime/fault.ts'
import type { S3Location } from './s3-location.ts'

export class S3Failure extends Error {
  /** What callers see. */
  readonly fault: Fault
  /** Whether trying again may help. Whether it is safe, only the caller knows. */
  readonly mayRetry: boolean
  readonly isThrottling: boolean

  constructor(fault: Fault, mayRetry: boolean, isThrottling: boolean) {
    super(fault.message, { cause: fault })
    this.fault = fault
    this.mayRetry = mayRetry
    this.isThrottling = isThrottling
  }
}

const CREDENTIALS = 'check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or the AWS profile of this process'
const REGION = 'set the parameter region of the object store URL to the region of the bucket'

/** Codes that name what is wrong with the set-up, and the setting that puts it right. */
const remedies: Readonly<Record<string, string>> = {
  NoSuchBucket: 'create the bucket, or name another in the object store URL',
  InvalidBucketName: 'name another bucket in the object store URL',
  PermanentRedirect: REGION,
  AuthorizationHeaderMalformed: REGION,
  IllegalLocationConstraintException: REGION,
  AccessDenied:
    'allow s3:GetObject, PutObject, DeleteObject, ListBucket, AbortMultipartUpload on the bucket and prefix',
  AllAccessDisabled: 'the account or bucket is disabled',
  AccountProblem: 'the account is disabled',
  InvalidAccessKeyId: CREDENTIALS,
  SignatureDoesNotMatch: CREDENTIALS,
  InvalidToken: CREDENTIALS,
  UnrecognizedClientException: CREDENTIALS,
  CredentialsProviderError: `no credentials found: ${CREDENTIALS}`,
  XAmzContentSHA256Mismatch: 'the store does not take unsigned bodies: use an https endpoint, or checksum=none',
  KeyTooLongError: 'shorten the prefix in the object store URL',
  EntityTooLarge: 'the object is larger than the store takes',
  InvalidStorageClass: 'the object was archived: restore it, and take archiving off the life-cycle rules of the bucket',
  InvalidObjectState: 'the object was archived: restore it, and take archiving off the life-cycle rules of the bucket'
}

const throttlingCodes: ReadonlySet<string> = new Set([
  ...['SlowDown', 'Throttling', 'ThrottlingException', 'RequestThrottled', 'RequestLimitExceeded'],
  ...['TooManyRequests', 'TooManyRequestsException', 'BandwidthLimitExceeded', 'ServiceUnavailable', 'Busy']
])

/** Kinds of codes that are about the object, the request or the moment. */
const kinds: Readonly<Record<string, FaultKind>> = {
  NoSuchKey: 'missing',
  NotFound: 'missing',
  PreconditionFailed: 'conflict',
  // Another conditional write of the key was under way, or the key was deleted meanwhile: asking again decides.
  ConditionalRequestConflict: 'unavailable',
  OperationAborted: 'unavailable',
  // The upload was completed or aborted by an attempt whose answer was lost, or by a life-cycle rule.
  NoSuchUpload: 'unavailable',
  RequestTimeout: 'unavailable',
  RequestTimeTooSkewed: 'unavailable',
  RequestExpired: 'unavailable',
  ExpiredToken: 'unavailable',
  // The body was damaged on its way.
  BadDigest: 'unavailable',
  IncompleteBody: 'unavailable',
  InvalidRange: 'invalid'
}

/** `NoSuchUpload` never comes back to life; the rest of what is unavailable may. */
const finalCodes: ReadonlySet<string> = new Set(['NoSuchUpload'])

export function s3FailureOf(error: unknown, attempt: string, location: S3Location): S3Failure {
  if (isFault(error)) return new S3Failure(error, error.kind === 'unavailable', false)
  const { code, status, text } = describe(error)
  const at = `${attempt} in bucket ${location.bucket}`
  const remedy = remedies[code]
  if (remedy !== undefined) {
    return new S3Failure(new Fault('invalid', `${at}: ${remedy} (${text})`, { cause: error }), false, false)
  }
  const isThrottling = throttlingCodes.has(code) || status === 429 || status === 503
  const kind = isThrottling ? 'unavailable' : (kinds[code] ?? kindOfStatus(status))
  const fault = new Fault(kind, `${at}: ${text}`, { cause: error })
  return new S3Failure(fault, kind === 'unavailable' && !finalCodes.has(code), isThrottling)
}

/** No status: the request never got an answer (refused, reset, timed out, name not found). */
function kindOfStatus(status: number | undefined): FaultKind {
  // Not implemented now, not implemented later.
  if (status === 501) return 'invalid'
  if (status === undefined || status >= 500 || status === 408 || status === 409) return 'unavailable'
  if (status === 404) return 'missing'
  if (status === 412) return 'conflict'
  return 'invalid'
}

interface Described {
  readonly code: string
  readonly status: number | undefined
  readonly text: string
}

/** Answers to HEAD have no body: their code is their status, which the client gives as `name`, number or not. */
function describe(error: unknown): Described {
  if (!(error instanceof Error)) return { code: '', status: undefined, text: String(error) }
  const metadata = '$metadata' in error && typeof error.$metadata === 'object' ? error.$metadata : undefined
  const status = metadata !== null && metadata !== undefined && 'httpStatusCode' in metadata
  const text = [error.name, error.message].filter((part) => part !== '' && part !== 'Error').join(': ')
  return { code: error.name, status: status ? numberOf(metadata.httpStatusCode) : undefined, text }
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}
