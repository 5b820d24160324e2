/**
 * The subscriptions to metrics of clients (Kafka's CLIENT_METRICS resource, KIP-714), ready to use. Who asks clients for
 * metrics, and takes them in, is not here.
 */

/** What a client may be told apart by; each pattern must match the whole of what the client says. */
export type ClientProperty =
  | 'client_instance_id'
  | 'client_id'
  | 'client_software_name'
  | 'client_software_version'
  | 'client_source_address'
  | 'client_source_port'

/** Tells whether a pattern matches the whole of a value, in time linear in it: clients choose what they are called. */
export interface ClientPattern {
  matches(value: string): boolean
}

export interface ClientMetricsSubscription {
  /** Prefixes of metric names; `*` alone means all. None: the subscription asks for nothing. */
  readonly metrics: readonly string[]
  readonly intervalMs: number
  /** All must match; none matches every client. */
  readonly match: ReadonlyMap<ClientProperty, ClientPattern>
}

/**
 * By name of the subscription. The same map until a subscription changes, so that who depends on it can tell a change
 * by comparing references.
 */
export type ClientMetrics = () => ReadonlyMap<string, ClientMetricsSubscription>
