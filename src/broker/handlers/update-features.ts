/**
 * UpdateFeatures v0 to v2 (KIP-584, KIP-778): sets levels of features, all or none. Up to v1 each feature gets its own
 * result when all went well.
 * An unsafe downgrade of metadata.version is refused like a safe one, as in Kafka.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { UpdateFeaturesRequest, UpdateFeaturesResponse } from '../../wire/messages/update-features.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { codeOf } from '../fault-codes.ts'
import { type Features, type FeatureUpdate, featureUpdateProblem, UPGRADE_TYPE } from '../features.ts'
import type { Handler } from '../handler.ts'

type Answer = InferInput<typeof UpdateFeaturesResponse>
type Wanted = UpdateFeaturesRequest['featureUpdates'][number]

export function updateFeaturesHandler({ features, metadata }: BrokerParts): Handler<UpdateFeaturesRequest, Answer> {
  return async (request, context) => {
    const updates = request.featureUpdates.map((wanted) => updateOf(wanted, context.apiVersion, features))
    const problem = featureUpdateProblem(features.levels(), updates)
    if (problem !== undefined) {
      return refuse(
        ErrorCode.INVALID_UPDATE_VERSION,
        `No feature was updated, since one of them had an error: ${problem}`
      )
    }
    try {
      if (!request.validateOnly && updates.length > 0) {
        await metadata.setFeatureLevels(new Map(updates.map(({ feature, level }) => [feature, level])))
      }
    } catch (error) {
      return refuse(codeOf(error), String(error))
    }
    const results = updates.map(({ feature }) => ({ feature, errorCode: ErrorCode.NONE, errorMessage: null }))
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, errorMessage: null, results }
  }
}

/** v0 only says that a downgrade is allowed, whichever way it goes. */
function updateOf(wanted: Wanted, version: number, features: Features): FeatureUpdate {
  const { feature, maxVersionLevel: level, allowDowngrade } = wanted
  if (version > 0) return { feature, level, upgradeType: wanted.upgradeType }
  const before = new Map<string, number>(features.levels()).get(feature) ?? 0
  const lower = allowDowngrade && level < before
  return { feature, level, upgradeType: lower ? UPGRADE_TYPE.safeDowngrade : UPGRADE_TYPE.upgrade }
}

function refuse(errorCode: number, errorMessage: string): Answer {
  return { throttleTimeMs: 0, errorCode, errorMessage, results: [] }
}
