/**
 * The AWS SDK's S3 client as Longhaul uses it: kept-alive connections, none of the SDK's own retries, checksums or
 * body hashes (`s3-requests.ts` retries, `s3-object-store.ts` checks), no `Expect: 100-continue`.
 *
 * Bodies are signed as UNSIGNED-PAYLOAD where something else vouches for them: TLS, or our CRC-32C, whose header is
 * itself signed. A SHA-256 of every body would cost more than all the rest of a PUT.
 */
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import type { S3Location } from './s3-location.ts'
import type { S3Settings } from './s3-settings.ts'

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** Servers close idle connections after 5 s and more; a PUT that meets one would fail for nothing. */
const KEEP_IDLE_MS = 4_000

/** `credentials` undefined: the standard AWS chain (environment, profile, container, instance). */
export function createS3Client(
  location: S3Location,
  settings: S3Settings,
  credentials: S3Credentials | undefined
): S3Client {
  const connections = { keepAlive: true, maxSockets: settings.requestsMax, timeout: KEEP_IDLE_MS }
  const config: S3ClientConfig = {
    ...(location.region !== undefined && { region: location.region }),
    ...(location.endpoint !== undefined && { endpoint: location.endpoint }),
    ...(credentials !== undefined && { credentials }),
    forcePathStyle: location.pathStyle,
    requestHandler: new NodeHttpHandler({
      httpAgent: new HttpAgent(connections),
      httpsAgent: new HttpsAgent(connections),
      connectionTimeout: settings.connectTimeoutMs,
      socketTimeout: settings.idleTimeoutMs
    }),
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false
  }
  const client = new S3Client(config)
  const isTls = location.endpoint?.startsWith('https:') ?? true
  if (isTls || location.checksum !== 'none') leaveBodiesUnsigned(client)
  return client
}

function leaveBodiesUnsigned(client: S3Client): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const { request } = args
      if (isRequest(request) && Buffer.isBuffer(request.body)) {
        request.headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD'
      }
      return next(args)
    },
    { step: 'build', name: 'leaveBodiesUnsigned' }
  )
}

function isRequest(request: unknown): request is { headers: Record<string, string>; body: unknown } {
  return typeof request === 'object' && request !== null && 'headers' in request && 'body' in request
}
