/**
 * Where an S3 store lives, as one URL: `s3://bucket/prefix?region=eu-central-1&endpoint=https://host:port&pathStyle=true`.
 *
 * - `region`: without it the AWS settings of the environment count (`AWS_REGION`, profile); with an endpoint, `us-east-1`.
 * - `endpoint`: of a compatible store; without it Amazon's.
 * - `pathStyle`: bucket in the path (`true`) or in the host name (`false`); `true` by default when there is an endpoint.
 * - `checksum`: `crc32c` (default) sends a CRC-32C with every body, which the server checks; `none` for stores that
 *   refuse the header.
 *
 * Credentials never stand in the URL: they come from the standard AWS chain.
 */
import { Fault, isFault } from '../runtime/fault.ts'
import { requirePrefix } from './object-key.ts'

export interface S3Location {
  readonly bucket: string
  /** Of every key in the bucket: empty, or ending in `/`. */
  readonly prefix: string
  readonly region: string | undefined
  /** http(s)://host[:port] */
  readonly endpoint: string | undefined
  readonly pathStyle: boolean
  readonly checksum: 'crc32c' | 'none'
}

const PARAMETERS = ['region', 'endpoint', 'pathStyle', 'checksum']
/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
const REGION = /^[a-z0-9-]+$/

/** Fault `invalid` when the URL is not one of an S3 store; the message says what to change. */
export function parseS3Location(url: string): S3Location {
  const invalid = (problem: string, options?: ErrorOptions) =>
    new Fault('invalid', `object store ${withoutSecrets(url)}: ${problem}`, options)
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed?.protocol !== 's3:') throw invalid('expected s3://bucket/prefix?region=…&endpoint=…')
  if (parsed.username !== '' || parsed.password !== '') {
    throw invalid('no credentials in the URL: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use an AWS profile')
  }
  if (!BUCKET.test(parsed.host)) {
    throw invalid(`bucket "${parsed.host}" must be 3 to 63 lower-case letters, digits, "." and "-"`)
  }
  const parameters = parsed.searchParams
  for (const name of new Set(parameters.keys())) {
    if (!PARAMETERS.includes(name)) throw invalid(`unknown parameter "${name}"; there are ${PARAMETERS.join(', ')}`)
    if (parameters.getAll(name).length > 1) throw invalid(`parameter "${name}" is given twice`)
  }
  const choice = <T>(name: string, choices: Readonly<Record<string, T>>, otherwise: T): T => {
    const text = parameters.get(name)
    if (text === null) return otherwise
    const chosen = Object.hasOwn(choices, text) ? choices[text] : undefined
    if (chosen === undefined) throw invalid(`${name} must be ${Object.keys(choices).join(' or ')}`)
    return chosen
  }
  const region = parameters.get('region') ?? undefined
  if (region !== undefined && !REGION.test(region)) throw invalid(`region "${region}" is none, such as eu-central-1`)
  const endpoint = endpointOf(parameters.get('endpoint'), invalid)
  return {
    bucket: parsed.host,
    prefix: prefixOf(parsed.pathname, invalid),
    region: region ?? (endpoint === undefined ? undefined : 'us-east-1'),
    endpoint,
    pathStyle: choice('pathStyle', { true: true, false: false }, endpoint !== undefined),
    checksum: choice<S3Location['checksum']>('checksum', { crc32c: 'crc32c', none: 'none' }, 'crc32c')
  }
}

type Invalid = (problem: string, options?: ErrorOptions) => Fault

function endpointOf(text: string | null, invalid: Invalid): string | undefined {
  if (text === null) return undefined
  const parsed = URL.canParse(text) ? new URL(text) : undefined
  const isBare = parsed !== undefined && ['/', ''].includes(parsed.pathname) && parsed.search === ''
  if (!isBare || !['http:', 'https:'].includes(parsed.protocol) || parsed.username !== '') {
    throw invalid('endpoint must be http(s)://host:port, without a path')
  }
  return parsed.origin
}

function prefixOf(path: string, invalid: Invalid): string {
  const prefix = path.replace(/^\//, '').replace(/\/$/, '')
  if (prefix === '') return ''
  try {
    requirePrefix(`${prefix}/`)
  } catch (error) {
    throw isFault(error) ? invalid(error.message, { cause: error }) : error
  }
  return `${prefix}/`
}

/** For messages and logs: whoever wrote a secret into the URL must not find it there. */
function withoutSecrets(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//…@')
}
