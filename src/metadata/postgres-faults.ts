/**
 * What an error of PostgreSQL, or of the connection to it, means: its kind of fault with a remedy, and whether the
 * transaction may be tried again. Pure; SQLSTATEs are those of the manual's appendix "PostgreSQL Error Codes".
 */
import { Fault, type FaultKind } from '../runtime/fault.ts'

/**
 * Where a transaction stood: `connect` before it began, `statement` before its commit was sent, `commit` after. Of the
 * last nobody knows whether it happened.
 */
export type PostgresStage = 'connect' | 'statement' | 'commit'

/** An error of `pg`, with where it struck. */
export class PostgresFailure extends Error {
  override readonly name = 'PostgresFailure'
  readonly stage: PostgresStage
  /** SQLSTATE, or a code of Node.js (`ECONNREFUSED`); empty when the connection ended without a word. */
  readonly code: string

  constructor(stage: PostgresStage, cause: unknown) {
    super(messageOf(cause), { cause })
    this.stage = stage
    this.code = codeOf(cause)
  }
}

interface Meaning {
  /** SQLSTATE or the beginning of some, or a code of Node.js; the longest one counts. */
  readonly code: string
  readonly kind: FaultKind
  readonly remedy: string
  /** The server has rolled back, or will, and the very same transaction may succeed at once. */
  readonly again?: true
}

const AGAIN = 'it was tried several times; try again later'
const UNREACHABLE = 'check that it runs, and the host and port of the metadata URL'
const CERTIFICATE = 'name the root certificate with sslrootcert=/path in the metadata URL, or another sslmode'
const DATABASE = 'create it with: CREATE DATABASE name ENCODING UTF8, or correct the metadata URL'

const HBA =
  "the server's pg_hba.conf refuses this user, this address, or a connection without TLS: correct it, or the metadata URL (sslmode=require)"

const MEANINGS: readonly Meaning[] = [
  { code: '08', kind: 'unavailable', remedy: UNREACHABLE, again: true },
  { code: '0A000', kind: 'invalid', remedy: 'the server does not know what is asked of it: upgrade it' },
  { code: '22021', kind: 'invalid', remedy: 'it holds a character that the database cannot store, such as NUL' },
  { code: '22P05', kind: 'invalid', remedy: 'the database must have the encoding UTF8: create it anew with that' },
  { code: '25006', kind: 'unavailable', remedy: 'it is a read-only standby: name the primary', again: true },
  { code: '25P03', kind: 'unavailable', remedy: 'this process stood still in a transaction; try again', again: true },
  { code: '25P04', kind: 'unavailable', remedy: 'the transaction took too long for the server; try again' },
  { code: '28', kind: 'invalid', remedy: "check user and password of the metadata URL, and the server's pg_hba.conf" },
  { code: '28000', kind: 'invalid', remedy: HBA },
  { code: '3D000', kind: 'invalid', remedy: DATABASE },
  { code: '3F000', kind: 'invalid', remedy: 'create the schema that the search_path of the user names' },
  { code: '40001', kind: 'unavailable', remedy: AGAIN, again: true },
  { code: '40P01', kind: 'unavailable', remedy: AGAIN, again: true },
  { code: '42501', kind: 'invalid', remedy: 'make the user the owner of the database, or GRANT it what is missing' },
  { code: '53', kind: 'unavailable', remedy: 'the server is short of resources; see its log' },
  { code: '53100', kind: 'unavailable', remedy: 'free some disk space on the server' },
  { code: '53200', kind: 'unavailable', remedy: 'give the server more memory, or fewer clients' },
  { code: '53300', kind: 'unavailable', remedy: 'raise max_connections of the server: each node takes up to 10' },
  { code: '55P03', kind: 'unavailable', remedy: 'somebody holds a lock for long; pg_stat_activity tells who' },
  { code: '57014', kind: 'unavailable', remedy: 'the statement took too long or was cancelled; try again' },
  { code: '57P01', kind: 'unavailable', remedy: 'the server stops, or somebody ended the connection', again: true },
  { code: '57P02', kind: 'unavailable', remedy: 'the server has crashed and starts again', again: true },
  { code: '57P03', kind: 'unavailable', remedy: 'the server is starting or stopping', again: true },
  { code: '57P04', kind: 'invalid', remedy: 'the database was dropped: restore it from a backup' },
  { code: '57P05', kind: 'unavailable', remedy: 'the connection was idle for too long', again: true },
  { code: '58', kind: 'unavailable', remedy: 'the server has trouble with its disk; see its log' },
  { code: 'F0', kind: 'unavailable', remedy: 'correct the configuration of the server' },
  { code: 'XX000', kind: 'unavailable', remedy: "see the server's log" },
  { code: 'XX001', kind: 'corrupt', remedy: 'restore the database from a backup' },
  { code: 'XX002', kind: 'corrupt', remedy: 'an index is damaged: REINDEX it, and check the disk' },
  { code: 'CERT_HAS_EXPIRED', kind: 'invalid', remedy: "renew the server's certificate" },
  { code: 'DEPTH_ZERO_SELF_SIGNED_CERT', kind: 'invalid', remedy: CERTIFICATE },
  { code: 'SELF_SIGNED_CERT_IN_CHAIN', kind: 'invalid', remedy: CERTIFICATE },
  { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', kind: 'invalid', remedy: CERTIFICATE },
  { code: 'UNABLE_TO_GET_ISSUER_CERT', kind: 'invalid', remedy: CERTIFICATE },
  { code: 'ERR_TLS_CERT_ALTNAME_INVALID', kind: 'invalid', remedy: 'the certificate is for another host name' }
]

/** No SQLSTATE: the connection could not be made, or broke. */
const BROKEN: Omit<Meaning, 'code'> = { kind: 'unavailable', remedy: UNREACHABLE, again: true }

/** Undefined when only a bug of ours can have led to it: bad SQL, a broken constraint. */
export function postgresFault(name: string, error: unknown): Fault | undefined {
  if (!(error instanceof PostgresFailure)) return undefined
  const meaning = meaningOf(error)
  if (meaning === undefined) return undefined
  const { kind, remedy } = meaning
  const code = error.code === '' ? '' : ` (${error.code})`
  const said = `metadata database ${name}: ${error.message}${code}`
  if (isOutcomeUnknown(error)) {
    return new Fault('unavailable', `${said}: the commit may have happened or not; ${remedy}`, { cause: error })
  }
  return new Fault(kind, `${said}: ${remedy}`, { cause: error })
}

/** Whether the same transaction may run again, and has a chance. */
export function isWorthAnotherTry(error: unknown): boolean {
  if (!(error instanceof PostgresFailure) || isOutcomeUnknown(error)) return false
  return meaningOf(error)?.again === true
}

/** A server that answers a commit with these has rolled back; with others, or none, it may be anything. */
function isOutcomeUnknown({ stage, code }: PostgresFailure): boolean {
  return stage === 'commit' && code !== '40001' && code !== '40P01'
}

function meaningOf({ code }: PostgresFailure): Omit<Meaning, 'code'> | undefined {
  const known = MEANINGS.filter((meaning) => code.startsWith(meaning.code))
  const closest = known.toSorted((a, b) => b.code.length - a.code.length)[0]
  return closest ?? (isSqlState(code) ? undefined : BROKEN)
}

/** They have five characters, one of them a digit; Node's codes (`EPIPE`) have none. */
function isSqlState(code: string): boolean {
  return /^(?=.*\d)[0-9A-Z]{5}$/.test(code)
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
}

/** Of several addresses that were tried in vain (`AggregateError`) Node says nothing but in its parts. */
function messageOf(cause: unknown): string {
  if (cause instanceof AggregateError) return cause.errors.map(messageOf).join(', ')
  return cause instanceof Error ? cause.message : String(cause)
}
