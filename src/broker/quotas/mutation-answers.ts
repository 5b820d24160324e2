/** What handlers that change topics say to clients with a quota of changes (KIP-599). */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { RequestContext } from '../handler.ts'
import type { QuotaClient } from './quota-book.ts'

export const QUOTA_EXCEEDED = {
  errorCode: ErrorCode.THROTTLING_QUOTA_EXCEEDED,
  errorMessage: 'The quota of this client for changes of topics is used up: try again after the throttle time.'
} as const

export function quotaClient({ peer, clientId }: RequestContext): QuotaClient {
  return { user: peer.principal, clientId: clientId ?? '' }
}
