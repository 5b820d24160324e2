/** What a broker keeps about the cluster's features and its clients, put together the same way everywhere. */
import type { Metadata } from '../metadata/metadata.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import type { ClientMetrics } from './client-metrics-settings.ts'
import type { ClusterView } from './cluster-view.ts'
import { Features } from './features.ts'
import { type PartitionMoves, partitionMoves } from './partition-moves.ts'
import { ClientQuotas } from './quotas/client-quotas.ts'
import { ClientTelemetry } from './telemetry/client-telemetry.ts'

export interface Administration {
  readonly features: Features
  readonly quotas: ClientQuotas
  readonly telemetry: ClientTelemetry
  readonly moves: PartitionMoves
}

export interface AdministrationOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metadata: Metadata
  readonly cluster: ClusterView
  readonly clientMetrics: ClientMetrics
}

export function createAdministration(options: AdministrationOptions): Administration {
  const { clock, random, log, metadata } = options
  const image = () => metadata.image
  return {
    features: new Features(image),
    quotas: new ClientQuotas({ clock, image }),
    telemetry: new ClientTelemetry({ clock, random, log, subscriptions: options.clientMetrics }),
    moves: partitionMoves(metadata, options.cluster)
  }
}
