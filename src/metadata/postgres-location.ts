/**
 * Where a PostgreSQL database is, as one URL of the form that PostgreSQL's own tools take:
 * `postgres://user:password@host:5432/database?sslmode=verify-full&sslrootcert=/etc/ssl/db.pem`. Pure.
 *
 * - The password may also come from `PGPASSWORD` or `~/.pgpass`; it is in no message.
 * - `host` as a parameter names the directory of a Unix socket: `postgres:///database?host=/run/postgresql&user=name`.
 * - `sslmode`: `disable`; `require` encrypts, `verify-ca` also checks who signed the server's certificate, `verify-full`
 *   also its host name. Without it: `disable` for this machine, `require` for others.
 * - `sslrootcert`: file with the certificates that may sign; without it those that Node.js trusts. With `require` it means
 *   `verify-ca`, as in libpq.
 * - `application_name`: how the server's views show the connections; `longhaul` by default.
 *
 * Source: "Connection URIs" and "SSL Support" of the PostgreSQL manual's chapter on libpq.
 */
import { Fault } from '../runtime/fault.ts'

export interface PostgresLocation {
  /** A host name or address, or the directory of a Unix socket. */
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string | undefined
  readonly password: string | undefined
  readonly tls: PostgresTls | undefined
  readonly applicationName: string
  /** For messages: without user and password. */
  readonly name: string
}

export interface PostgresTls {
  readonly verify: 'nothing' | 'signer' | 'signer and host'
  /** Path of a PEM file. */
  readonly rootCertificates: string | undefined
}

const PARAMETERS = ['host', 'user', 'sslmode', 'sslrootcert', 'application_name']
const DEFAULT_PORT = 5432

export function isPostgresUrl(url: string): boolean {
  return /^postgres(ql)?:/.test(url)
}

/** Fault `invalid` says what to change. */
export function parsePostgresLocation(url: string): PostgresLocation {
  const parsed = isPostgresUrl(url) && URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined) {
    throw new Fault(
      'invalid',
      'the metadata URL is broken: write postgres://user:password@host:port/database, with %-escapes for special characters'
    )
  }
  const parameters = parsed.searchParams
  const host = parameters.get('host') ?? (parsed.hostname === '' ? 'localhost' : unbracketed(parsed.hostname))
  const port = parsed.port === '' ? DEFAULT_PORT : Number(parsed.port)
  const database = decoded(parsed.pathname.slice(1))
  const name = `postgres://${host.startsWith('/') ? '' : `${parsed.hostname || host}:${port}`}/${database}`
  const invalid = (problem: string) => new Fault('invalid', `metadata database ${name}: ${problem}`)
  if (database === '' || database.includes('/')) throw invalid('name one database: postgres://host/database')
  for (const parameter of new Set(parameters.keys())) {
    if (!PARAMETERS.includes(parameter)) {
      throw invalid(`unknown parameter "${parameter}"; there are ${PARAMETERS.join(', ')}`)
    }
  }
  return {
    host,
    port,
    database,
    user: parsed.username === '' ? (parameters.get('user') ?? undefined) : decoded(parsed.username),
    password: parsed.password === '' ? undefined : decoded(parsed.password),
    tls: tlsOf(host, parameters, invalid),
    applicationName: parameters.get('application_name') ?? 'longhaul',
    name
  }
}

function tlsOf(
  host: string,
  parameters: URLSearchParams,
  invalid: (problem: string) => Fault
): PostgresTls | undefined {
  const mode = parameters.get('sslmode') ?? (isThisMachine(host) ? 'disable' : 'require')
  const rootCertificates = parameters.get('sslrootcert') ?? undefined
  switch (mode) {
    case 'disable':
      if (rootCertificates === undefined) return undefined
      throw invalid('sslrootcert is of no use without TLS: add sslmode=verify-full')
    case 'require':
      return { verify: rootCertificates === undefined ? 'nothing' : 'signer', rootCertificates }
    case 'verify-ca':
      return { verify: 'signer', rootCertificates }
    case 'verify-full':
      return { verify: 'signer and host', rootCertificates }
    default:
      throw invalid(`sslmode "${mode}" must be disable, require, verify-ca or verify-full`)
  }
}

function isThisMachine(host: string): boolean {
  return host.startsWith('/') || host === 'localhost' || host === '::1' || /^127\./.test(host)
}

/** An IPv6 address has brackets in a URL only. */
function unbracketed(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : decoded(hostname)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Fault('invalid', 'the metadata URL has a broken %-escape; write a literal % as %25')
  }
}
